"""What a network in training predicts for a window, every chunk given the true ones before it."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dreamzero_policy.mixture.batch import Batch
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.training.loss import LEVELS, NoiseTable


class Predicted(NamedTuple):
    """A window as it is predicted.

    Attributes:
        latents: [B, C, F, h, w]; the first frame is the true one. None beside actions alone.
        actions: [B, A, D_a] normalised.
    """

    latents: Tensor | None
    actions: Tensor


@torch.no_grad()
def predict(
    network: CausalDiT,
    table: NoiseTable,
    batch: Batch,
    steps: int,
    seed: int = 0,
    *,
    video_too: bool = True,
    predict_video: bool = True,
) -> Predicted:
    """Denoises all chunks of windows at once, in straight steps from noise to clean.

    Args:
        network: in training; the processes that it is divided among all have to ask.
        table: its noise levels.
        batch: the windows, on its device.
        steps: how many evaluations.
        seed: of the noise.
        video_too: whether the video is denoised; without, it stays noise.
        predict_video: False leaves the noisy frames out of the sequence.
    """
    rng = np.random.default_rng(seed)

    def noise(like: Tensor) -> Tensor:
        return torch.from_numpy(rng.standard_normal(like.shape, dtype=np.float32)).to(like.device)

    video, actions = noise(batch.latents), noise(batch.actions)
    picks = torch.linspace(0, LEVELS, steps + 1).long()[:-1]
    levels = [*table.sigmas[picks].tolist(), 0.0]
    frames, rows = batch.latents.shape[2], batch.actions.shape[1]
    for now, after in pairwise(levels):
        tau = torch.full((len(batch), 1), LEVELS * now, device=video.device)
        video_tau = tau if video_too else torch.full_like(tau, LEVELS)
        v, u = network.forward_train(
            video if predict_video else None,
            batch.latents,
            video_tau.expand(-1, frames),
            actions,
            tau.expand(-1, rows),
            batch.states,
            batch.condition,
            batch.text,
            batch.clip,
        )
        actions = actions + (after - now) * u.float()
        if video_too and v is not None:
            video = video + (after - now) * v.float()
    if not predict_video:
        return Predicted(None, actions)
    return Predicted(torch.cat([batch.latents[:, :, :1], video[:, :, 1:]], dim=2), actions)


def errors(config: ModelConfig, batch: Batch, predicted: Predicted) -> dict[str, float]:
    """How far a prediction is from the truth, and how far a still picture would be.

    Returns:
        Root mean squares: of normalised actions over real columns, and of latents, if any were
        predicted, over those of the truth, both also for what changes nothing (no action, the frame
        before the chunk).
    """
    mask = batch.action_mask & batch.has_real_action.reshape(-1, 1, 1)
    found: dict[str, float] = {}
    if mask.any():
        wrong = (predicted.actions - batch.actions)[mask]
        found["action_rms"] = wrong.square().mean().sqrt().item()
        found["action_rms_of_none"] = batch.actions[mask].square().mean().sqrt().item()
    if predicted.latents is None:
        return found
    truth = batch.latents[:, :, 1:]
    size = truth.square().mean().sqrt().clamp_min(1e-12)
    before = batch.latents[:, :, : -1 : config.num_frame_per_block]
    still = before.repeat_interleave(config.num_frame_per_block, dim=2)
    for name, guess in (("video_rms", predicted.latents[:, :, 1:]), ("video_rms_still", still)):
        found[name] = ((guess - truth).square().mean().sqrt() / size).item()
    return found
