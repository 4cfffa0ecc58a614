"""Rotary positions of video, action and state tokens (design: model.md 2.7).

A head of width d is d/2 interleaved pairs (2i, 2i+1), each rotated as one complex number. Angles
are worked out in float64 and their sines and cosines rounded once to float32, in which the product
is taken; the reference takes it in float64, which differs by rounding alone. Video tokens share the
pairs out between frame, row and column; action and state tokens use all of them for their running
number. Base 10000 everywhere.
"""

from __future__ import annotations

import torch

BASE = 10000.0


def axis_pairs(head_dim: int) -> tuple[int, int, int]:
    """How many of the d/2 pairs turn with frame, row and column: 22, 21, 21 for d = 128."""
    third = head_dim // 6
    return (head_dim - 4 * third) // 2, third, third


def turns(positions: torch.Tensor, pairs: int) -> torch.Tensor:
    """Unit numbers, complex128 [P, pairs]: position p turns pair i by ``p * BASE**(-i/pairs)``."""
    steps = torch.arange(pairs, dtype=torch.float64, device=positions.device)
    angles = torch.outer(positions.to(torch.float64), BASE ** (-steps / pairs))
    return torch.polar(torch.ones_like(angles), angles)


def video_turns(
    start_frame: int, frames: int, rows: int, columns: int, head_dim: int, device: torch.device
) -> torch.Tensor:
    """The table of a video: complex128 [frames * rows * columns, d/2], row-major within a frame."""
    first, second, third = axis_pairs(head_dim)
    shape = (frames, rows, columns)
    time = turns(torch.arange(start_frame, start_frame + frames, device=device), first)
    down = turns(torch.arange(rows, device=device), second)
    across = turns(torch.arange(columns, device=device), third)
    table = (
        time[:, None, None].expand(*shape, first),
        down[None, :, None].expand(*shape, second),
        across[None, None].expand(*shape, third),
    )
    return torch.cat(table, dim=-1).flatten(0, 2)


def running_turns(start: int, count: int, head_dim: int, device: torch.device) -> torch.Tensor:
    """The table of actions or states number ``start`` and on: complex128 [count, d/2]."""
    return turns(torch.arange(start, start + count, device=device), head_dim // 2)


def rotate(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Turns every pair of every head.

    Args:
        x: [B, L, n, d].
        table: complex [L, d/2]; or the same as real numbers [L, d/2, 2], for compilers, which know
            no complex ones.

    Returns:
        [B, L, n, d] in the dtype of ``x``; the product is taken in the precision of ``table``.
    """
    if not table.is_complex():
        first, second = x.to(table.dtype).unflatten(-1, (-1, 2)).unbind(-1)
        cos, sin = table[None, :, None].unbind(-1)
        turned = (first * cos - second * sin, first * sin + second * cos)
        return torch.stack(turned, dim=-1).flatten(-2).to(x.dtype)
    pairs = torch.view_as_complex(x.to(table.dtype.to_real()).unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * table[None, :, None]).flatten(-2).to(x.dtype)


class RotaryTables:
    """Tables made once and kept; no tensor of a state dict, no buffer that a cast could reach.

    Args:
        head_dim: width d of a head.
    """

    def __init__(self, head_dim: int) -> None:
        self._head_dim = head_dim
        self._tables: dict[tuple[object, ...], torch.Tensor] = {}

    def sequence(
        self,
        start_frame: int,
        video: tuple[int, int, int],
        actions: tuple[int, int],
        states: tuple[int, int],
        device: torch.device,
    ) -> torch.Tensor:
        """The table of a whole token sequence: video, actions, states.

        Args:
            start_frame: absolute latent frame of the first video token.
            video: frames, patch rows, patch columns.
            actions: number of the first one, and how many.
            states: number of the first one, and how many.
            device: where the table must be.

        Returns:
            complex64 [L, d/2].
        """
        key = (start_frame, video, actions, states, device)
        if key not in self._tables:
            # A table made in inference mode could never be used in training afterwards.
            with torch.inference_mode(False):
                parts = [video_turns(start_frame, *video, self._head_dim, device)]
                parts += [running_turns(*run, self._head_dim, device) for run in (actions, states)]
                self._tables[key] = torch.cat(parts).to(torch.complex64)
        return self._tables[key]
