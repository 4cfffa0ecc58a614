"""The rest of a difference: how what is commanded comes onto a motion that is elsewhere.

At a seam the command and the motion to be followed differ in position, velocity and acceleration.
Quintics with those values that are at rest at nothing some time later are added to the motion, one
for each of the three, so that there is no step in any of them at either end.

Each has a time of its own. A gap in position is closed as slowly as asked for. To take a gap in
velocity or acceleration away slowly leads the command astray meanwhile, by a fifth of the gap times
the time, or a sixtieth of it times the time squared: so these two take no longer than strays by
a little, unless the joint itself cannot do it faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_policy.chunks.interpolation import Motion, Point
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.types import NS_PER_S, Float

_SHARE = 0.5
"""Share of a joint's acceleration and jerk that a fade may take; the chunk needs the rest."""

_LONGEST_S, _SHORTEST_S = 5.0, 0.3
_TINY = 1e-9

_HARDEST = 0.9
"""The share that a fade may take where it would lead astray otherwise."""

_STRAY = 0.03
"""As far as taking away a gap in velocity, or in acceleration, may lead astray [rad or m]."""

_QUINTICS = np.array(
    [
        [1.0, 0.0, 0.0, -10.0, 15.0, -6.0],
        [0.0, 1.0, 0.0, -6.0, 8.0, -3.0],
        [0.0, 0.0, 1.0, -3.0, 3.0, -1.0],
    ]
)
"""[3, 6] powers of the quintics that start from 1 in one derivative and end at rest at nothing."""


@dataclass(frozen=True)
class Faded:
    """A motion plus a remainder that is gone ``fade_ns`` after ``from_ns``.

    Attributes:
        base: the motion.
        powers: [3, 6, A] the remainder's parts, each by powers of the share of its time.
        seconds: [3, A] those times.
        from_ns, fade_ns: where the fade starts and how long the longest part takes.
    """

    base: Motion
    powers: Float
    seconds: Float
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
        u = np.minimum((ns - self.from_ns) / NS_PER_S / self.seconds, 1.0)
        c = self.powers.swapaxes(0, 1)
        value = c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * (c[4] + u * c[5]))))
        first = c[1] + u * (2 * c[2] + u * (3 * c[3] + u * (4 * c[4] + u * 5 * c[5])))
        second = 2 * c[2] + u * (6 * c[3] + u * (12 * c[4] + u * 20 * c[5]))
        going = u < 1.0
        return Point(
            point.position + (value * going).sum(axis=0),
            point.velocity + (first / self.seconds * going).sum(axis=0),
            point.acceleration + (second / self.seconds**2 * going).sum(axis=0),
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
        self._hardest_acceleration = limits.acceleration * _HARDEST
        self._hardest_jerk = limits.jerk * _HARDEST

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
        least = max(fade_ns, 1) / NS_PER_S
        seconds = np.stack(
            (
                np.full_like(away, max(float(self._close_s(away).max()), least)),
                np.maximum(self._slow_down_s(rate), min(least, _SHORTEST_S)),
                np.maximum(self._let_go_s(push), min(least, _SHORTEST_S)),
            )
        )
        seconds = np.minimum(seconds, max(_LONGEST_S, least))
        gaps = np.stack((away, rate * seconds[1], push * seconds[2] ** 2 / 2.0))
        powers = gaps[:, None, :] * _QUINTICS[:, :, None]
        return Faded(base, powers, seconds, at_ns, round(float(seconds.max()) * NS_PER_S))

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
        """Time in which one quintic from a gap and its rates keeps speed, jerk and shares.

        The factors here and below are the quintic's greatest derivatives over a fade of one second,
        from a gap of one in position, velocity and acceleration alone.

        Args:
            away: [A] gap in position.
            rate: [A] gap in velocity.
            push: [A] gap in acceleration.
        """
        bounds = (
            self._close_s(away),
            3.94 * np.abs(rate) / self._acceleration,
            np.sqrt(36.0 * np.abs(rate) / self._jerk),
            9.0 * np.abs(push) / self._jerk,
        )
        return round(min(float(np.max(bounds)), _LONGEST_S) * NS_PER_S)

    def _close_s(self, away: Float) -> Float:
        """[A] time for a gap in position."""
        away = np.abs(away)
        bounds = (
            1.875 * away / self._speed,
            np.sqrt(5.774 * away / self._acceleration),
            np.cbrt(60.0 * away / self._jerk),
        )
        return np.max(bounds, axis=0)

    def _slow_down_s(self, rate: Float) -> Float:
        """[A] time for a gap in velocity."""
        rate = np.abs(rate)
        gentle = np.maximum(3.94 * rate / self._acceleration, np.sqrt(36.0 * rate / self._jerk))
        hard = np.maximum(
            3.94 * rate / self._hardest_acceleration, np.sqrt(36.0 * rate / self._hardest_jerk)
        )
        return np.maximum(np.minimum(gentle, _STRAY / np.maximum(0.198 * rate, _TINY)), hard)

    def _let_go_s(self, push: Float) -> Float:
        """[A] time for a gap in acceleration."""
        push = np.abs(push)
        gentle, hard = 9.0 * push / self._jerk, 9.0 * push / self._hardest_jerk
        return np.maximum(
            np.minimum(gentle, np.sqrt(_STRAY / np.maximum(0.0173 * push, _TINY))), hard
        )


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
