"""A chunk as motion: position and rates at any instant between its first and last row.

Nothing is known outside those two, and ``at`` says so by giving None: a trajectory never
extrapolates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.interpolate import CubicSpline

from dreamzero_policy.types import NS_PER_S, Float, frozen


@dataclass(frozen=True)
class Point:
    """Where something is, or should be, at an instant.

    Attributes:
        position, velocity, acceleration: [A] float64 in model units and per s, s^2.
    """

    position: Float
    velocity: Float
    acceleration: Float

    @classmethod
    def resting(cls, position: Float) -> Point:
        """At rest at ``position``."""
        zero = np.zeros_like(position)
        return cls(position, zero, zero)


class Motion(Protocol):
    """What the controller follows: immutable, known from ``start_ns`` to ``end_ns`` inclusive."""

    @property
    def start_ns(self) -> int:
        """First instant."""

    @property
    def end_ns(self) -> int:
        """Last instant."""

    def at(self, ns: int) -> Point | None:
        """The point at an instant, None before the start and after the end."""


class Trajectory:
    """Rows at equal steps, as motion.

    Joints follow the cubic spline through the rows, whose acceleration is continuous, so that rows
    on a smooth path give a command without jerk at the rows. A shape-preserving cubic would never
    leave the two rows around it, but it flattens every turn, which costs a smooth path some 30
    times its jerk. The spline passes a row by half a step between rows at worst, and ``limits.py``
    ends it at the range. Grippers keep the row in force until the next is due, and bases go
    straight from row to row.

    Args:
        rows: [H, A] float64, finite, at least two.
        start_ns: instant of the first row.
        step_ns: time between two rows.
        stepped: [A] bool, columns that keep the row in force (grippers).
        straight: [A] bool, columns that go straight from row to row (bases).

    Raises:
        ValueError: shapes that do not fit, a step that is not positive, rows that are not finite.
    """

    def __init__(
        self, rows: Float, start_ns: int, step_ns: int, stepped: np.ndarray, straight: np.ndarray
    ) -> None:
        rows = np.array(rows, dtype=np.float64)
        if rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
            raise ValueError(f"trajectory: expected 2 or more finite rows, got {list(rows.shape)}")
        if np.shape(stepped) != rows.shape[1:] or np.shape(straight) != rows.shape[1:]:
            raise ValueError(
                f"trajectory: expected masks of {rows.shape[1]} columns, got "
                f"{list(np.shape(stepped))} and {list(np.shape(straight))}"
            )
        if step_ns <= 0:
            raise ValueError(f"trajectory: the step must be positive, got {step_ns} ns")
        self.rows = frozen(rows)
        self.start_ns, self.step_ns = int(start_ns), int(step_ns)
        self.end_ns = self.start_ns + (len(rows) - 1) * self.step_ns
        seconds = self.step_ns / NS_PER_S
        # [H - 1, 4, A]: powers 0 to 3 of the seconds since the segment's first row.
        powers = CubicSpline(np.arange(len(rows)) * seconds, rows).c[::-1].transpose(1, 0, 2).copy()
        powers[:, 1:, stepped] = 0.0
        powers[:, 0, stepped] = rows[:-1, stepped]
        powers[:, 2:, straight] = 0.0
        powers[:, 1, straight] = np.diff(rows[:, straight], axis=0) / seconds
        self._powers = frozen(powers)
        self._stepped = np.asarray(stepped, dtype=bool)

    def at(self, ns: int) -> Point | None:
        """The point at an instant, None before the first and after the last row."""
        if not self.start_ns <= ns <= self.end_ns:
            return None
        segment = min((ns - self.start_ns) // self.step_ns, len(self._powers) - 1)
        u = (ns - self.start_ns - segment * self.step_ns) / NS_PER_S
        one, two, three, four = self._powers[segment]
        position = one + u * (two + u * (three + u * four))
        if ns == self.end_ns:
            position = np.where(self._stepped, self.rows[-1], position)
        return Point(
            position, two + u * (2.0 * three + u * 3.0 * four), 2.0 * three + u * 6.0 * four
        )

    def position(self, ns: int) -> Float:
        """[A] position at an instant.

        Raises:
            ValueError: the instant is before the first or after the last row.
        """
        return self._inside(ns).position

    def velocity(self, ns: int) -> Float:
        """[A] velocity at an instant; 0 for a stepped column.

        Raises:
            ValueError: the instant is before the first or after the last row.
        """
        return self._inside(ns).velocity

    def _inside(self, ns: int) -> Point:
        """The point at an instant that must be covered."""
        point = self.at(ns)
        if point is None:
            raise ValueError(
                f"trajectory: expected an instant in [{self.start_ns}, {self.end_ns}] ns, got {ns}"
            )
        return point
