"""An episode that never ends, over random latents: chunk after chunk as a robot asks for them.

``Episode`` runs the network as the engine does (``sampling/window.py``), ``Published`` as the
published code does, with everything computed anew. Where a VAE and an image encoder are given,
canvases are encoded inside the timed call as the engine encodes them; the prompt never is, since an
instruction lasts. Every fourth chunk or so begins a window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from dreamzero_policy.acceleration.prompt import embed_prompt
from dreamzero_policy.model.block import Keys
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.context import Context, Side
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Network, Noisy
from dreamzero_policy.sampling.sampler import PredictedVideo, Velocity, denoise_block, guided
from dreamzero_policy.sampling.schedule import flow_schedule
from dreamzero_policy.sampling.stages import Stages
from dreamzero_policy.sampling.step_cache import step_cache
from dreamzero_policy.sampling.window import Window
from literal import Branch, Output
from networks import Given

GUIDANCE = 5.0


class Encoders(Protocol):
    """The engine's ways into the network; ``encoders.py`` has them where diffusers is."""

    def first(self) -> tuple[Tensor, Callable[[int, int], Tensor], Tensor]:
        """A first frame: image tokens, condition by (start, count), and its latent."""

    def begin(self) -> None:
        """Encodes all of the next clip but its newest group: before the call."""

    def newest(self) -> Tensor:
        """The rest of it: latents [1, C, K, h, w]."""

    def clip(self) -> Tensor:
        """The whole clip at once."""


@dataclass(frozen=True)
class Sampling:
    """How a block is sampled.

    Attributes:
        evaluations: of the network; fewer than ``timesteps`` reuse velocities.
        timesteps: of the schedule.
        guidance: whether a negative branch runs.
        predicted: what the last evaluation gives for the video.
        batched: whether both branches go through the layers side by side.
        hidden_refresh: whether the refresh is done before the call.
        final_video_sigma: as ``flow_schedule``.
    """

    evaluations: int | str = "all"
    timesteps: int = 16
    guidance: bool = True
    predicted: PredictedVideo = "unguided"
    batched: bool = False
    hidden_refresh: bool = False
    final_video_sigma: float | None = None


class Chunk(NamedTuple):
    """What a call gave.

    Attributes:
        context: latent frames that it was denoised behind.
        stages: seconds by stage, ``total`` among them.
        actions: [1, n_a, action_dim] on the host.
    """

    context: int
    stages: dict[str, float]
    actions: Tensor


