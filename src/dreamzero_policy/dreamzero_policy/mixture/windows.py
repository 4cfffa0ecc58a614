"""Which windows an episode has: runs of chunks around every row (design: data.md 3.1).

From a base row chunks are collected backwards and forwards by turns, ``i, i - H, i + H, i - 2H,
...``, and a direction ends for good where the episode or the instruction does. That is the
reference's sampling. Different from it: a chunk whose instruction changes in its middle is not
taken, episodes that are too short have no windows instead of ending the run, and the same window
found from several bases is kept once, with its count as weight.

With a stride between bases every base begins a window, and chunks are collected forwards only. A
policy whose context is full begins anew wherever the robot is by then: collected backwards, short
instructions would have windows from their beginnings only, and it would never have seen that. An
``offset`` of its own puts each episode's second base elsewhere: demonstrations go about the same
way in the same time, so bases at the same rows would leave gaps that no window begins in.

Nor has it seen the end of a way that is shorter than two chunks, unless windows may go on beyond
the end: a demonstration that ends at rest is taken to have rested for longer, and its last row is
repeated, as datasets of single actions are padded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from dreamzero_policy.embodiments.embodiment import TimeBase
from dreamzero_policy.types import Int


class Window(NamedTuple):
    """Chunks in a row of one episode.

    Attributes:
        start: row of the first frame, which is the first chunk's anchor.
        chunks: how many.
        bases: from how many base rows it was found; its weight in sampling.
        last: row that stands for all behind it; None where the window ends before that.
    """

    start: int
    chunks: int
    bases: int
    last: int | None = None

    def frame_rows(self, base: TimeBase) -> Int:
        """[8 chunks + 1] rows of the frames, the closing one last."""
        return self._there(base.frame_stride * np.arange(self.chunks * base.frames_per_chunk + 1))

    def rows(self, base: TimeBase) -> Int:
        """[chunks, H] rows of the actions; the first of each is its chunk's anchor."""
        count = self.chunks * base.rows_per_chunk
        return self._there(np.arange(count).reshape(self.chunks, -1))

    def _there(self, ahead: Int) -> Int:
        """Rows that are so far ahead of the first."""
        rows = self.start + ahead
        return rows if self.last is None else np.minimum(rows, self.last)


def windows(
    labels: Int,
    base: TimeBase,
    most: int,
    *,
    stride: int = 1,
    offset: int | None = None,
    rest: int = 0,
    excluded: Collection[int] = (),
    idle: Collection[int] = (),
    most_idle: float = 1.0,
) -> list[Window]:
    """Every window of an episode, in the order of their first rows.

    Args:
        labels: [L] what the instruction of each row is, as a number.
        base: rows and frames of a chunk.
        most: chunks in a window at most.
        stride: every how many rows there is a base, 1 as the reference has it. A larger one counts
            from the first row of each instruction, which is a base even if it is excluded: a robot
            that stands still there is told where to go. Each of them begins a window.
        offset: rows from the first base of an instruction to its second, from 1 to ``stride``,
            which it is if not given.
        rest: rows by which a window may go on behind the end of its instruction, where the robot is
            taken to rest.
        excluded: rows that are no base (``step_filter.jsonl``); a window may contain them.
        idle: rows in which nothing moves.
        most_idle: share of idle rows above which a window is left out.
    """
    bounds = np.flatnonzero(np.diff(labels)) + 1
    second = stride if offset is None else offset
    starts, ends = np.r_[0, bounds], np.r_[bounds, len(labels)]
    left_out, still = frozenset(excluded), np.isin(np.arange(len(labels)), list(idle))
    found: Counter[tuple[int, int, int | None]] = Counter()
    for first, end in zip(starts.tolist(), ends.tolist(), strict=True):
        for row in range(first, end):
            heard = stride > 1 and row == first
            base_row = row == first or (row - first - second) % stride == 0
            if base_row and (heard or row not in left_out):
                first_there = first if stride == 1 else row
                window = _around(row, first_there, end + rest, len(labels) + rest, base, most)
                if window is not None:
                    found[(*window, _last(window, end, len(labels), base))] += 1
    whole = (Window(start, chunks, bases, last) for (start, chunks, last), bases in found.items())
    return [one for one in sorted(whole) if still[one.rows(base)].mean() <= most_idle]


def _last(window: tuple[int, int], end: int, length: int, base: TimeBase) -> int | None:
    """The row that a window repeats, if it goes on behind the end of its instruction."""
    start, chunks = window
    closing = start + chunks * base.rows_per_chunk
    return end - 1 if closing > end or closing >= length else None


def _around(
    row: int, first: int, end: int, length: int, base: TimeBase, most: int
) -> tuple[int, int] | None:
    """(start, chunks) of the window of a base row within a run of rows.

    The frame that closes a window stands behind its last chunk. Where the episode has none there,
    the last chunk is left out.
    """
    horizon = base.rows_per_chunk
    if row + horizon > end:
        return None
    back = ahead = 0
    may_go_back = may_go_ahead = True
    while 1 + back + ahead < most and (may_go_back or may_go_ahead):
        if may_go_back:
            may_go_back = row - (back + 1) * horizon >= first
            back += may_go_back
        if may_go_ahead and 1 + back + ahead < most:
            may_go_ahead = row + (ahead + 2) * horizon <= end
            ahead += may_go_ahead
    start, chunks = row - back * horizon, 1 + back + ahead
    if start + chunks * horizon >= length:
        chunks -= 1
    return (start, chunks) if chunks else None
