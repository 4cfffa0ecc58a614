"""The refusal of inputs of the network that do not belong together; shapes as in ``dit.py``."""

from __future__ import annotations

from torch import Tensor

from dreamzero_policy.model.block import PATCH
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.context import Context
from dreamzero_policy.model.shapes import expect_shape


def expect_latents(config: ModelConfig, latents: Tensor) -> tuple[int, int]:
    """Patch rows and columns of latents [B, C, F, h, w].

    Raises:
        ValueError: other channels or another size than the model takes.
    """
    expect_shape("latents", latents, (None, config.out_dim, None, None, None))
    rows, columns = latents.shape[3] // PATCH, latents.shape[4] // PATCH
    if rows * columns != config.frame_seqlen:
        raise ValueError(
            f"latents of {latents.shape[3]}x{latents.shape[4]}: expected "
            f"{config.frame_seqlen} tokens per frame, got {rows * columns}"
        )
    return rows, columns


def expect_call(
    config: ModelConfig, latents: Tensor, context: Context, position: int, start_frame: int
) -> tuple[int, int]:
    """Patch rows and columns, if latents, context and cache belong together.

    Args:
        config: of the network.
        latents: [B, C, F, h, w].
        context: for as many sequences.
        position: tokens in the cache.
        start_frame: absolute latent frame of the first.

    Raises:
        ValueError: they do not; the message names what.
    """
    grid = expect_latents(config, latents)
    if context.batch != latents.shape[0]:
        raise ValueError(f"context: expected a batch of {latents.shape[0]}, got {context.batch}")
    if position != start_frame * config.frame_seqlen:
        raise ValueError(
            f"cache: expected it to end at token {start_frame * config.frame_seqlen} "
            f"(latent frame {start_frame}), got {position}"
        )
    return grid


def expect_block(
    config: ModelConfig,
    latents: Tensor,
    video_tau: Tensor,
    actions: Tensor,
    action_tau: Tensor,
    state: Tensor,
) -> None:
    """One block's latents, timesteps, actions and states belong together.

    Raises:
        ValueError: they do not; the message names what.
    """
    frames = config.num_frame_per_block
    expect_shape("latents", latents, (latents.shape[0], None, frames, None, None))
    expect_vectors(config, video_tau, frames, actions, action_tau, state, blocks=1)


def expect_vectors(
    config: ModelConfig,
    video_tau: Tensor,
    frames: int,
    actions: Tensor,
    action_tau: Tensor,
    state: Tensor,
    blocks: int,
) -> None:
    """Timesteps, actions and states have one row for each of theirs in so many blocks.

    Raises:
        ValueError: they do not; the message names what.
    """
    batch, count = actions.shape[0], blocks * config.num_action_per_block
    expect_shape("video_tau", video_tau, (batch, frames))
    expect_shape("actions", actions, (batch, count, config.max_action_dim))
    expect_shape("action_tau", action_tau, (batch, count))
    states = blocks * config.num_state_per_block
    expect_shape("state", state, (batch, states, config.max_state_dim))