class Episode:
    """Chunks by our network.

    Args:
        network: the weights, as they are run.
        given: what goes in.
        sampling: how.
        encoders: None: latents are given.
    """

    def __init__(
        self, network: Network, given: Given, sampling: Sampling, encoders: Encoders | None = None
    ) -> None:
        self._network, self._given, self._sampling = network, given, sampling
        self._encoders = encoders
        self._config, dit = network.dit.config, network.dit
        single = not sampling.guidance or (
            _evaluations(sampling) == 1 and sampling.predicted != "guided"
        )
        with torch.inference_mode():
            texts = given.texts[: 1 if single else 2]
            self._double = sampling.batched and not single
            if self._double:
                texts = [torch.cat(texts)]
            texts = self._texts = [embed_prompt(dit, text) for text in texts]
        batch = 2 if self._double else 1
        self._window = Window(network, len(texts), batch)
        self._schedules = (
            flow_schedule(sampling.timesteps, 5.0, sampling.final_video_sigma),
            flow_schedule(sampling.timesteps),
        )
        self._rule = step_cache(sampling.evaluations, sampling.timesteps)

    @torch.inference_mode()
    def chunk(self) -> Chunk:
        """The next one."""
        device = self._given.video.device
        begins = self._window.frames in (0, self._config.window_frames - self._block)
        if self._encoders is not None and not begins:
            self._encoders.begin()
        if self._sampling.hidden_refresh and not begins:
            self._window.refresh(self._latents())
            self._window.settle()
            if self._encoders is not None:
                self._encoders.begin()
        stages = Stages(device)
        if begins:
            with stages("condition"):
                clip, condition, first = self._first()
                image = self._network.dit.embed_image(clip)
            with stages("refresh"):
                if self._double:
                    image, first = _stacked(image, image), first.expand(2, -1, -1, -1, -1)
                    condition = _doubled(condition)
                self._window.restart(first, condition, image, self._texts)
        else:
            with stages("encode"):
                latents = self._latents()
            if not self._sampling.hidden_refresh:
                with stages("refresh"):
                    self._window.refresh(self._both(latents))
        with stages("condition"):
            self._window.prepare()
        with stages("denoise"):
            block = denoise_block(
                self._velocity(),
                self._given.video,
                self._given.actions,
                *self._schedules,
                self._rule,
            )
        with stages("actions"):
            actions = block.actions.float().cpu()
        return Chunk(self._window.frames, stages.done(), actions)

    @property
    def _block(self) -> int:
        """Latent frames of a block."""
        return self._config.num_frame_per_block

    def _first(self) -> tuple[Tensor, Callable[[int, int], Tensor], Tensor]:
        if self._encoders is not None:
            return self._encoders.first()
        y = self._given.y
        return (
            self._given.clip,
            lambda start, count: y[:, :, start : start + count],
            (self._given.first),
        )

    def _latents(self) -> Tensor:
        """The newest block's."""
        if self._encoders is not None:
            return self._encoders.newest()
        return self._given.blocks[(self._window.frames - 1) // self._block]

    def _both(self, latents: Tensor) -> Tensor:
        return latents.expand(2, -1, -1, -1, -1) if self._double else latents

    def _velocity(self) -> Velocity:
        sampling, state = self._sampling, self._given.state
        if not self._double:
            guidance = GUIDANCE if sampling.guidance else 1.0
            return self._window.velocity(state, guidance, sampling.predicted)
        both = self._window.velocity(state.expand(2, -1, -1), 1.0)

        def velocity(x: Tensor, a: Tensor, *rest: object) -> tuple[Tensor, Tensor]:
            v, u = both(x.expand(2, -1, -1, -1, -1), a.expand(2, -1, -1), *rest)
            return v[1:] + GUIDANCE * (v[:1] - v[1:]), u[:1]

        return velocity


class Published:
    """Chunks as the published code makes them: one forward after the other, nothing kept.

    Args:
        forward: ``LiteralForward`` or ``ReferenceForward``.
        config: the model.
        given: what goes in.
        sampling: evaluations and timesteps; guidance is on.
        encoders: None: latents are given.
    """

    def __init__(
        self,
        forward: Callable[..., Output],
        config: ModelConfig,
        given: Given,
        sampling: Sampling,
        encoders: Encoders | None = None,
    ) -> None:
        self._forward, self._config, self._given = forward, config, given
        self._encoders, self._frames = encoders, 0
        self._branches = [Branch(text, given.clip) for text in given.texts]
        self._caches: list[list[Tensor]] = []
        self._y = given.y
        self._schedule = flow_schedule(sampling.timesteps)
        self._rule = step_cache(sampling.evaluations, sampling.timesteps)

    @torch.inference_mode()
    def chunk(self) -> Chunk:
        """The next one."""
        config, given = self._config, self._given
        stages = Stages(given.video.device)
        if self._frames in (0, config.window_frames - config.num_frame_per_block):
            with stages("condition"):
                first = self._restart()
            with stages("refresh"):
                self._refresh(first, 0)
        else:
            with stages("encode"):
                latents = given.blocks[(self._frames - 1) // config.num_frame_per_block]
                if self._encoders is not None:
                    latents = self._encoders.clip()
            with stages("refresh"):
                self._refresh(latents, self._frames)
        with stages("denoise"):
            block = denoise_block(
                guided(*(self._velocity(i) for i in range(2)), GUIDANCE),
                given.video,
                given.actions,
                self._schedule,
                self._schedule,
                self._rule,
            )
        with stages("actions"):
            actions = block.actions.float().cpu()
        return Chunk(self._frames, stages.done(), actions)

    def _restart(self) -> Tensor:
        """A window without a frame; the first frame's latent."""
        self._frames = 0
        self._caches = [self._forward.empty() for _ in self._branches]
        if self._encoders is None:
            return self._given.first
        clip, condition, first = self._encoders.first()
        self._branches = [replace_clip(branch, clip) for branch in self._branches]
        if self._config.condition_channels:
            self._y = condition(0, self._config.condition_frames)
        return first

    def _refresh(self, latents: Tensor, start: int) -> None:
        """Clean frames into both caches."""
        tau = latents.new_zeros(1, latents.shape[2], dtype=torch.int64)
        y = self._slice(start, latents.shape[2])
        for index, branch in enumerate(self._branches):
            out = self._forward(latents, tau, y, branch, self._caches[index], start)
            self._caches[index] = out.caches
        self._frames = start + latents.shape[2]

    def _velocity(self, index: int) -> Velocity:
        given, dtype = self._given, self._given.state.dtype

        def velocity(x: Tensor, a: Tensor, t: int, t_action: int, _: bool) -> tuple[Tensor, Tensor]:
            tau = torch.full((1, x.shape[2]), t, device=x.device)
            rows = torch.full((1, a.shape[1]), t_action, device=x.device)
            out = self._forward(
                x.to(dtype),
                tau,
                self._slice(self._frames, x.shape[2]),
                self._branches[index],
                self._caches[index],
                self._frames,
                (a.to(dtype), rows, given.state),
            )
            return out.video.float(), out.actions.float()

        return velocity

    def _slice(self, start: int, count: int) -> Tensor | None:
        return None if self._y is None else self._y[:, :, start : start + count]


def replace_clip(branch: Branch, clip: Tensor) -> Branch:
    """The same prompt behind another first image."""
    return branch._replace(clip=clip)


def _evaluations(sampling: Sampling) -> int:
    """Of the network per block."""
    return sampling.timesteps if sampling.evaluations == "all" else int(sampling.evaluations)


def _stacked(a: Side, b: Side) -> Side:
    """Two images as a batch of two."""
    keys = tuple(
        Keys(torch.cat([one.key, two.key]), torch.cat([one.value, two.value]))
        for one, two in zip(a.keys, b.keys, strict=True)
    )
    return replace(a, tokens=torch.cat([a.tokens, b.tokens]), keys=keys)


def _doubled(condition: Callable[[int, int], Tensor]) -> Callable[[int, int], Tensor]:
    """The condition of both branches."""
    return lambda start, count: condition(start, count).expand(2, -1, -1, -1, -1)


class OneForward:
    """One evaluation of one branch behind a context, again and again.

    Args:
        network: the weights, as they are run.
        given: what goes in.
        frames: latent frames in the context.
    """

    def __init__(self, network: Network, given: Given, frames: int) -> None:
        config = network.dit.config
        self._network = network
        weight = network.dit.patch_embedding.weight
        batch = given.state.shape[0]
        self._cache = KVCache.for_model(config, batch, weight.dtype, weight.device)
        with torch.inference_mode():
            dit = network.dit
            self._context = Context(embed_prompt(dit, given.texts[0]), dit.embed_image(given.clip))
            start = 0
            for latents in (given.first, *given.blocks):
                if start >= frames:
                    break
                y = None if given.y is None else given.y[:, :, start : start + latents.shape[2]]
                network.dit.write(latents, y, self._context, self._cache, start)
                start += latents.shape[2]
        count = config.num_frame_per_block
        y = None if given.y is None else given.y[:, :, frames : frames + count]
        tau = torch.full((batch, count), 833, device=weight.device)
        rows = torch.full((batch, config.num_action_per_block), 833, device=weight.device)
        dtype = weight.dtype
        self._noisy = Noisy(
            given.video.to(dtype), tau, given.actions.to(dtype), rows, given.state, y
        )

    @torch.inference_mode()
    def __call__(self) -> tuple[Tensor, Tensor]:
        """Velocities of video and actions."""
        return self._network.denoise(self._noisy, self._context, self._cache)
