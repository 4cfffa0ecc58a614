"""What the network has in mind: caches of every guidance branch and the operations on them.

A window is its first latent frame and the blocks after it. Four operations change or use it:
``restart``, ``refresh`` (real latents go in), ``velocity`` (denoising reads), and ``borrowed``
(whatever happens inside is undone bit for bit). When they are called is not decided here: a robot's
rules are in ``inference/session.py``, the reference's in ``inference/reference.py`` (design:
model.md 4).

``mark`` and ``undo`` take back a call that is given up. What was appended since is cut off again. A
restart overwrites rows that nobody copied, so undoing one leaves the latents of the former context
to be entered anew, by the next operation that needs them: a call that restarts does not.

A network that packs its forwards is not run for latents that go in: they wait until a branch is
evaluated for the first time and go through the layers with it, or until somebody needs the caches.

Shape legend: B batch, C latent channels, F latent frames of a forward, K latent frames per block,
h, w latent height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from dreamzero_policy.model.context import Context, Side
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Clean, Network, Noisy
from dreamzero_policy.sampling.sampler import PredictedVideo, Velocity, guided

Condition = Callable[[int, int], Tensor]
"""(start frame, count) -> the first-frame condition y [B, 4 + C, count, h, w] of these frames."""


class Mark(NamedTuple):
    """A context to go back to.

    Attributes:
        restarts: of the window until then.
        frames, latents: as in ``Window``.
        condition, contexts: what they stand under.
        waiting: latents that were in no cache, by branch.
    """

    restarts: int
    frames: int
    latents: tuple[Tensor, ...]
    condition: Condition | None
    contexts: tuple[Context, ...]
    waiting: dict[int, Clean]


class Window:
    """The context of one episode.

    Args:
        network: its configuration gives the sizes.
        branches: 2 with guidance (prompt, negative prompt), 1 without.
        batch: episodes that run in step; 1 on a robot.
        blocks: blocks that it holds; None: as many as the model was trained with.

    Attributes:
        caches: one per branch; latents that still wait are not in them.
        frames: latent frames in the context; where the next block starts.
        latents: the same frames' clean latents, each [B, C, F, h, w], for decoding.
        block: latent frames K of a block.
        conditioned: whether the network reads the first-frame condition.
    """

    def __init__(
        self, network: Network, branches: int = 2, batch: int = 1, blocks: int | None = None
    ) -> None:
        config, weight = network.dit.config, network.dit.patch_embedding.weight
        if blocks is not None:
            config = config.with_blocks(blocks)
        self._network = network
        self.block = config.num_frame_per_block
        self._tokens = config.frame_seqlen
        most = config.condition_frames if blocks is None else config.window_frames
        self._most = min(config.window_frames, most)
        self.conditioned = config.condition_channels > 0
        self.caches = tuple(
            KVCache.for_model(config, batch, weight.dtype, weight.device) for _ in range(branches)
        )
        self.frames = 0
        self.latents: tuple[Tensor, ...] = ()
        self._condition: Condition | None = None
        self._contexts: tuple[Context, ...] = ()
        self._waiting: dict[int, Clean] = {}  # by branch
        self._restarts = 0
        self._lost = False  # whether the context is in no cache any more

    def restart(
        self, first: Tensor, condition: Condition, image: Side, texts: Sequence[Side]
    ) -> None:
        """Drops everything and starts from one frame.

        Args:
            first: [B, C, 1, h, w], its latent.
            condition: made from it, for whatever frames are asked for.
            image: its image tokens, embedded.
            texts: per branch an embedded prompt, the instruction first.

        Raises:
            ValueError: not one text per branch.
        """
        if len(texts) != len(self.caches):
            raise ValueError(
                f"texts: expected one per branch, {len(self.caches)}, got {len(texts)}"
            )
        self.clear()
        self._condition = condition
        self._contexts = tuple(Context(text, image) for text in texts)
        self._enter(first)

    def clear(self) -> None:
        """Forgets everything but the memory itself; ``restart`` comes next."""
        for cache in self.caches:
            cache.reset()
        self.frames, self.latents, self._condition, self._waiting = 0, (), None, {}
        self._restarts, self._lost = self._restarts + 1, False
        self._contexts = ()

    def refresh(self, latents: Tensor) -> None:
        """Appends a block of real latents, [B, C, K, h, w].

        Raises:
            ValueError: another number of latent frames, or nothing to append to.
        """
        if latents.shape[2] != self.block or not self.frames:
            raise ValueError(
                f"refresh: expected {self.block} latent frames after a first one, got "
                f"{latents.shape[2]} after {self.frames}"
            )
        self._recover()
        self._enter(latents)

    def mark(self) -> Mark:
        """The context as it is, for ``undo``."""
        return Mark(
            self._restarts,
            self.frames,
            self.latents,
            self._condition,
            self._contexts,
            dict(self._waiting),
        )

    def undo(self, mark: Mark) -> None:
        """Goes back to a context of before; not inside ``borrowed``.

        Args:
            mark: the newest one of this window.
        """
        self.frames, self.latents = mark.frames, mark.latents
        self._condition, self._contexts = mark.condition, mark.contexts
        self._lost = self._lost or mark.restarts != self._restarts
        self._waiting = {}
        for branch, cache in enumerate(self.caches):
            if self._lost:
                cache.reset()
            elif cache.position < mark.frames * self._tokens:
                self._waiting[branch] = mark.waiting[branch]
            else:
                cache.truncate(mark.frames * self._tokens)

    def _recover(self) -> None:
        """Enters the context anew after a restart was undone."""
        if self._lost:
            latents, self._lost = self.latents, False
            self.frames, self.latents = 0, ()
            for each in latents:
                self._enter(each)

    def _enter(self, latents: Tensor) -> None:
        """Clean latents behind the context, in every branch."""
        self.settle()
        clean = Clean(latents, self.condition(latents.shape[2]))
        self._waiting = dict.fromkeys(range(len(self.caches)), clean)
        self.frames += latents.shape[2]
        self.latents = (*self.latents, latents)
        if not self._network.packs:
            self.settle()

    def settle(self) -> None:
        """Writes latents that still wait into their caches."""
        self._recover()
        for branch, clean in self._waiting.items():
            self._network.write(clean, self._contexts[branch], self.caches[branch])
        self._waiting = {}

    def velocity(
        self, state: Tensor, guidance: float, predicted: PredictedVideo = "guided"
    ) -> Velocity:
        """The guided network for the block after the context, as the sampler takes it.

        It reads the caches and never changes what they store. Samples come and velocities go in
        float32, the network works in its own dtype.

        Args:
            state: [B, n_s, D_s] normalised.
            guidance: 1 reads the first branch only.
            predicted: what the last evaluation gives for the video.
        """
        branches = self.velocities(state, predicted)
        return guided(branches[0], branches[1] if len(branches) > 1 else None, guidance, predicted)

    def velocities(
        self, state: Tensor, predicted: PredictedVideo = "guided"
    ) -> tuple[Velocity, ...]:
        """The network under each branch's prompt; arguments as of ``velocity``."""
        self._recover()
        y = self.condition(self.block)
        return tuple(
            self._branch(index, state, y, predicted != "none") for index in range(len(self.caches))
        )

    def _branch(self, branch: int, state: Tensor, y: Tensor | None, video: bool) -> Velocity:
        """The network under one branch's prompt; ``video`` in the last evaluation, too."""
        dtype, context, cache = state.dtype, self._contexts[branch], self.caches[branch]

        def velocity(
            x: Tensor, actions: Tensor, video_timestep: int, action_timestep: int, last: bool
        ) -> tuple[Tensor | None, Tensor]:
            batch, _, frames = x.shape[:3]
            noisy = Noisy(
                x.to(dtype),
                torch.full((batch, frames), video_timestep, device=x.device),
                actions.to(dtype),
                torch.full((batch, actions.shape[1]), action_timestep, device=x.device),
                state,
                y,
            )
            clean = self._waiting.pop(branch, None)
            v, u = self._network.denoise(noisy, context, cache, clean, video or not last)
            return None if v is None else v.float(), u.float()

        return velocity

    def prepare(self, blocks: int = 1) -> None:
        """Has the condition of the next blocks made, for a network that reads one.

        Args:
            blocks: how many behind the context.
        """
        frames = min(blocks * self.block, self._most - self.frames)
        if self._condition is not None and frames > 0:
            self.condition(frames)

    def condition(self, count: int) -> Tensor | None:
        """The condition of ``count`` latent frames after the context; None if it reads none."""
        return self._condition(self.frames, count) if self.conditioned else None

    @contextmanager
    def borrowed(self, frames: int) -> Iterator[None]:
        """Shortens the context to its first ``frames`` latent frames, and undoes all at the end.

        What is written inside may be as long as what was cut off; afterwards the caches, and
        everything else, are what they were before, bit for bit, even after an exception.

        Args:
            frames: latent frames to keep, 0 for an empty window.
        """
        self.settle()
        start = frames * self._tokens
        kept = self.frames, self.latents, self._condition, self._contexts, self._restarts
        snapshots = [cache.snapshot(start) for cache in self.caches]
        try:
            for cache in self.caches:
                cache.truncate(start)
            whole, held = [], 0
            for latents in self.latents:
                if held + latents.shape[2] > frames:
                    break
                whole.append(latents)
                held += latents.shape[2]
            self.frames, self.latents = frames, tuple(whole)
            yield
        finally:
            self._waiting = {}
            self.frames, self.latents, self._condition, self._contexts, self._restarts = kept
            for cache, snapshot in zip(self.caches, snapshots, strict=True):
                cache.restore(snapshot)
