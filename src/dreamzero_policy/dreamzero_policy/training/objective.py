"""One training step's forward: a batch of windows and the noise drawn for it, to losses.

Everything random about a window comes from a generator of its own, seeded by the run, the step and
the window's place in the global batch. So neither the number of processes nor how a batch is cut
changes what is drawn, and a run that goes on after a kill draws what it would have drawn.

Shape legend: as of ``mixture/batch.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dreamzero_policy.mixture.batch import Batch
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.training.loss import (
    Levels,
    Losses,
    NoiseMode,
    NoiseTable,
    draw_levels,
    flow_matching_loss,
)


class Noise(NamedTuple):
    """What was drawn for a batch.

    Attributes:
        levels: indices into the table.
        video: [B, C, F, h, w] standard normal.
        actions: [B, A, D_a] standard normal.
    """

    levels: Levels
    video: Tensor
    actions: Tensor

    def to(self, device: torch.device | str) -> Noise:
        """The same elsewhere."""
        levels = Levels(*(x.to(device, non_blocking=True) for x in self.levels))
        return Noise(
            levels,
            self.video.to(device, non_blocking=True),
            self.actions.to(device, non_blocking=True),
        )


def draw_noise(
    config: ModelConfig,
    batch: Batch,
    rngs: Sequence[np.random.Generator],
    mode: NoiseMode = "standard",
    alpha: float = 3.0,
    beta: float = 1.0,
) -> Noise:
    """Draws levels and noise of every window from its own generator.

    Args:
        config: the model's.
        batch: the windows, for their shapes.
        rngs: one per window.
        mode: as of ``draw_levels``.
        alpha: the same.
        beta: the same.
    """
    frames = batch.latents.shape[2]
    blocks = config.num_frame_per_block, config.num_action_per_block
    levels, video, actions = [], [], []
    for rng in rngs:
        levels.append(draw_levels(mode, frames, *blocks, rng, alpha, beta))
        video.append(rng.standard_normal(batch.latents.shape[1:], dtype=np.float32))
        actions.append(rng.standard_normal(batch.actions.shape[1:], dtype=np.float32))
    return Noise(
        Levels(*(torch.cat(parts) for parts in zip(*levels, strict=True))),
        torch.from_numpy(np.stack(video)),
        torch.from_numpy(np.stack(actions)),
    )


def losses(
    dit: CausalDiT,
    table: NoiseTable,
    batch: Batch,
    noise: Noise,
    video_weight: float = 1.0,
    action_weight: float = 1.0,
    predict_video: bool = True,
) -> Losses:
    """The flow-matching losses of a batch (design: model.md 5).

    Args:
        dit: the network.
        table: the noise levels, on the batch's device.
        batch: the windows.
        noise: what was drawn for them.
        video_weight: of the video's loss in the sum.
        action_weight: of the actions'.
        predict_video: False leaves the noisy frames out of the sequence.
    """
    video_tau, action_tau = (table.timesteps[index] for index in noise.levels)
    noisy = None
    if predict_video:
        by_frame = batch.latents.transpose(1, 2), noise.video.transpose(1, 2)
        noisy = table.at(*by_frame, noise.levels.video).transpose(1, 2)
    video, actions = dit.forward_train(
        noisy,
        batch.latents,
        video_tau,
        table.at(batch.actions, noise.actions, noise.levels.actions),
        action_tau,
        batch.states,
        batch.condition,
        batch.text,
        batch.clip,
    )
    return flow_matching_loss(
        table,
        noise.levels,
        video,
        noise.video - batch.latents,
        actions,
        noise.actions - batch.actions,
        batch.action_mask,
        batch.has_real_action,
        video_weight,
        action_weight,
    )
