"""How a new chunk takes over from what is being commanded: strategies behind one call, ``join``.

A strategy gets where the command is, which motion it was following, and the new trajectory; it
returns the motion to follow from then on. It never changes either, and whatever it returns still
goes through ``limits.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dreamzero_policy.control.interpolation import Motion, Point, Trajectory
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.types import NS_PER_S, Float

_SHARE = 0.5
"""Share of a joint's acceleration and jerk that a fade may take; the chunk needs the rest."""

_LONGEST_S = 5.0


class Seam(Protocol):
    """A way to join two chunks."""

    def join(
        self, present: Point, following: Motion | None, new: Trajectory, at_ns: int, fade_ns: int
    ) -> Motion:
        """The motion to follow from ``at_ns`` on.

        Args:
            present: the command at ``at_ns``, with its rates.
            following: what was followed up to now; None after a hold.
            new: the new chunk, which covers ``at_ns``.
            at_ns: instant of the seam.
            fade_ns: least time that the change takes.
        """


class CrossFade:
    """Fades from the present command to the new chunk.

    The motion is the new chunk plus a remainder: at the seam the difference between the command and
        the new chunk,
    in position, velocity and acceleration, from there the quintic that comes to rest at nothing
    when the fade ends. So there is no step in any of the three at either end, whether the command
    was following an older chunk, lagging behind it, or holding, and a chunk that agrees with the
    command is followed as it is. The old chunk's own later rows take no part: the new chunk has
    seen more than they had.

    The fade takes longer than asked for where the remainder would otherwise close faster than the
    given speed, or take more than half of a joint's acceleration or jerk.

    Args:
        limits: of the joints; grippers and bases change over at once.
        speed: [A] fastest closing of a gap.
    """

    def __init__(self, limits: Limits, speed: Float) -> None:
        self._sharp = limits.gripper | limits.base
        self._speed = np.asarray(speed, dtype=np.float64)
        self._acceleration = limits.acceleration * _SHARE
        self._jerk = limits.jerk * _SHARE

    def join(
        self, present: Point, following: Motion | None, new: Trajectory, at_ns: int, fade_ns: int
    ) -> Motion:
        """The new chunk plus the fading remainder; ``following`` is not used."""
        del following
        there = new.at(at_ns)
        if there is None:
            raise ValueError(
                f"seam: expected an instant in [{new.start_ns}, {new.end_ns}] ns, got {at_ns}"
            )
        away, rate, push = (
            np.where(self._sharp, 0.0, here - then)
            for here, then in (
                (present.position, there.position),
                (present.velocity, there.velocity),
                (present.acceleration, there.acceleration),
            )
        )
        seconds = max(fade_ns / NS_PER_S, self._least_seconds(abs(away), abs(rate), abs(push)))
        fade_ns = max(round(seconds * NS_PER_S), 1)
        seconds = fade_ns / NS_PER_S
        gap = (away, rate * seconds, push * seconds**2 / 2.0)
        powers = np.stack(
            (
                *gap,
                -10.0 * gap[0] - 6.0 * gap[1] - 3.0 * gap[2],
                15.0 * gap[0] + 8.0 * gap[1] + 3.0 * gap[2],
                -6.0 * gap[0] - 3.0 * gap[1] - gap[2],
            )
        )
        return Faded(new, powers, at_ns, fade_ns)

    def _least_seconds(self, away: Float, rate: Float, push: Float) -> float:
        """Time in which the quintic from a gap and its rates keeps the speed and the shares.

        The factors are the quintic's greatest derivatives over a fade of one second, from a gap of
        one in position, velocity and acceleration alone.
        """
        bounds = (
            1.875 * away / self._speed,
            np.sqrt(5.774 * away / self._acceleration),
            np.cbrt(60.0 * away / self._jerk),
            3.2 * rate / self._acceleration,
            np.sqrt(36.0 * rate / self._jerk),
            9.0 * push / self._jerk,
        )
        return min(float(np.max(bounds)), _LONGEST_S)


@dataclass(frozen=True)
class Faded:
    """A trajectory plus a remainder that is gone ``fade_ns`` after ``from_ns``.

    Attributes:
        base: the trajectory.
        powers: [6, A] the remainder by powers of the share of the fade that is over.
        from_ns, fade_ns: where the fade starts and how long it takes.
    """

    base: Trajectory
    powers: Float
    from_ns: int
    fade_ns: int

    @property
    def start_ns(self) -> int:
        """Where the fade starts."""
        return self.from_ns

    @property
    def end_ns(self) -> int:
        """Where the trajectory ends."""
        return self.base.end_ns

    def at(self, ns: int) -> Point | None:
        """The point at an instant, None before the fade and after the end."""
        point = self.base.at(ns) if ns >= self.from_ns else None
        if point is None or ns >= self.from_ns + self.fade_ns:
            return point
        u, seconds = (ns - self.from_ns) / self.fade_ns, self.fade_ns / NS_PER_S
        c = self.powers
        value = c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * (c[4] + u * c[5]))))
        first = c[1] + u * (2 * c[2] + u * (3 * c[3] + u * (4 * c[4] + u * 5 * c[5])))
        second = 2 * c[2] + u * (6 * c[3] + u * (12 * c[4] + u * 20 * c[5]))
        return Point(
            point.position + value,
            point.velocity + first / seconds,
            point.acceleration + second / seconds**2,
        )
