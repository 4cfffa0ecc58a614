"""Rows to pieces: runs of rows that a training window may cross, each an episode of the dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_policy.conversion.rows import Cut, Rows, cuts
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.embodiments.idle import idle_rows


@dataclass(frozen=True)
class Piece:
    """A run of rows.

    Attributes:
        first, behind: its rows.
        idle: rows of it, counted from its first, in which nothing moves; empty unless they are
            kept.
    """

    first: int
    behind: int
    idle: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.behind - self.first


def pieces(
    robot: Embodiment, rows: Rows, settings: ConversionSettings
) -> tuple[list[Piece], list[Cut]]:
    """What is kept of an episode, and what is not and why.

    Nothing is ever put together: where rows are left out one piece ends and another begins.
    """
    why, idle = list(rows.faults), np.zeros(len(rows), dtype=bool)
    for first, behind in rows.runs(rows.usable):
        idle[first:behind] = idle_rows(
            robot,
            rows.states[first:behind],
            rows.actions[first:behind],
            fraction=settings.idle_fraction,
            least_s=settings.idle_s,
        )
    if not settings.keep_idle:
        for row in np.flatnonzero(idle):
            why[row] = "idle"
    least = round(settings.least_chunks * robot.time_base.rows_per_chunk)
    kept = []
    for first, behind in rows.runs(np.array([not text for text in why], dtype=bool)):
        if behind - first < least:
            short = f"too short: fewer than {least} rows between two cuts"
            why[first:behind] = [short] * (behind - first)
            continue
        still = np.flatnonzero(idle[first:behind]).tolist() if settings.keep_idle else ()
        kept.append(Piece(first, behind, tuple(still)))
    return kept, cuts(rows, tuple(why))
