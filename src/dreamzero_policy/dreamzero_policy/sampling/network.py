"""What a window asks of a network, and the plainest answer: one forward for each, nothing left out.

``Literal`` is the slow twin of ``forwards.py``. Neither decides when a forward is due: that is the
window's.

Shape legend: B batch, C latent channels, F latent frames of a forward, K latent frames per block,
h, w latent height and width, n_a actions and n_s states per block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from dreamzero_policy.model.context import Context
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.sampling.kv_cache import KVCache


@dataclass(frozen=True)
class Clean:
    """Observed latents [B, C, F, h, w], and their condition y, None where none is read."""

    latents: Tensor
    y: Tensor | None


@dataclass(frozen=True)
class Noisy:
    """A block on its way from noise: arguments of ``CausalDiT.denoise``.

    Attributes:
        latents: [B, C, K, h, w].
        video_tau: [B, K] timesteps.
        actions: [B, n_a, action_dim].
        action_tau: [B, n_a] timesteps.
        state: [B, n_s, state_dim].
        y: [B, 4 + C, K, h, w], as in ``Clean``.
    """

    latents: Tensor
    video_tau: Tensor
    actions: Tensor
    action_tau: Tensor
    state: Tensor
    y: Tensor | None


class Network(Protocol):
    """What a window asks of a network.

    Attributes:
        dit: the weights.
        packs: whether ``denoise`` takes clean latents along for less than a ``write`` costs.
    """

    dit: CausalDiT
    packs: bool

    def write(self, clean: Clean, context: Context, cache: KVCache) -> None:
        """Stores the keys of clean latents behind what is stored."""

    def denoise(
        self,
        noisy: Noisy,
        context: Context,
        cache: KVCache,
        clean: Clean | None = None,
        video: bool = True,
    ) -> tuple[Tensor | None, Tensor]:
        """Video and action velocity of a block, after ``clean`` is stored if there is any.

        Args:
            noisy: the block.
            context: prompt and first image.
            cache: all that comes before.
            clean: comes between the two.
            video: whether anybody reads the video velocity; where not it may be None.
        """


class Literal:
    """The slow twin: a forward for each, and everything computed.

    Args:
        dit: the network.
    """

    packs = False

    def __init__(self, dit: CausalDiT) -> None:
        self.dit = dit

    def write(self, clean: Clean, context: Context, cache: KVCache) -> None:
        """As ``Network.write``."""
        start = cache.position // self.dit.config.frame_seqlen
        self.dit.write(clean.latents, clean.y, context, cache, start)

    def denoise(
        self,
        noisy: Noisy,
        context: Context,
        cache: KVCache,
        clean: Clean | None = None,
        video: bool = True,
    ) -> tuple[Tensor | None, Tensor]:
        """As ``Network.denoise``."""
        if clean is not None:
            self.write(clean, context, cache)
        start = cache.position // self.dit.config.frame_seqlen
        return self.dit.denoise(
            noisy.latents,
            noisy.video_tau,
            noisy.actions,
            noisy.action_tau,
            noisy.state,
            noisy.y,
            context,
            cache,
            start,
        )
