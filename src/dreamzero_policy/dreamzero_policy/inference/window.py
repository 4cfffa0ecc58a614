"""What the network has in mind: caches of every guidance branch and the operations on them.

A window is its first latent frame and the blocks after it. Four operations change or use it:
``restart``, ``refresh`` (real latents go in), ``velocity`` (denoising reads), and ``borrowed``
(whatever happens inside is undone bit for bit). When they are called is not decided here: a robot's
rules are in ``session.py``, the reference's in ``reference.py`` (design: model.md 4).

Shape legend: B batch, C latent channels, F latent frames of a forward, K latent frames per block,
h, w latent height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from dreamzero_policy.inference.kv_cache import KVCache
from dreamzero_policy.inference.sampler import Velocity, guided
from dreamzero_policy.model.dit import CausalDiT, Context

Condition = Callable[[int, int], Tensor]
"""(start frame, count) -> the first-frame condition y [B, 4 + C, count, h, w] of these frames."""


class Window:
    """The context of one episode.

    Args:
        dit: the network; its configuration gives the sizes.
        branches: 2 with guidance (prompt, negative prompt), 1 without.
        batch: episodes that run in step; 1 on a robot.

    Attributes:
        caches: one per branch.
        frames: latent frames in the context; where the next block starts.
        latents: the same frames' clean latents, each [B, C, F, h, w], for decoding.
    """

    def __init__(self, dit: CausalDiT, branches: int = 2, batch: int = 1) -> None:
        config, weight = dit.config, dit.patch_embedding.weight
        self._dit = dit
        self._block = config.num_frame_per_block
        self._tokens = config.frame_seqlen
        self._most = min(config.window_frames, config.condition_frames)
        self._conditioned = config.condition_channels > 0
        self.caches = tuple(
            KVCache.for_model(config, batch, weight.dtype, weight.device) for _ in range(branches)
        )
        self.frames = 0
        self.latents: tuple[Tensor, ...] = ()
        self._condition: Condition | None = None
        self._contexts: tuple[Context, ...] = ()

    def restart(
        self, first: Tensor, condition: Condition, clip: Tensor, texts: Sequence[Tensor]
    ) -> None:
        """Drops everything and starts from one frame.

        Args:
            first: [B, C, 1, h, w], its latent.
            condition: made from it, for whatever frames are asked for.
            clip: [B, tokens, clip_dim], its image tokens.
            texts: per branch [B, text_len, text_dim], the prompt first.

        Raises:
            ValueError: not one text per branch.
        """
        if len(texts) != len(self.caches):
            raise ValueError(
                f"texts: expected one per branch, {len(self.caches)}, got {len(texts)}"
            )
        for cache in self.caches:
            cache.reset()
        self.frames, self.latents, self._condition = 0, (), condition
        self._contexts = tuple(self._dit.embed_context(text, clip) for text in texts)
        self._write(first)

    def refresh(self, latents: Tensor) -> None:
        """Appends a block of real latents, [B, C, K, h, w].

        Raises:
            ValueError: another number of latent frames, or nothing to append to.
        """
        if latents.shape[2] != self._block or not self.frames:
            raise ValueError(
                f"refresh: expected {self._block} latent frames after a first one, got "
                f"{latents.shape[2]} after {self.frames}"
            )
        self._write(latents)

    def _write(self, latents: Tensor) -> None:
        """Writes clean latents behind the context, in every branch."""
        y = self._y(latents.shape[2])
        for context, cache in zip(self._contexts, self.caches, strict=True):
            self._dit.write(latents, y, context, cache, self.frames)
        self.frames += latents.shape[2]
        self.latents = (*self.latents, latents)

    def velocity(self, state: Tensor, guidance: float) -> Velocity:
        """The guided network for the block after the context, as the sampler takes it.

        It reads the caches and never changes them. Samples come and velocities go in float32, the
        network works in its own dtype.

        Args:
            state: [B, n_s, D_s] normalised.
            guidance: 1 reads the first branch only.
        """
        y = self._y(self._block)
        branches = [
            self._branch(state, y, context, cache)
            for context, cache in zip(self._contexts, self.caches, strict=True)
        ]
        return guided(branches[0], branches[1] if len(branches) > 1 else None, guidance)

    def _branch(
        self, state: Tensor, y: Tensor | None, context: Context, cache: KVCache
    ) -> Velocity:
        """The network under one branch's prompt."""
        dtype = state.dtype

        def velocity(
            video: Tensor, actions: Tensor, video_timestep: int, action_timestep: int
        ) -> tuple[Tensor, Tensor]:
            batch, _, frames = video.shape[:3]
            v, u = self._dit.denoise(
                video.to(dtype),
                torch.full((batch, frames), video_timestep, device=video.device),
                actions.to(dtype),
                torch.full((batch, actions.shape[1]), action_timestep, device=video.device),
                state,
                y,
                context,
                cache,
                self.frames,
            )
            return v.float(), u.float()

        return velocity

    def prepare(self, blocks: int = 1) -> None:
        """Has the condition of the next blocks made, for a network that reads one.

        Args:
            blocks: how many behind the context.
        """
        frames = min(blocks * self._block, self._most - self.frames)
        if self._condition is not None and frames > 0:
            self._y(frames)

    def _y(self, count: int) -> Tensor | None:
        """The condition of ``count`` latent frames after the context; None if it reads none."""
        return self._condition(self.frames, count) if self._conditioned else None

    @contextmanager
    def borrowed(self, frames: int) -> Iterator[None]:
        """Shortens the context to its first ``frames`` latent frames, and undoes all at the end.

        What is written inside may be as long as what was cut off; afterwards the caches, and
        everything else, are what they were before, bit for bit, even after an exception.

        Args:
            frames: latent frames to keep, 0 for an empty window.
        """
        start = frames * self._tokens
        kept = self.frames, self.latents, self._condition, self._contexts
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
            self.frames, self.latents, self._condition, self._contexts = kept
            for cache, snapshot in zip(self.caches, snapshots, strict=True):
                cache.restore(snapshot)
