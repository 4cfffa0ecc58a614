"""Time-optimal braking with limited acceleration and jerk, and its exact extremes.

From velocity ``v`` and acceleration ``a`` a joint is brought to rest in up to three phases: jerk
until the deceleration that is needed (or the largest allowed) is reached, that deceleration held,
jerk back to none. With the direction ``s = sign(v + a |a| / (2 J))`` and ``V = s v``, ``B = s a``
the phases are

====================  ==================  =========================================
phase                 duration            until
====================  ==================  =========================================
jerk ``-s J``         ``(B + h) / J``     acceleration ``-s h``
jerk 0                see ``h = A``       as much velocity is left as phase 3 takes
jerk ``+s J``         ``h / J``           rest
====================  ==================  =========================================

where ``h = min(A, sqrt(J V + B^2 / 2))``. The rest of such a profile is the profile from any state
on it, so a state that can brake inside a range stays one while it brakes; ``limiter.py`` rests on
that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_policy.types import Float


@dataclass(frozen=True)
class Brake:
    """A braking profile per joint; every array has the shape of the state that it starts from.

    Attributes:
        position, velocity, acceleration: where it starts.
        jerk: signed jerk of the first phase; the third has the opposite.
        first, second, third: durations of the phases [s].
        stop: position at rest.
        lowest, highest: least and greatest position on the way, start and end included.
        slowest, fastest: least and greatest velocity on the way, start and end included.
    """

    position: Float
    velocity: Float
    acceleration: Float
    jerk: Float
    first: Float
    second: Float
    third: Float
    stop: Float
    lowest: Float
    highest: Float
    slowest: Float
    fastest: Float

    def after(self, seconds: float) -> tuple[Float, Float, Float]:
        """Position, velocity, acceleration after ``seconds``; at rest once the profile is over."""
        first = np.minimum(seconds, self.first)
        second = np.clip(seconds - self.first, 0.0, self.second)
        third = np.clip(seconds - self.first - self.second, 0.0, self.third)
        state = _advance(self.position, self.velocity, self.acceleration, self.jerk, first)
        state = _advance(*state, 0.0, second)
        position, velocity, acceleration = _advance(*state, -self.jerk, third)
        over = seconds >= self.first + self.second + self.third
        return (
            np.where(over, self.stop, position),
            np.where(over, 0.0, velocity),
            np.where(over, 0.0, acceleration),
        )


def at_rest(position: Float, jerk: Float) -> Brake:
    """The profile of joints that stand still.

    Args:
        position: [A] where.
        jerk: [A], largest jerk.
    """
    none = np.zeros_like(position)
    return Brake(
        position=position,
        velocity=none,
        acceleration=none,
        jerk=-jerk,
        first=none,
        second=none,
        third=none,
        stop=position,
        lowest=position,
        highest=position,
        slowest=none,
        fastest=none,
    )


def brake(position: Float, velocity: Float, acceleration: Float, most: Float, jerk: Float) -> Brake:
    """The fastest way to rest.

    Args:
        position: [..., A] position now.
        velocity: [..., A] velocity now.
        acceleration: [..., A] acceleration now.
        most: [A], largest acceleration.
        jerk: [A], largest jerk.
    """
    coasting = velocity + acceleration * np.abs(acceleration) / (2.0 * jerk)
    sign = np.where(coasting < 0.0, -1.0, 1.0)
    speed, push = sign * velocity, sign * acceleration
    half_square = push * push / 2.0
    peak = np.minimum(np.sqrt(np.maximum(jerk * speed + half_square, 0.0)), most)
    first = np.maximum(push + peak, 0.0) / jerk
    third = peak / jerk
    left = speed + (half_square - peak * peak) / jerk
    second = np.maximum(left, 0.0) / np.maximum(peak, 1e-12)
    signed = -sign * jerk

    state = _advance(position, velocity, acceleration, signed, first)
    if second.any():
        state = _advance(*state, 0.0, second)
    stop = _advance(*state, -signed, third)[0]

    # Moving against the braking direction, the joint first turns round: the one turning point
    # inside the profile.
    turn, backwards = position, np.minimum(speed, 0.0)
    if backwards.any():
        root = np.sqrt(np.maximum(2.0 * (half_square + jerk * backwards), 0.0))
        turn_time = np.where(speed < 0.0, (push - root) / jerk, 0.0)
        turn = _advance(position, velocity, acceleration, signed, np.maximum(turn_time, 0.0))[0]

    most_speed = speed + np.maximum(push, 0.0) ** 2 / (2.0 * jerk)
    ahead, behind = sign * np.maximum(most_speed, 0.0), sign * backwards
    return Brake(
        position=position,
        velocity=velocity,
        acceleration=acceleration,
        jerk=signed,
        first=first,
        second=second,
        third=third,
        stop=stop,
        lowest=np.minimum(np.minimum(position, stop), turn),
        highest=np.maximum(np.maximum(position, stop), turn),
        slowest=np.minimum(ahead, behind),
        fastest=np.maximum(ahead, behind),
    )


def _advance(
    position: Float, velocity: Float, acceleration: Float, jerk: Float | float, seconds: Float
) -> tuple[Float, Float, Float]:
    """The state after ``seconds`` of constant jerk."""
    rise = jerk * seconds
    return (
        position + seconds * (velocity + seconds * (acceleration / 2.0 + rise / 6.0)),
        velocity + seconds * (acceleration + rise / 2.0),
        acceleration + rise,
    )
