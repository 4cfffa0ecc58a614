"""The only way a command gets out: finite, inside position, velocity, acceleration, jerk limits.

Per joint the limiter keeps the commanded position, velocity and acceleration ``(p, v, a)``, a point
on a curve with bounded derivatives whose samples, one per tick, are the commands. Each tick it
looks for the next point:

1. straight to what is wanted (``profiles/pieces.py``), which meets it exactly where that can be;
2. where it cannot, towards it as Ruckig's time-optimal jerk-limited profile would go (MIT licence,
   per joint, in the frame that moves with the target), again by pieces inside the limits;
3. mixtures of that with the braking step, the boldest first;
4. the braking step.

A point is taken only if the fastest brake from it (``profiles/braking.py``, exact extremes) stays
inside range and speed, and inside the speed that a joint may have near its ends
(``profiles/envelope.py``).

Why no input can break a limit. The present point can brake inside the limits (at rest it can, and 1
to 3 are taken only if it still can). The braking step leads to a point whose own brake is the rest
of the same profile, so it can too: 4 always exists. Every step is a stretch of a curve with
``|acceleration| <= A`` and ``|jerk| <= J`` (pieces by clipping, brake by construction, mixtures
because these bounds are convex), so second and third differences of the samples, which are weighted
means of both, keep ``A`` and ``J``; first differences are compared with the speed limits directly
or stem from a brake inside them. What Ruckig says is a suggestion that cannot get past this.

A pose measured outside the range is where a command must start. The range then reaches out to just
there and draws in as the joint does: the joint can move inwards only, and never steps.
"""

from __future__ import annotations

import numpy as np

from dreamzero_policy.control.limits import Limits
from dreamzero_policy.profiles.braking import Brake, at_rest, brake
from dreamzero_policy.profiles.envelope import Envelope
from dreamzero_policy.profiles.pieces import State, straight_to
from dreamzero_policy.profiles.planner import Planner
from dreamzero_policy.types import Float, frozen

_INSIDE = 1.0 - 1e-6
"""Share of a limit that is used, so that rounding never reaches the limit itself."""

_MIXTURES = np.array([0.9, 0.7, 0.4, 0.15])[:, None]
"""Shares of the wanted step, the rest being the braking step."""

_NOTHING = 1e-15
"""A base slower than this [m/s or rad/s], and changing by less, stands still."""

_LEAST_SPEED = 1e-3
"""A plan may go this share of the velocity limit anywhere; its steps are checked all the same."""


