"""The rest of a difference: how what is commanded comes onto a motion that is elsewhere.

At a seam the command and the motion to be followed differ in position, velocity and acceleration.
The quintic with those values that is at rest at nothing some time later is added to the motion, so
that there is no step in any of the three at either end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_policy.control.interpolation import Motion, Point
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.types import NS_PER_S, Float

_SHARE = 0.5
"""Share of a joint's acceleration and jerk that a fade may take; the chunk needs the rest."""

_LONGEST_S = 5.0


@dataclass(frozen=True)
class Faded:
    """A motion plus a remainder that is gone ``fade_ns`` after ``from_ns``.

    Attributes:
        base: the motion.
        powers: [6, A] the remainder by powers of the share of the fade that is over.
        from_ns, fade_ns: where the fade starts and how long it takes.
    """

    base: Motion
    powers: Float
    from_ns: int
    fade_ns: int

    @property
    def start_ns(self) -> int:
        """Where the fade starts."""
        return self.from_ns

    @property
    def end_ns(self) -> int:
        """Where the motion ends."""
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


class Remainder:
    """Makes motions start where the command is.

    A fade takes longer than asked for where the remainder would otherwise be faster or harder than
    is given here, or take more than half of a joint's acceleration or jerk.

    Args:
        limits: of the joints; grippers and bases change over at once.
        speed: [A] fastest closing of a gap.
        jerk: [A] hardest start or end of it from a gap in position, velocity or acceleration alone.

    Attributes:
        sharp: [A] bool, columns that change over at once.
    """

    def __init__(self, limits: Limits, speed: Float, jerk: Float) -> None:
        self.sharp = limits.gripper | limits.base
        self._speed = np.asarray(speed, dtype=np.float64)
        self._acceleration = limits.acceleration * _SHARE
        self._jerk = np.minimum(limits.jerk * _SHARE, jerk)

    @classmethod
    def of(cls, settings: ControllerSettings, limits: Limits) -> Remainder:
        """As an installation has set it."""
        return cls(
            limits,
            settings.per_joint(limits, settings.seam_speed, settings.seam_speed_m),
            settings.per_joint(limits, settings.seam_jerk, settings.seam_jerk_m),
        )

    def over(self, base: Motion, present: Point, at_ns: int, fade_ns: int) -> Faded:
        """The motion with what lies between it and the command, which fades.

        Args:
            base: the motion to come onto.
            present: the command at ``at_ns``, with its rates.
            at_ns: where the fade starts.
            fade_ns: least time that it takes.

        Raises:
            ValueError: the motion does not cover ``at_ns``.
        """
        away, rate, push = self.gap(present, covered(base, at_ns))
        fade_ns = max(self.least_ns(away, rate, push), fade_ns, 1)
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
        return Faded(base, powers, at_ns, fade_ns)

    def gap(self, here: Point, there: Point) -> tuple[Float, Float, Float]:
        """[A] difference in position, velocity and acceleration; nothing in sharp columns."""
        return tuple(
            np.where(self.sharp, 0.0, one - other)
            for one, other in (
                (here.position, there.position),
                (here.velocity, there.velocity),
                (here.acceleration, there.acceleration),
            )
        )

    def least_ns(self, away: Float, rate: Float, push: Float) -> int:
        """Time in which the quintic from a gap and its rates keeps speed, jerk and shares.

        The factors are the quintic's greatest derivatives over a fade of one second, from a gap of
        one in position, velocity and acceleration alone.

        Args:
            away: [A] gap in position.
            rate: [A] gap in velocity.
            push: [A] gap in acceleration.
        """
        away, rate, push = np.abs(away), np.abs(rate), np.abs(push)
        bounds = (
            1.875 * away / self._speed,
            np.sqrt(5.774 * away / self._acceleration),
            np.cbrt(60.0 * away / self._jerk),
            3.2 * rate / self._acceleration,
            np.sqrt(36.0 * rate / self._jerk),
            9.0 * push / self._jerk,
        )
        return round(min(float(np.max(bounds)), _LONGEST_S) * NS_PER_S)


def covered(motion: Motion, at_ns: int) -> Point:
    """The point of a motion at an instant that it must cover.

    Raises:
        ValueError: it does not.
    """
    point = motion.at(at_ns)
    if point is None:
        raise ValueError(
            f"seam: expected an instant in [{motion.start_ns}, {motion.end_ns}] ns, got {at_ns}"
        )
    return point
