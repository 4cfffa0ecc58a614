"""Tokens of a sequence divided over processes: each takes its share through the layers.

Every token is on its own but for self-attention, where it needs the keys and values of others. So a
process makes queries, keys and values of its share, all keys and values are gathered, and each
writes all of them into its cache: caches are whole and the same everywhere, and nothing that was
stored is ever sent again (``forwards.py`` asks, this file answers).

``Whole`` is the same with one process: nothing is cut and nothing is sent.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from dreamzero_policy.model.block import Run


class Tokens(Protocol):
    """How the tokens of a forward are divided.

    Attributes:
        exchanges: whether a forward needs other processes.
    """

    exchanges: bool

    def mine(self, count: int) -> slice:
        """This process's share of ``count`` tokens, at least one."""

    def keys_values(self, key: Tensor, value: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Those of all ``count`` tokens [B, count, n, d], of those of this process's share."""

    def gather(self, x: Tensor, count: int, wanted: slice) -> Tensor:
        """What every process has of some tokens, joined.

        Args:
            x: [B, n, ...] of those of this process's share that are wanted.
            count: tokens of the whole sequence.
            wanted: of these.

        Returns:
            [B, wanted, ...] in order, the same in every process.
        """


class Whole:
    """One process has every token."""

    exchanges = False

    def mine(self, count: int) -> slice:
        """All of them."""
        return slice(0, count)

    def keys_values(self, key: Tensor, value: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """What it was given."""
        return key, value

    def gather(self, x: Tensor, count: int, wanted: slice) -> Tensor:
        """What it was given."""
        return x


class Shares:
    """Shares of every sequence in the order of the processes, equal to one token.

    Args:
        group: the processes.
    """

    exchanges = True

    def __init__(self, group: dist.ProcessGroup) -> None:
        self._group = group
        self._rank, self._size = group.rank(), group.size()

    def mine(self, count: int) -> slice:
        """As ``Tokens.mine``."""
        return self._share(self._rank, count)

    def keys_values(self, key: Tensor, value: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """As ``Tokens.keys_values``, in one exchange."""
        both = self.gather(torch.cat([key, value], dim=-1), count, slice(0, count))
        return both.split(key.shape[-1], dim=-1)

    def gather(self, x: Tensor, count: int, wanted: slice) -> Tensor:
        """As ``Tokens.gather``; pieces are filled up to the longest, since all must be as long."""
        pieces = [overlap(self._share(rank, count), wanted) for rank in range(self._size)]
        lengths = [piece.stop - piece.start for piece in pieces]
        batch, mine, *rest = x.shape
        sent = x.new_zeros((batch, max(lengths), *rest))
        sent[:, :mine] = x
        parts = self._exchange(sent).split(batch)
        return torch.cat(
            [part[:, :length] for part, length in zip(parts, lengths, strict=True)], dim=1
        )

    def _exchange(self, sent: Tensor) -> Tensor:
        """What every process sent, [processes * B, ...] in their order."""
        received = sent.new_empty((self._size * sent.shape[0], *sent.shape[1:]))
        dist.all_gather_single(received, sent, group=self._group)
        return received

    def _share(self, rank: int, count: int) -> slice:
        """What a process has of ``count`` tokens."""
        return slice(rank * count // self._size, (rank + 1) * count // self._size)


def overlap(one: slice, other: slice) -> slice:
    """Tokens that are in both; empty where there are none."""
    start = max(one.start, other.start)
    return slice(start, max(start, min(one.stop, other.stop)))


def cut(runs: tuple[Run, ...], part: slice) -> tuple[tuple[Run, ...], slice]:
    """The runs of some tokens of a sequence.

    Args:
        runs: how all tokens fall to timesteps.
        part: tokens that stay, at least one.

    Returns:
        How these fall to timesteps; a timestep of which only some tokens stay is a run of its own.
        And which of the timesteps they are.
    """
    pieces: list[Run] = []
    rows: list[int] = []
    token = row = 0
    for run in runs:
        end = token + run.rows * run.tokens
        here = overlap(slice(token, end), part)
        at = here.start
        while at < here.stop:
            index, offset = divmod(at - token, run.tokens)
            whole = (here.stop - at) // run.tokens if offset == 0 else 0
            taken = whole * run.tokens or min(run.tokens - offset, here.stop - at)
            pieces.append(Run(whole or 1, taken // (whole or 1)))
            rows += [row + index, row + index + (whole or 1) - 1]
            at += taken
        token, row = end, row + run.rows
    return tuple(pieces), slice(rows[0], rows[-1] + 1)
