"""One forward with every cost that the published inference path has: what ours is measured against.

Written from the equations (design: model.md 2 and 4), without a thought for speed, on the weights
of a ``CausalDiT``. What it does that ours does not, each time, for every branch:

* projects prompt and first image, and makes every block's cross-attention keys of them;
* embeds the timestep of every token, and modulates every token by rows of its own;
* rotates queries and keys as complex128;
* joins stored and new keys, joins action and state keys to these, and stacks what was joined into a
  new cache, also where nobody keeps it.

Shapes as in ``model/dit.py``: B sequences, F latent frames, S tokens per frame, L tokens, D
channels, n heads of width d.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import Tensor

from dreamzero_policy.model.block import Block
from dreamzero_policy.model.dit import CausalDiT


class Branch(NamedTuple):
    """What a branch is told: a prompt [B, text_len, text_dim], an image [B, tokens, clip_dim]."""

    text: Tensor
    clip: Tensor


class Output(NamedTuple):
    """Velocities, and the cache of every block, each [2, B, L, n, d], with the new video rows."""

    video: Tensor
    actions: Tensor | None
    caches: list[Tensor]


class LiteralForward:
    """The published forward on the weights of a network.

    Args:
        dit: the network.
    """

    def __init__(self, dit: CausalDiT) -> None:
        self.dit = dit
        width = dit.config.head_dim
        third = width // 6
        pairs = ((width - 4 * third) // 2, third, third)
        device = dit.patch_embedding.weight.device
        self.axes = [_turns(1024, count, device) for count in pairs]
        self.actions, self.states = (_turns(n, width // 2, device) for n in (10240, 1024))

    def empty(self, batch: int = 1) -> list[Tensor]:
        """The caches of a window without a frame."""
        config, weight = self.dit.config, self.dit.patch_embedding.weight
        shape = (2, batch, 0, config.num_heads, config.head_dim)
        return [weight.new_zeros(shape) for _ in self.dit.blocks]

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        tau: Tensor,
        y: Tensor | None,
        branch: Branch,
        caches: list[Tensor],
        start_frame: int,
        vectors: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> Output:
        """One forward.

        Args:
            latents: [B, C, F, h, w].
            tau: [B, F] timesteps of the frames.
            y: [B, 4 + C, F, h, w] condition; None where the network reads none.
            branch: prompt and first image.
            caches: of every block.
            start_frame: absolute latent frame of the first.
            vectors: actions [B, n_a, 32], their timesteps [B, n_a] and states [B, n_s, 64]; None
                for clean frames.
        """
        dit, config = self.dit, self.dit.config
        if y is not None and config.condition_channels:
            latents = torch.cat([latents, y.to(latents.dtype)], dim=1)
        patches = dit.patch_embedding(latents)
        frames, rows, columns = patches.shape[2:]
        table = self._table(start_frame, frames, rows, columns)
        x = patches.flatten(2).transpose(1, 2)
        video, tail = x.shape[1], 0
        timestep = tau.repeat_interleave(video // frames, dim=1)
        if vectors is not None:
            actions, action_tau, state = vectors
            tokens = torch.cat(
                [dit.action_encoder(actions, action_tau), dit.state_encoder(state)], 1
            )
            tail = tokens.shape[1]
            x = torch.cat([x, tokens], dim=1)
            stride = actions.shape[1] // state.shape[1]
            timestep = torch.cat([timestep, action_tau, action_tau[:, ::stride]], dim=1)
        e = dit.time_embedding(_waves(timestep.flatten(), config.freq_dim).type_as(x))
        e = e.unflatten(0, timestep.shape)
        rows_of = dit.time_projection(e).unflatten(2, (6, config.dim))
        image = dit.img_emb(branch.clip)
        context = torch.cat([image, dit.text_embedding(branch.text)], dim=1)
        left = []
        for block, cache in zip(dit.blocks, caches, strict=True):
            x, updated = self._block(
                block, x, rows_of, context, image.shape[1], cache, table, tail, start_frame
            )
            left.append(updated)
        velocity = None
        if vectors is not None:
            velocity = dit.action_decoder(x[:, video : video + vectors[0].shape[1]])
        shift, scale = (dit.head.modulation.unsqueeze(1) + e[:, :video].unsqueeze(2)).unbind(2)
        h = F.layer_norm(x[:, :video], (config.dim,), eps=config.eps) * (1 + scale) + shift
        return Output(self._unpatch(dit.head.head(h), frames, rows, columns), velocity, left)

    def _block(
        self,
        block: Block,
        x: Tensor,
        rows_of: Tensor,
        context: Tensor,
        images: int,
        cache: Tensor,
        table: Tensor,
        tail: int,
        start_frame: int,
    ) -> tuple[Tensor, Tensor]:
        """One block, and its cache with the new rows."""
        config, attention = self.dit.config, block.self_attn
        e = (block.modulation.unsqueeze(1) + rows_of).unbind(2)
        h = F.layer_norm(x, (config.dim,), eps=config.eps) * (1 + e[1]) + e[0]
        split = (config.num_heads, config.head_dim)
        q = attention.norm_q(attention.q(h)).unflatten(2, split)
        k = attention.norm_k(attention.k(h)).unflatten(2, split)
        v = attention.v(h).unflatten(2, split)
        q = self._rotate(q, table, tail, start_frame).type_as(v)
        k = self._rotate(k, table, tail, start_frame).type_as(v)
        new = x.shape[1] - tail
        keys = torch.cat([cache[0], k[:, :new]], dim=1)[:, -config.window_tokens :]
        values = torch.cat([cache[1], v[:, :new]], dim=1)[:, -config.window_tokens :]
        seen = keys, values
        if tail:
            q = torch.cat([q[:, :new], q[:, new:]], dim=1)
            seen = torch.cat([keys, k[:, new:]], dim=1), torch.cat([values, v[:, new:]], dim=1)
        x = x + attention.o(_attend(q, *seen).flatten(2)) * e[2]
        x = x + self._cross(block, block.norm3(x), context, images)
        h = F.layer_norm(x, (config.dim,), eps=config.eps) * (1 + e[4]) + e[3]
        return x + block.ffn(h) * e[5], torch.stack([keys, values], dim=0)

    def _cross(self, block: Block, x: Tensor, context: Tensor, images: int) -> Tensor:
        """Attention to prompt and first image, whose keys are made here."""
        cross, split = block.cross_attn, (self.dit.config.num_heads, -1)
        image, text = context[:, :images], context[:, images:]
        q = cross.norm_q(cross.q(x)).unflatten(2, split)
        k = cross.norm_k(cross.k(text)).unflatten(2, split)
        from_text = _attend(q, k, cross.v(text).unflatten(2, split)).flatten(2)
        k = cross.norm_k_img(cross.k_img(image)).unflatten(2, split)
        from_image = _attend(q, k, cross.v_img(image).unflatten(2, split)).flatten(2)
        return cross.o(from_text + from_image)

    def _table(self, start: int, frames: int, rows: int, columns: int) -> Tensor:
        """Rotations of video tokens, complex128 [F * S, 1, d/2]."""
        shape = (frames, rows, columns, -1)
        time, down, across = self.axes
        parts = (
            time[start : start + frames].view(frames, 1, 1, -1).expand(shape),
            down[:rows].view(1, rows, 1, -1).expand(shape),
            across[:columns].view(1, 1, columns, -1).expand(shape),
        )
        return torch.cat(parts, dim=-1).reshape(frames * rows * columns, 1, -1)

    def _rotate(self, x: Tensor, table: Tensor, tail: int, start_frame: int) -> Tensor:
        """Every head of [B, L, n, d] turned, in float64."""
        if tail:
            config = self.dit.config
            block = (start_frame - 1) // config.num_frame_per_block
            runs = (
                (self.actions, config.num_action_per_block),
                (self.states, config.num_state_per_block),
            )
            own = [turns[block * count : (block + 1) * count] for turns, count in runs]
            table = torch.cat([table, torch.cat(own).view(tail, 1, -1)], dim=0)
        pairs = torch.view_as_complex(x.to(torch.float64).unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * table.unsqueeze(0)).flatten(3)

    def _unpatch(self, x: Tensor, frames: int, rows: int, columns: int) -> Tensor:
        """Tokens [B, F * S, 4 C] to [B, C, F, h, w]."""
        x = x.view(x.shape[0], frames, rows, columns, 2, 2, self.dit.config.out_dim)
        x = torch.einsum("bfrcpqd->bdfrpcq", x)
        return x.reshape(x.shape[0], -1, frames, 2 * rows, 2 * columns)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of [B, L, n, d], copied into that order at the end."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).contiguous()


def _turns(positions: int, pairs: int, device: torch.device) -> Tensor:
    """Unit numbers complex128 [positions, pairs]."""
    steps = torch.arange(pairs, dtype=torch.float64, device=device)
    angles = torch.outer(
        torch.arange(positions, dtype=torch.float64, device=device),
        torch.exp(-math.log(10000.0) * steps / pairs),
    )
    return torch.polar(torch.ones_like(angles), angles)


def _waves(tau: Tensor, width: int) -> Tensor:
    """Sinusoid of timesteps [N] in float64, cosines first: [N, width]."""
    half = width // 2
    steps = torch.arange(half, dtype=torch.float64, device=tau.device)
    angles = torch.outer(tau.to(torch.float64), torch.pow(10000.0, -steps / half))
    return torch.cat([angles.cos(), angles.sin()], dim=1)
