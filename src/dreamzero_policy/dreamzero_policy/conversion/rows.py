"""An episode on the control grid: one row per instant, with what is wrong where something is.

Shapes: N rows, V views, S joints in the state, A joints in the action.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from dreamzero_policy.types import NS_PER_S, Float, Int


@dataclass(frozen=True)
class Rows:
    """What every stream says at every instant of the control grid.

    Attributes:
        instants_ns: [N] int64, consecutive instants of the grid.
        states: [N, S] measured joints in model units; NaN where there is no state.
        actions: [N, A] command in force, in model units; NaN where there is none.
        pictures: [N, V] int64, which message of each view's stream is shown; -1 for none.
        view_ages_ns: [N, V] the instant minus that picture's stamp; 0 for none.
        instructions: N texts, the instruction in force.
        faults: N texts, why a row cannot be used; empty for those that can.
    """

    instants_ns: Int
    states: Float
    actions: Float
    pictures: Int
    view_ages_ns: Int
    instructions: tuple[str, ...]
    faults: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.instants_ns)

    @property
    def usable(self) -> np.ndarray:
        """[N] bool, rows that nothing is wrong with."""
        return np.array([not fault for fault in self.faults], dtype=bool)

    def runs(self, usable: np.ndarray) -> Iterator[tuple[int, int]]:
        """(first, behind the last) of every run of rows for which ``usable`` [N] is true."""
        edges = np.flatnonzero(np.diff(np.concatenate(([0], usable.astype(np.int8), [0]))))
        return zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True)


@dataclass(frozen=True)
class Cut:
    """Rows that were left out, and why.

    Attributes:
        first_s, seconds: since the episode's first row, and for how long.
        why: a sentence.
    """

    first_s: float
    seconds: float
    why: str


def cuts(rows: Rows, why: tuple[str, ...]) -> list[Cut]:
    """Neighbouring rows with one reason as one cut.

    Args:
        rows: of the episode.
        why: N texts; empty for what is kept.
    """
    if not len(rows):
        return []
    start = int(rows.instants_ns[0])
    period_s = float(np.diff(rows.instants_ns).mean()) / NS_PER_S if len(rows) > 1 else 0.0
    found, at = [], 0
    for reason, members in groupby(why):
        count = len(list(members))
        if reason:
            first_s = (int(rows.instants_ns[at]) - start) / NS_PER_S
            found.append(Cut(round(first_s, 3), round(count * period_s, 3), reason))
        at += count
    return found
