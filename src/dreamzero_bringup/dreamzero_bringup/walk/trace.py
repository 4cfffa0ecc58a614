"""What was commanded and measured while one joint made its motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_policy.types import Float

BEFORE_S = 0.5
"""How much of the time before enable, and before the motion, counts as rest [s]."""


@dataclass(frozen=True)
class Trace:
    """One motion as it was seen; times in s, 0 where the motion begins.

    Attributes:
        names: [S] measured joints.
        enabled: when motion was enabled.
        measured_at, measured: [N], [N, S] model units.
        commanded_at, commanded: [M], [M, S] what the controller sent, model units.
        ended: when the walk gave the motion up; None where it was done to the end.
        trouble: why, as (name, sentence); None where it was done to the end.
    """

    names: tuple[str, ...]
    enabled: float
    measured_at: Float
    measured: Float
    commanded_at: Float
    commanded: Float
    ended: float | None = None
    trouble: tuple[str, str] | None = None

    def between(self, start: float, end: float) -> Float:
        """[k, S] measured values of a time."""
        return self.measured[(self.measured_at >= start) & (self.measured_at <= end)]

    def commands(self, start: float, end: float) -> Float:
        """[k, S] commanded values of a time."""
        return self.commanded[(self.commanded_at >= start) & (self.commanded_at <= end)]

    @property
    def idle(self) -> Float | None:
        """[S] the mean pose just before enable; None where nothing was measured then."""
        return _mean(self.between(self.enabled - BEFORE_S, self.enabled))

    @property
    def rest(self) -> Float | None:
        """[S] the mean pose just before the motion; None where nothing was measured then."""
        return _mean(self.between(-BEFORE_S, 0.0))

    @property
    def noise(self) -> Float:
        """[S] standard deviation of the pose just before the motion."""
        rows = self.between(-BEFORE_S, 0.0)
        return rows.std(axis=0) if len(rows) else np.zeros(len(self.names))


def _mean(rows: Float) -> Float | None:
    return rows.mean(axis=0) if len(rows) else None
