"""The layers of the transformer: what happens to tokens, whoever they may attend to.

Shapes: B sequences, L tokens, R timesteps, D token channels, n heads of width d.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import nn

from dreamzero_policy.model.attention import attend
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.rope import rotate

PATCH = 2
"""Latent pixels per token, in height and in width."""

IMAGE_EPS = 1e-5
"""Of the two norms of the image embedding."""

Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Queries, keys, values [B, L, n, d] of all tokens to what they gather [B, L, n, d]."""


class Keys(NamedTuple):
    """Keys and values of tokens that a cross-attention looks at, each [B, tokens, n, d].

    ``bias`` [1, 1, 1, tokens] is added to every score of a token; None: nothing is.
    """

    key: torch.Tensor
    value: torch.Tensor
    bias: torch.Tensor | None = None


@dataclass(frozen=True)
class Run:
    """Tokens in sequence that share timesteps: ``rows`` timesteps of ``tokens`` tokens each."""

    rows: int
    tokens: int


def spread(
    x: torch.Tensor | tuple[torch.Tensor, ...],
    runs: tuple[Run, ...],
    combine: Callable[..., torch.Tensor],
    *rows: torch.Tensor,
) -> torch.Tensor:
    """Applies ``combine(*x, *rows)`` where every row of a timestep meets all of its tokens.

    Args:
        x: [B, L, D], one or several.
        runs: how the L tokens fall to the R timesteps.
        combine: elementwise.
        rows: [B, R, D] each.

    Returns:
        [B, L, D].
    """
    # Split, not sliced: the gradient of a slice is a whole tensor of zeros around it.
    lengths, counts = [run.rows * run.tokens for run in runs], [run.rows for run in runs]
    tokens = [each.split(lengths, dim=1) for each in (x if isinstance(x, tuple) else (x,))]
    each_row = [each.split(counts, dim=1) for each in rows]
    pieces = []
    for at, run in enumerate(runs):
        piece = (each[at].unflatten(1, (run.rows, run.tokens)) for each in tokens)
        mine = (each[at][:, :, None] for each in each_row)
        pieces.append(combine(*piece, *mine).flatten(1, 2))
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)


