"""The flow-matching loss on video and actions (design: model.md 5; paper 3.3).

A sample at noise level sigma is ``(1 - sigma) * clean + sigma * noise`` and the network learns the
velocity ``noise - clean``. Levels come from a table of 1000, index 0 the noisiest; every block of a
window has a level of its own, and in decoupled training every action has too.

Shape legend: B batch, F latent frames (the first and whole blocks of K), A action rows of all
blocks (n_a per block), D_a padded action width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

LEVELS = 1000
"""Entries of the table."""

NoiseMode = Literal["standard", "high_noise", "decoupled", "no_video"]

Weighting = Literal["bell", "even"]

_ALL_NOISE = 10
"""Of the table's first levels, which differ by less than 2 of 1000 timesteps from pure noise."""

VIDEO_LEFT = {"decoupled": 0.8, "no_video": 0.999}
"""Noise level at which the video of a model that was trained in a mode stops being denoised: the
reference's where it learned little below, nearly all where it learned nothing; 0 otherwise."""


@dataclass(frozen=True)
class NoiseTable:
    """The levels of training; every tensor is float32 [LEVELS].

    Attributes:
        sigmas: noise levels, falling from 1.
        timesteps: what the network is told, ``1000 * sigma``.
        weights: of the squared error at each level; 1 on average.
    """

    sigmas: Tensor
    timesteps: Tensor
    weights: Tensor

    @classmethod
    def make(
        cls,
        shift: float = 5.0,
        device: torch.device | str = "cpu",
        weighting: Weighting = "bell",
    ) -> NoiseTable:
        """The table for a shift towards noise; 1 spaces the levels evenly.

        The reference weighs levels by a ``bell``, which is 0 at pure noise. Near there alone it is
        decided where a robot goes: below a noise level of 0.9 that can be read off 24 noisy rows of
        actions. A small network that learns from little then learns to denoise and not to decide;
        with ``even`` weights it learned to decide in less than half as many steps.

        It is float32 from the start: the network reads timesteps through sines of up to 1000 rad,
        so their last bit shows.
        """
        even = torch.linspace(1, 0, LEVELS + 1)[:-1]
        sigmas = shift * even / (1 + (shift - 1) * even)
        timesteps = LEVELS * sigmas
        bell = torch.exp(-2 * ((timesteps - LEVELS / 2) / LEVELS) ** 2)
        weights = bell - bell.min()
        weights = weights * (LEVELS / weights.sum())
        if weighting == "even":
            weights = torch.ones_like(weights)
        return cls(sigmas.to(device), timesteps.to(device), weights.to(device))

    def nearest(self, timesteps: Tensor) -> Tensor:
        """Index of the entry nearest to each timestep; the same shape, int64."""
        distance = (self.timesteps - timesteps.float().reshape(-1, 1)).abs()
        return distance.argmin(dim=1).reshape(timesteps.shape)

    def add_noise(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Samples at the levels of ``timesteps``, whose axes are the first axes of ``clean``."""
        return self.at(clean, noise, self.nearest(timesteps))

    def at(self, clean: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        """Samples at table indices ``levels``, whose axes are the first axes of ``clean``."""
        sigma = self.sigmas[levels].to(clean.dtype)
        sigma = sigma.reshape(*levels.shape, *(1,) * (clean.ndim - levels.ndim))
        return (1 - sigma) * clean + sigma * noise


class Levels(NamedTuple):
    """Indices into the table: ``video`` [B, F] and ``actions`` [B, A], int64."""

    video: Tensor
    actions: Tensor


def levels_of_draws(
    video: Tensor, actions: Tensor | None, block_frames: int, block_actions: int
) -> Levels:
    """Levels of a window from what was drawn for every latent frame.

    Args:
        video: [B, F] drawn indices; frame 0 keeps its own, a block takes its first frame's.
        actions: [B, A] indices of their own (decoupled); None: every action takes its block's.
        block_frames: K.
        block_actions: n_a.

    Raises:
        ValueError: F is not 1 and whole blocks, or A does not match the blocks.
    """
    blocks, rest = divmod(video.shape[1] - 1, block_frames)
    if rest or blocks < 1:
        raise ValueError(
            f"video levels: expected 1 and whole blocks of {block_frames} frames, got "
            f"{video.shape[1]}"
        )
    firsts = video[:, 1::block_frames]
    video = torch.cat([video[:, :1], firsts.repeat_interleave(block_frames, dim=1)], dim=1)
    if actions is None:
        actions = firsts.repeat_interleave(block_actions, dim=1)
    if actions.shape[1] != blocks * block_actions:
        raise ValueError(
            f"action levels: expected {blocks * block_actions} per window, got {actions.shape[1]}"
        )
    return Levels(video, actions)


def indices_of_ratios(ratios: Tensor) -> Tensor:
    """Table indices of Beta-distributed ratios in [0, 1]; a ratio near 1 is near pure noise."""
    return ((1 - ratios) * LEVELS).long().clamp_(0, LEVELS - 1)


def draw_levels(
    mode: NoiseMode,
    frames: int,
    block_frames: int,
    block_actions: int,
    rng: np.random.Generator,
    alpha: float = 3.0,
    beta: float = 1.0,
) -> Levels:
    """Draws the levels of one window, as a batch of 1.

    Args:
        mode: ``standard`` draws evenly; ``high_noise`` biased towards noise; ``decoupled`` draws
            video biased and every action evenly, by itself; ``no_video`` draws actions evenly and
            leaves the video pure noise, so that nothing of what comes can be read off it.
        frames: F.
        block_frames: K.
        block_actions: n_a.
        rng: a window's own, so that its levels do not depend on what else is in the batch.
        alpha: of the Beta distribution of the biased modes.
        beta: the same.

    Raises:
        ValueError: an unknown mode, or frames that are not 1 and whole blocks.
    """
    if mode not in get_args(NoiseMode):
        raise ValueError(f"mode: expected one of {get_args(NoiseMode)}, got {mode!r}")
    actions = None
    if mode == "standard":
        video = torch.from_numpy(rng.integers(0, LEVELS, (1, frames)))
    elif mode == "no_video":
        video = torch.from_numpy(rng.integers(0, _ALL_NOISE, (1, frames)))
        blocks = torch.from_numpy(rng.integers(0, LEVELS, (1, (frames - 1) // block_frames)))
        actions = blocks.repeat_interleave(block_actions, dim=1)
    else:
        video = indices_of_ratios(torch.from_numpy(rng.beta(alpha, beta, (1, frames))))
    if mode == "decoupled":
        count = (frames - 1) // block_frames * block_actions
        actions = torch.from_numpy(rng.integers(0, LEVELS, (1, count)))
    return levels_of_draws(video, actions, block_frames, block_actions)


class Losses(NamedTuple):
    """Scalars; ``total`` is their weighted sum."""

    total: Tensor
    video: Tensor
    actions: Tensor


def flow_matching_loss(
    table: NoiseTable,
    levels: Levels,
    video_velocity: Tensor | None,
    video_target: Tensor,
    action_velocity: Tensor,
    action_target: Tensor,
    action_mask: Tensor,
    has_real_action: Tensor,
    video_weight: float = 1.0,
    action_weight: float = 1.0,
) -> Losses:
    """Weighted squared errors, in float32.

    Actions are averaged over the padded width, so few real columns weigh little; that is what the
    released checkpoints were trained with. A window counts the same whatever stands beside it: the
    loss of a batch is the mean of those of its windows.

    Args:
        table: the levels.
        levels: which of them each frame and action stands at.
        video_velocity: [B, C, F, h, w] predicted; None where it was not, then its loss is 0.
        video_target: noise minus clean latents.
        action_velocity: [B, A, D_a] predicted.
        action_target: noise minus clean actions.
        action_mask: [B, A, D_a] bool, true on real columns.
        has_real_action: [B] bool, whether a sample's actions count at all.
        video_weight: of the video's loss in ``total``; 1 as released.
        action_weight: the same of the actions'.

    Raises:
        ValueError: ``has_real_action`` is not one per sample.
    """
    if has_real_action.shape != action_velocity.shape[:1]:
        raise ValueError(
            f"has_real_action: expected [{len(action_velocity)}], one per sample, got "
            f"{list(has_real_action.shape)}"
        )
    video = action_velocity.new_zeros((), dtype=torch.float32)
    if video_velocity is not None:
        error = (video_velocity.float() - video_target.float()).square().mean(dim=(1, 3, 4))
        video = (table.weights[levels.video] * error).mean()
    error = (action_velocity.float() - action_target.float()).square()
    error = (error * action_mask * has_real_action.reshape(-1, 1, 1)).mean(dim=2)
    actions = (table.weights[levels.actions] * error).mean()
    return Losses(video_weight * video + action_weight * actions, video, actions)
