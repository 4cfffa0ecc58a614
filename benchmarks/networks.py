"""Untrained networks of given sizes, made where they are to run, and what they are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dreamzero_policy.model.config import CLIP_VIT_H, ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import DROID_14B, TINY
from dreamzero_policy.weights.random_weights import random_tensor

_PUBLISHED_CONTEXT = {
    "image": CLIP_VIT_H,
    "clip_dim": 1280,
    "text_dim": 4096,
    "text_len": 512,
    "hidden_size": 1024,
    "text": None,
    "vae": None,
    "target_size": None,
}
"""Prompt and first image as in the published models: 512 and 257 tokens."""

TINY_256 = replace(
    TINY,
    dim=256,
    ffn_dim=1024,
    num_heads=2,
    num_layers=6,
    frame_seqlen=50,
    latent_size=(10, 20),
    **_PUBLISHED_CONTEXT,
)
"""11 M parameters (design: performance.md 4), heads of the published width."""

SMALL_512 = replace(TINY_256, dim=512, ffn_dim=2048, num_heads=4, num_layers=12)
"""65 M parameters."""

SMALL_512_220 = replace(SMALL_512, frame_seqlen=220, latent_size=(22, 40))
"""The same at the 5B model's tokens of a whole canvas."""

ONE_LAYER = replace(DROID_14B, num_layers=1, frame_seqlen=50, latent_size=(10, 20), vae=None)
"""One block of the 14B network's width, over few tokens."""


def make(
    config: ModelConfig, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> CausalDiT:
    """A network with random weights, drawn on its device."""
    with torch.device("meta"):
        dit = CausalDiT(config)
    fill(dit, "action_head.model.", device, dtype)
    return dit.eval()


def fill(module: nn.Module, prefix: str, device: torch.device | str, dtype: torch.dtype) -> None:
    """Random weights in place of those on the meta device."""
    for name, parameter in [*module.named_parameters()]:
        drawn = random_tensor(prefix + name, tuple(parameter.shape), 0, dtype, device)
        owner, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(owner), leaf, nn.Parameter(drawn, requires_grad=False))


PROMPT = 128
"""Tokens of a prompt; the robots' own and the negative one have 78 to 106 words and marks."""


@dataclass(frozen=True)
class Given:
    """What a network is given, random: shapes as in ``CausalDiT``.

    Attributes:
        texts: prompt and negative prompt, [B, text_len, text_dim].
        clip: first image, [B, tokens, clip_dim].
        y: condition of a window's frames, [B, 4 + C, F, h, w]; None where none is read.
        first: the first latent frame, [B, C, 1, h, w].
        blocks: latents of every block of a window, [B, C, K, h, w].
        video, actions: noise of a block.
        state: [B, n_s, D_s].
    """

    texts: tuple[Tensor, Tensor]
    clip: Tensor
    y: Tensor | None
    first: Tensor
    blocks: tuple[Tensor, ...]
    video: Tensor
    actions: Tensor
    state: Tensor


def given(
    config: ModelConfig,
    device: torch.device | str,
    dtype: torch.dtype,
    batch: int = 1,
    prompt: int = PROMPT,
) -> Given:
    """The same numbers on every device, rounded to ``dtype``; prompts of so many tokens."""
    generator = torch.Generator().manual_seed(0)

    def padded(text: Tensor) -> Tensor:
        text[:, prompt:] = 0  # as the text encoder gives it
        return text

    def random(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, generator=generator).to(device, dtype)

    def latents(frames: int) -> Tensor:
        return random(config.out_dim, frames, *config.latent_size)

    channels, block = config.condition_channels, config.num_frame_per_block
    return Given(
        texts=tuple(padded(random(config.text_len, config.text_dim)) for _ in range(2)),
        clip=random(config.image.tokens, config.clip_dim),
        y=random(channels, config.window_frames, *config.latent_size) if channels else None,
        first=latents(1),
        blocks=tuple(latents(block) for _ in range(config.max_chunk_size)),
        video=latents(block).float(),
        actions=random(config.num_action_per_block, config.max_action_dim).float(),
        state=random(config.num_state_per_block, config.max_state_dim),
    )


def contexts(config: ModelConfig) -> Iterator[int]:
    """Latent frames in the context of every chunk of a window."""
    step = config.num_frame_per_block
    yield from range(1, 1 + config.max_chunk_size * step, step)
