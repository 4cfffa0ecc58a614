"""A model in the middle of a window, for work that is timed: forwards, a block, whole calls."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.load import Loaded
from dreamzero_policy.inference.engine import Engine, EngineOptions
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Literal, Noisy
from dreamzero_policy.sampling.sampler import denoise_block
from dreamzero_policy.sampling.schedule import flow_schedule
from dreamzero_policy.sampling.step_cache import step_cache
from dreamzero_policy.sampling.window import Window
from dreamzero_policy.types import Observation

Work = Callable[[], tuple[Tensor, ...] | Tensor]


class Bench:
    """A model with a context of 5 latent frames, a block to come and one to denoise."""

    def __init__(self, loaded: Loaded, robot: embodiments.Embodiment) -> None:
        self.loaded, self.robot, self.model = loaded, robot, loaded.model
        self.config, self.dit = loaded.config, loaded.model.dit
        config = self.config
        generator = torch.Generator().manual_seed(0)
        self.random = lambda *shape: torch.randn(shape, generator=generator)
        size = config.latent_size
        self.y = self.random(1, 20, config.window_frames, *size)
        self.texts = [self.random(1, config.text_len, config.text_dim) for _ in range(2)]
        for text in self.texts:
            text[:, config.text_len // 4 :] = 0  # 128 of 512 tokens, as prompts have
        self.clip = self.random(1, config.image.tokens, config.clip_dim)
        self.blocks = [self.random(1, config.out_dim, n, *size) for n in (1, 2, 2, 2)]
        self.noise = (
            self.random(1, config.out_dim, 2, *size),
            self.random(1, config.num_action_per_block, config.max_action_dim),
        )
        self.state = self.random(1, 1, config.max_state_dim)
        self.whole = robot.example(frames=41)

    def cache(self, frames: int = 7, kind: type[KVCache] = KVCache) -> KVCache:
        """A cache with the first frames of the context."""
        cache, start = kind.for_model(self.config), 0
        context = self.dit.embed_context(self.texts[0], self.clip)
        for block in self.blocks:
            if start + block.shape[2] <= frames:
                y = self.y[:, :, start : start + block.shape[2]]
                self.dit.write(block, y, context, cache, start)
                start += block.shape[2]
        return cache

    def noisy(self, start: int) -> Noisy:
        """The block to denoise, somewhere on its way."""
        rows = self.config.num_action_per_block
        y = self.y[:, :, start : start + 2]
        tau, action_tau = torch.full((1, 2), 833), torch.full((1, rows), 833)
        return Noisy(self.noise[0], tau, self.noise[1], action_tau, self.state, y)

    def window(self, network: Forwards | Literal, branches: int = 2) -> Window:
        """A window with 7 latent frames."""
        window, dit = Window(network, branches), self.dit
        texts = [dit.embed_text(text) for text in self.texts[:branches]]
        image = dit.embed_image(self.clip)
        y = self.y
        window.restart(self.blocks[0], lambda s, n: y[:, :, s : s + n], image, texts)
        for block in self.blocks[1:]:
            window.refresh(block)
        window.settle()
        return window

    def block(
        self,
        window: Window,
        evaluations: int | str,
        guidance: float = 5.0,
        predicted: str = "guided",
        steps: int = 16,
    ) -> Work:
        """Sampling one block; gives its actions."""
        velocity, schedule = window.velocity(self.state, guidance, predicted), flow_schedule(steps)
        cache = step_cache(evaluations, steps)
        return lambda: denoise_block(velocity, *self.noise, schedule, schedule, cache).actions

    def calls(self, options: dict, calls: list[int], prepare: bool) -> Work:
        """A new session's calls; timed is the last one alone, which gives its relative rows."""
        engine = Engine(self.loaded, self.robot, EngineOptions(threads=1, **options))

        def run() -> Tensor:
            session = engine.new_session(1)
            for newest in range(calls[-1] + 1):
                seen = slice(max(0, newest - 16), newest + 1)
                observation = Observation(
                    self.whole.canvases[seen],
                    self.whole.stamps_ns[seen],
                    self.whole.state,
                    self.whole.prompt,
                )
                if newest in calls:
                    start = time.thread_time()
                    result = engine.infer(session, observation)
                    run.seconds = time.thread_time() - start
                if prepare and newest < calls[-1]:
                    engine.prepare(session, observation, 8)
            return torch.tensor(result.chunk.rows[:, :7] - self.whole.state[:7])

        return run