class Limiter:
    """Turns what is wanted into commands that keep the limits.

    It has no pose until ``reset`` gives it one. One call of ``step`` or ``hold`` is one command and
    one period.

    Raises:
        ValueError: a period that is not positive.
    """

    def __init__(self, limits: Limits, period_s: float) -> None:
        if not (np.isfinite(period_s) and 0.0 < period_s <= 1.0):
            raise ValueError(f"control period: expected above 0 and at most 1 s, got {period_s}")
        self.limits = limits
        self.period_s = period_s
        self._velocity_limit = limits.velocity * _INSIDE
        self._most = limits.acceleration * _INSIDE
        self._jerk = limits.jerk * _INSIDE
        inset = (limits.upper - limits.lower) * (1.0 - _INSIDE)
        self._lower, self._upper = limits.lower + inset, limits.upper - inset
        if limits.base.any():  # a base that may only go one way still stands quite still
            self._lower = np.where(limits.base, np.minimum(self._lower, 0.0), self._lower)
            self._upper = np.where(limits.base, np.maximum(self._upper, 0.0), self._upper)
        self._ranges = np.maximum(limits.upper - limits.lower, 1e-9)
        self._brake: Brake | None = None
        self._floor = self._ceiling = self._lower
        self._planner = Planner(self._most, self._jerk, period_s)
        self._envelope = Envelope(limits.slowdowns, self._most, self._jerk, period_s)
        self._limited = np.zeros(len(limits.names), dtype=bool)

    @property
    def ready(self) -> bool:
        """Whether there is a pose to start from."""
        return self._brake is not None

    @property
    def position(self) -> Float:
        """[A] the newest command; a base column is a velocity."""
        return frozen(self._state().position)

    @property
    def velocity(self) -> Float:
        """[A] rate of the newest command."""
        return frozen(self._state().velocity)

    @property
    def acceleration(self) -> Float:
        """[A] second rate of the newest command."""
        return frozen(self._state().acceleration)

    @property
    def stop(self) -> Float:
        """[A] where the fastest brake from here ends."""
        return frozen(self._state().stop)

    @property
    def at_rest(self) -> bool:
        """Whether nothing moves any more, bases included, to a millionth of the limits."""
        now = self._state()
        moves = np.abs(now.velocity) > 1e-6 * self._velocity_limit
        moves |= np.abs(now.acceleration) > 1e-6 * self._most
        moves |= self.limits.base & (np.abs(now.position) > 1e-6)
        return not moves.any()

    @property
    def limited(self) -> np.ndarray:
        """[A] bool, where a limit kept the newest command from what was wanted."""
        return frozen(self._limited)

    def reset(self, position: Float) -> Float:
        """Starts at rest at a pose, and returns it as the first command.

        Args:
            position: [A]; may lie outside the range, the joint can then move inwards only.

        Raises:
            ValueError: a wrong count or a value that is not finite.
        """
        start = np.array(position, dtype=np.float64)
        if start.shape != self._lower.shape or not np.isfinite(start).all():
            raise ValueError(
                f"pose to start from: expected {len(self.limits.names)} finite values, "
                f"got {start.tolist()}"
            )
        self._floor, self._ceiling = np.minimum(self._lower, start), np.maximum(self._upper, start)
        self._brake = at_rest(start, self._jerk)
        self._limited = np.zeros(len(start), dtype=bool)
        return self.position

    def step(
        self, position: Float, velocity: Float | None = None, acceleration: Float | None = None
    ) -> Float:
        """The next command on the way to what is wanted one period from the newest command.

        Args:
            position: [A] wanted position. Where it, or its rates, are not finite a joint or gripper
                brakes and a base goes to zero.
            velocity: [A] its rate; at rest by default.
            acceleration: [A] the rate of that.

        Returns:
            [A] the command.

        Raises:
            ValueError: a wrong count, or ``reset`` was never called.
        """
        now = self._state()
        wanted = self._vector(position, "position")
        rate = self._vector(velocity, "velocity")
        push = self._vector(acceleration, "acceleration")
        sound = np.isfinite(wanted) & np.isfinite(rate) & np.isfinite(push)
        resting = np.where(self.limits.base, 0.0, now.stop)
        goal = np.clip(np.where(sound, wanted, resting), self._lower, self._upper)
        rate = np.clip(np.where(sound, rate, 0.0), -self._velocity_limit, self._velocity_limit)
        push = np.clip(np.where(sound, push, 0.0), -self._most, self._most)
        held = goal != np.where(sound, wanted, goal)
        rate, push = np.where(held, 0.0, rate), np.where(held, 0.0, push)

        candidate, exact = self._straight_to((goal, rate, push))
        if not exact.all():
            again = self._planned_to((goal, rate, push), np.flatnonzero(~exact))
            candidate = tuple(np.where(exact, c, a) for c, a in zip(candidate, again, strict=True))
        braking = self._braking()
        free = sound | self.limits.base
        candidate = tuple(np.where(free, c, b) for c, b in zip(candidate, braking, strict=True))
        self._take(candidate, braking)
        missed = np.abs(self._state().position - np.where(sound, wanted, self._state().position))
        self._limited = ~sound | (missed > 1e-3 * self._ranges)
        return self.position

    def hold(self) -> Float:
        """The next command of a hold: joints and grippers brake and stay, bases go to zero.

        Raises:
            ValueError: ``reset`` was never called.
        """
        base, now = self.limits.base, self._state()
        self._limited = np.zeros_like(base)
        if not (now.velocity.any() or now.acceleration.any() or now.position[base].any()):
            return self.position
        braking = self._braking()
        if base.any():
            nothing = np.zeros_like(self._lower)
            slowed = self._planned_to((nothing, nothing, nothing), np.flatnonzero(base))
            still = (np.abs(slowed[0]) < _NOTHING) & (np.abs(slowed[1]) < _NOTHING)
            slowed = tuple(np.where(still, 0.0, part) for part in slowed)
            wanted = tuple(np.where(base, s, b) for s, b in zip(slowed, braking, strict=True))
            self._take(wanted, braking)
        else:
            self._move(brake(*braking, self._most, self._jerk))
        return self.position

    def _state(self) -> Brake:
        """The present point with the brake from it."""
        if self._brake is None:
            raise ValueError("the limiter has no pose yet: call reset with the measured one first")
        return self._brake

    def _vector(self, values: Float | None, what: str) -> Float:
        """``values`` as [A] float64."""
        if values is None:
            return np.zeros_like(self._lower)
        vector = np.asarray(values, dtype=np.float64)
        if vector.shape != self._lower.shape:
            raise ValueError(
                f"wanted {what}: expected {len(self.limits.names)} values, "
                f"got shape {list(vector.shape)}"
            )
        return vector

    def _speeds(self) -> Float:
        """[2, A] how fast a plan may go from here downwards and upwards, never quite nothing."""
        speeds, slow = np.tile(self._velocity_limit, (2, 1)), self._envelope.columns
        if len(slow):
            allowed = self._envelope.fastest(self._state().position)
            least = _LEAST_SPEED * self._velocity_limit[slow]
            speeds[:, slow] = np.clip(allowed, least, speeds[:, slow])
        return speeds

    def _straight_to(self, goal: State) -> tuple[State, np.ndarray]:
        """Towards a goal one period ahead by three pieces, and where that is the goal itself."""
        return straight_to(self._state(), goal, self._most, self._jerk, self.period_s)

    def _planned_to(self, goal: State, columns: np.ndarray) -> State:
        """Towards a goal as a plan of those joints would go."""
        plan = self._planner.towards(self._state(), goal, columns, self._speeds())
        return self._straight_to(plan)[0]

    def _braking(self) -> State:
        """The braking step; rounding does not take it past the ends that the brake keeps."""
        position, velocity, acceleration = self._state().after(self.period_s)
        return np.clip(position, self._floor, self._ceiling), velocity, acceleration

    def _take(self, candidate: State, braking: State) -> None:
        """Moves to the candidate, or as near it as a later brake allows, or brakes; per joint."""
        chosen = brake(*candidate, self._most, self._jerk)
        good = self._allowed(chosen)
        if not good.all():
            mixed = tuple(
                _MIXTURES * c + (1.0 - _MIXTURES) * b
                for c, b in zip(candidate, braking, strict=True)
            )
            fits = self._allowed(brake(*mixed, self._most, self._jerk))
            first = np.argmax(fits, axis=0)
            columns = np.arange(len(good))
            point = tuple(
                np.where(good, c, np.where(fits.any(axis=0), m[first, columns], b))
                for c, m, b in zip(candidate, mixed, braking, strict=True)
            )
            chosen = brake(*point, self._most, self._jerk)
        self._move(chosen)

    def _move(self, chosen: Brake) -> None:
        """Takes a point as the newest command; what was left of a start outside draws in."""
        self._floor = np.minimum(self._lower, np.maximum(self._floor, chosen.lowest))
        self._ceiling = np.maximum(self._upper, np.minimum(self._ceiling, chosen.highest))
        self._brake = chosen

    def _allowed(self, proposed: Brake) -> np.ndarray:
        """Whether the first difference to a point, and the brake from it, keep the limits."""
        now = self._state().position
        allowed = (
            (np.abs(proposed.position - now) <= self._velocity_limit * self.period_s)
            & (proposed.fastest <= self._velocity_limit)
            & (proposed.slowest >= -self._velocity_limit)
            & (proposed.highest <= self._ceiling)
            & (proposed.lowest >= self._floor)
        )
        if len(self._envelope.columns):
            allowed[..., self._envelope.columns] &= self._envelope.keeps(now, proposed)
        return allowed
