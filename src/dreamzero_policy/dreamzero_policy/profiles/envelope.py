"""Speed limits that shrink towards the ends of a joint's travel, kept along a whole brake.

Upwards a joint may go at ``U(p) = max(0, -o + sqrt(2 a (E - p)))``, downwards the mirror image
(``embodiment.EndSlowdown``: offset o, acceleration a, end E). Two things are checked:

- the first difference of the commands against ``U`` at the command that it leads to, which is the
  slower of its two ends, so that a driver that goes there in a straight line keeps ``U`` all along;
- the fastest brake from there against ``U_T(p) = -(o + aT) + sqrt(2 a (E + oT + a T^2 / 2 - p))``,
  which is all ``v`` with ``v <= U(p + v T)``. So whatever the largest speed ``v`` in a period T of
  that brake is, ``v T`` further on it is still allowed: the brake's own first differences pass the
  first check, at whatever instants they are taken.

For ``v > 0`` the second says ``Q = p + (v + o_T)^2 / (2 a) <= E_T`` for the whole brake. With ``a``
lowered to ``min(a, A, sqrt(8 J o))``, which lowers ``U``, ``Q`` never grows but while the braking
jerk builds up: its slope has the sign of ``v (a - d) - d o_T`` for a deceleration ``d``, negative
where ``d = A >= a`` is held and, since ``a^2 <= 8 J o``, where ``d`` fades out with ``v = d^2/2J``,
or with less. While jerk builds up, ``Q`` is concave in ``d``: a tangent near its top bounds it from
above, and that bound is what is compared.
"""

from __future__ import annotations

import numpy as np

from dreamzero_policy.embodiments.embodiment import EndSlowdown
from dreamzero_policy.profiles.braking import Brake
from dreamzero_policy.types import Float

_INSIDE = 1.0 - 1e-6
"""Share of a limit that is used, so that rounding never reaches the limit itself."""


class Envelope:
    """The joints that slow down towards their ends, and whether a motion does.

    Args:
        slowdowns: [A] one per joint, None where there is none.
        most: [A] largest acceleration of a brake.
        jerk: [A] its jerk.
        period_s: time between two commands [s].

    Attributes:
        columns: [B] which joints slow down.
    """

    def __init__(
        self, slowdowns: tuple[EndSlowdown | None, ...], most: Float, jerk: Float, period_s: float
    ) -> None:
        self.columns = np.array([i for i, s in enumerate(slowdowns) if s is not None], dtype=int)
        given = [s for s in slowdowns if s is not None]
        self._offset = np.array([s.offset for s in given]) / _INSIDE
        self._steep = 2.0 * np.array([s.acceleration for s in given]) * _INSIDE
        self._upper = np.array([s.upper_end for s in given])
        self._lower = np.array([s.lower_end for s in given])
        self._jerk, self._period_s = jerk[self.columns], period_s
        least = np.sqrt(8.0 * self._jerk * self._offset)
        brakes = np.minimum(np.minimum(self._steep / 2.0, most[self.columns]), least)
        self._brakes = brakes
        self._shifted, self._ahead = self._shift(period_s)
        # What a plan is given is a further period ahead, so that it still passes at its end.
        self._planned, self._planned_ahead = self._shift(2.0 * period_s)

    def keeps(self, position: Float, proposed: Brake) -> np.ndarray:
        """Whether the step to a point, and the brake from it, keep the speed limits.

        Args:
            position: [A] the newest command.
            proposed: the next, [..., A], with the brake from it.

        Returns:
            [..., B] bool, for ``columns``.
        """
        at = proposed.position[..., self.columns]
        return self._keeps_step(at - position[self.columns], at) & self._keeps_brake(proposed, at)

    def fastest(self, position: Float) -> Float:
        """Steady speeds that ``keeps`` allows for a period from a position on.

        Args:
            position: [A].

        Returns:
            [2, B] downwards and upwards, 0 or more, for ``columns``.
        """
        at = position[self.columns]
        room = np.stack((at - self._lower, self._upper - at)) + self._planned_ahead
        speed = np.sqrt(np.maximum(2.0 * self._brakes * room, 0.0)) - self._planned
        return np.maximum(speed, 0.0)

    def _shift(self, seconds: float) -> tuple[Float, Float]:
        """Offset, and how much further out the ends lie, of ``U`` by ``seconds`` ahead."""
        drop = self._brakes * seconds
        return self._offset + drop, (self._offset + drop / 2.0) * seconds

    def _keeps_step(self, step: Float, at: Float) -> np.ndarray:
        """Whether first differences keep the limit at the command that they lead to."""
        room = np.where(step > 0.0, self._upper - at, at - self._lower)
        speed = np.abs(step) / self._period_s + self._offset
        return (step == 0.0) | (speed * speed <= self._steep * room)

    def _keeps_brake(self, proposed: Brake, at: Float) -> np.ndarray:
        """Whether a brake keeps the limit, shifted by a period, all along."""
        own, jerk = self.columns, self._jerk
        up = proposed.jerk[..., own] < 0.0  # the way that it comes to rest
        sign = np.where(up, 1.0, -1.0)
        speed = sign * proposed.velocity[..., own]
        push = sign * proposed.acceleration[..., own]
        ahead = np.where(up, self._upper - at, at - self._lower) + self._ahead
        behind = np.where(up, at - self._lower, self._upper - at) + self._ahead
        twice, offset, brakes = 2.0 * self._brakes, self._shifted, self._brakes

        # Where it still goes the other way, it is fastest at once.
        backwards = offset - speed
        turns = (speed >= 0.0) | (backwards * backwards <= twice * behind)

        # The instant without acceleration, now, before or to come: speed and way are greatest.
        half_square = push * push / 2.0
        top = speed + half_square / jerk
        way = push * (speed + push * push / (3.0 * jerk)) / jerk
        # Q is largest at a deceleration of at most this; one step of Newton's towards it.
        near = np.maximum(-push, 0.0)
        far = np.maximum(brakes * top / (top + offset), near)
        lost = far * far / (2.0 * jerk)
        slope = (top - lost) * (brakes - far) - far * offset
        fall = far * (brakes - far) / jerk + (top - lost) + offset
        guess = np.clip(far + slope / fall, near, far)
        time = guess / jerk
        lost = guess * time / 2.0
        slope = (top - lost) * (brakes - guess) - guess * offset
        reach = way + time * (top - lost / 3.0) + (top - lost + offset) ** 2 / twice
        reach += slope * np.where(slope > 0.0, far - guess, near - guess) / (brakes * jerk)
        return turns & ((top <= 0.0) | (reach <= ahead))