def _modulate(x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return torch.addcmul(shift, x, 1 + scale)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the full width, statistics in float32.

    Args:
        dim: width.
        eps: added to the mean square.
    """

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., dim] to the same shape and dtype."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + self.eps)
        return wide.to(x.dtype) * self.weight


class SelfAttention(nn.Module):
    """Self-attention with normed, rotated queries and keys; who sees whom is the caller's.

    Args:
        config: the model.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.dim
        self.heads = config.num_heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = RMSNorm(dim, config.eps), RMSNorm(dim, config.eps)

    def query(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        """[B, L, D] to [B, L, n, d]; ``table`` is complex64 [L, d/2]."""
        return rotate(self.norm_q(self.q(x)).unflatten(-1, (self.heads, -1)), table)

    def keys_values(
        self, x: torch.Tensor, table: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, L, D] to keys and values [B, L, n, d]."""
        split = (self.heads, -1)
        key = rotate(self.norm_k(self.k(x)).unflatten(-1, split), table)
        return key, self.v(x).unflatten(-1, split)

    def forward(self, x: torch.Tensor, table: torch.Tensor, attention: Attention) -> torch.Tensor:
        """[B, L, D] to [B, L, D]."""
        gathered = attention(self.query(x, table), *self.keys_values(x, table))
        return self.o(gathered.flatten(2))


class CrossAttention(nn.Module):
    """Attention to prompt and image: two separate softmaxes over shared queries, summed.

    Args:
        config: the model.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.dim
        self.heads = config.num_heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.k_img, self.v_img = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.norm_q, self.norm_k, self.norm_k_img = (RMSNorm(dim, config.eps) for _ in range(3))

    def text_keys(self, text: torch.Tensor) -> Keys:
        """Keys and values of prompt tokens [B, tokens, D]; nothing else goes into them."""
        split = (self.heads, -1)
        return Keys(
            self.norm_k(self.k(text)).unflatten(-1, split), self.v(text).unflatten(-1, split)
        )

    def image_keys(self, image: torch.Tensor) -> Keys:
        """The same of image tokens [B, tokens, D]."""
        split = (self.heads, -1)
        return Keys(
            self.norm_k_img(self.k_img(image)).unflatten(-1, split),
            self.v_img(image).unflatten(-1, split),
        )

    def forward(
        self, x: torch.Tensor, text: Keys | torch.Tensor, image: Keys | torch.Tensor
    ) -> torch.Tensor:
        """[B, L, D] to [B, L, D]; of tokens the keys are made here."""
        text = text if isinstance(text, Keys) else self.text_keys(text)
        image = image if isinstance(image, Keys) else self.image_keys(image)
        query = self.norm_q(self.q(x)).unflatten(-1, (self.heads, -1))
        return self.o((attend(query, *text) + attend(query, *image)).flatten(2))


class Block(nn.Module):
    """One transformer block: modulated self-attention, cross-attention, modulated feed-forward.

    Args:
        config: the model.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.eps = config.eps
        self.self_attn = SelfAttention(config)
        self.norm3 = nn.LayerNorm(config.dim, eps=config.eps)
        self.cross_attn = CrossAttention(config)
        self.ffn = nn.Sequential(
            nn.Linear(config.dim, config.ffn_dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(config.ffn_dim, config.dim),
        )
        self.modulation = nn.Parameter(torch.randn(1, 6, config.dim) / config.dim**0.5)

    def forward(
        self,
        x: torch.Tensor,
        times: torch.Tensor,
        runs: tuple[Run, ...],
        table: torch.Tensor,
        attention: Attention,
        text: Keys | torch.Tensor,
        image: Keys | torch.Tensor,
    ) -> torch.Tensor:
        """One step through the depth.

        Args:
            x: [B, L, D].
            times: [B, R, 6, D], one modulation per timestep.
            runs: how the L tokens fall to the R timesteps.
            table: complex64 [L, d/2] rotation of every token.
            attention: self-attention, given queries, keys and values.
            text: keys and values of the cross-attention to the prompt, or the prompt's tokens
                [B, tokens, D], of which the block makes them: with its weights in place, wherever
                they are kept between calls.
            image: the same of the first image.

        Returns:
            [B, L, D].
        """
        gathered = self.self_attn(self.enter(x, times, runs), table, attention)
        return self.leave(x, gathered, times, runs, text, image)

    def enter(self, x: torch.Tensor, times: torch.Tensor, runs: tuple[Run, ...]) -> torch.Tensor:
        """What self-attention reads of tokens [B, L, D]."""
        shift, scale = (self.modulation[:, :2] + times[:, :, :2]).unbind(2)
        return spread(F.layer_norm(x, x.shape[-1:], eps=self.eps), runs, _modulate, shift, scale)

    def leave(
        self,
        x: torch.Tensor,
        gathered: torch.Tensor,
        times: torch.Tensor,
        runs: tuple[Run, ...],
        text: Keys | torch.Tensor,
        image: Keys | torch.Tensor,
    ) -> torch.Tensor:
        """All that follows self-attention, each token for itself: any of them may be left out."""
        gate_a, shift, scale, gate_f = (self.modulation[:, 2:] + times[:, :, 2:]).unbind(2)
        x = spread((x, gathered), runs, torch.addcmul, gate_a)
        x = x + self.cross_attn(self.norm3(x), text, image)
        h = spread(F.layer_norm(x, x.shape[-1:], eps=self.eps), runs, _modulate, shift, scale)
        return spread((x, self.ffn(h)), runs, torch.addcmul, gate_f)


class Head(nn.Module):
    """Video tokens to the velocity of their patch.

    Args:
        config: the model.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.eps = config.eps
        self.head = nn.Linear(config.dim, PATCH * PATCH * config.out_dim)
        self.modulation = nn.Parameter(torch.randn(1, 2, config.dim) / config.dim**0.5)

    def forward(self, x: torch.Tensor, times: torch.Tensor, runs: tuple[Run, ...]) -> torch.Tensor:
        """[B, L, D] and one embedding [B, R, D] per timestep to [B, L, 4 * out_dim]."""
        shift, scale = (self.modulation + times[:, :, None]).unbind(2)
        h = spread(F.layer_norm(x, x.shape[-1:], eps=self.eps), runs, _modulate, shift, scale)
        return self.head(h)


class ImageEmbedding(nn.Module):
    """Image tokens to the width of the transformer.

    Args:
        config: the model.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.LayerNorm(config.clip_dim, eps=IMAGE_EPS),
            nn.Linear(config.clip_dim, config.clip_dim),
            nn.GELU(),
            nn.Linear(config.clip_dim, config.dim),
            nn.LayerNorm(config.dim, eps=IMAGE_EPS),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, tokens, clip_dim] to [B, tokens, D]."""
        return self.proj(x)
