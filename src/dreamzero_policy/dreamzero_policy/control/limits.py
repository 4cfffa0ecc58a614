"""The only way a command gets out: finite, inside position, velocity, acceleration, jerk limits.

Per joint the limiter keeps the commanded position, velocity and acceleration ``(p, v, a)``, a point
on a curve with bounded derivatives whose samples, one per tick, are the commands. Each tick it
looks for the next point:

1. straight to what is wanted, by three pieces of linear acceleration that meet its position,
   velocity and acceleration exactly;
2. if that needs more than the limits, towards it as Ruckig's time-optimal jerk-limited profile
   would go (MIT licence, per joint, in the frame that moves with the target), with the pieces'
   accelerations clipped to the limits;
3. mixtures of that with the braking step, the boldest first;
4. the braking step.

A point is taken only if the fastest brake from it (``braking.py``, exact extremes) stays inside
range and speed.

Why no input can break a limit. The present point can brake inside the limits (at rest it can, and 1
to 3 are taken only if it still can). The braking step leads to a point whose own brake is the rest
of the same profile, so it can too: 4 always exists. Every step is a stretch of a curve with
``|acceleration| <= A`` and ``|jerk| <= J`` (pieces by clipping, brake by construction, mixtures
because these bounds are convex), so second and third differences of the samples, which are weighted
means of both, keep ``A`` and ``J``; first differences are compared with ``V`` directly or stem from
a brake inside ``V``. What Ruckig says is a suggestion that cannot get past this.

A pose measured outside the range is where a command must start. The range then reaches out to just
there and draws in as the joint does: the joint can move inwards only, and never steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dreamzero_policy.control.braking import Brake, brake
from dreamzero_policy.control.planner import Planner
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float, frozen

_INSIDE = 1.0 - 1e-6
"""Share of a limit that is used, so that rounding never reaches the limit itself."""

_MIXTURES = np.array([0.9, 0.7, 0.4, 0.15])[:, None]
"""Shares of the wanted step, the rest being the braking step."""

_RATES = ("velocity", "acceleration", "jerk")


@dataclass(frozen=True)
class Limits:
    """What a command must keep, per joint in action order, in model units.

    A base column is a velocity: its range is in m/s or rad/s, its ``velocity`` an acceleration,
    and so on.

    Attributes:
        names: [A] joint names.
        base, gripper, prismatic: [A] bool, which columns are of that kind; the others are revolute.
        lower, upper: [A] range.
        velocity, acceleration, jerk: [A] largest magnitudes per s, s^2, s^3.
    """

    names: tuple[str, ...]
    base: np.ndarray
    gripper: np.ndarray
    prismatic: np.ndarray
    lower: Float
    upper: Float
    velocity: Float
    acceleration: Float
    jerk: Float

    def __post_init__(self) -> None:
        """Freezes the arrays."""
        for field in ("base", "gripper", "prismatic", "lower", "upper", *_RATES):
            object.__setattr__(self, field, frozen(np.asarray(getattr(self, field))))

    @classmethod
    def of(cls, embodiment: Embodiment) -> Limits:
        """The embodiment's own limits, the widest there can be."""
        joints = embodiment.joints
        return cls(
            names=embodiment.action_joints,
            **{
                kind: np.array([joint.kind == kind for joint in joints])
                for kind in ("base", "gripper", "prismatic")
            },
            **{
                field: np.array([float(getattr(joint, field)) for joint in joints])
                for field in ("lower", "upper", *_RATES)
            },
        )

    def require_within(self, tighter: Limits) -> None:
        """Checks that other limits are of the same joints and nowhere wider.

        Raises:
            ValueError: they are not.
        """
        if tighter.names != self.names:
            raise ValueError(
                f"limits: expected joints {', '.join(self.names)}, got {', '.join(tighter.names)}"
            )
        for field in ("lower", "upper", *_RATES):
            own, other = getattr(self, field), getattr(tighter, field)
            kept = other >= own if field == "lower" else other <= own
            if not kept.all():
                joint = int(np.argmin(kept))
                raise ValueError(
                    f"limits of {self.names[joint]}: {field} may only be tightened from "
                    f"{own[joint]}, got {other[joint]}"
                )

    def tighten(
        self,
        joints: Mapping[str, Mapping[str, float]] | None = None,
        *,
        scale: float = 1.0,
        margin: float = 0.0,
    ) -> Limits:
        """Narrower limits; wider ones are refused.

        Args:
            joints: joint name to any of lower, upper, velocity, acceleration, jerk.
            scale: share of every joint's velocity, acceleration and jerk, above 0, at most 1.
            margin: kept from both ends of every range that is a position [rad or m]; grippers and
                bases keep their range.

        Raises:
            ValueError: an unknown joint or limit, a value that is wider or not finite, or a range
                left empty.
        """
        if not (np.isfinite(scale) and 0.0 < scale <= 1.0):
            raise ValueError(f"scale of the limits: expected above 0 and at most 1, got {scale}")
        if not (np.isfinite(margin) and margin >= 0.0):
            raise ValueError(f"margin of the limits: expected 0 or more, got {margin}")
        inset = np.where(self.base | self.gripper, 0.0, margin)
        values = {"lower": self.lower + inset, "upper": self.upper - inset}
        values |= {field: getattr(self, field) * scale for field in _RATES}
        for name, wanted in (joints or {}).items():
            if name not in self.names:
                raise ValueError(
                    f"limits: no joint {name!r}; the joints are {', '.join(self.names)}"
                )
            column = self.names.index(name)
            for field, value in wanted.items():
                if field not in values:
                    raise ValueError(
                        f"limits of {name}: no limit {field!r}; expected one of {', '.join(values)}"
                    )
                old, narrower = float(getattr(self, field)[column]), min
                if field == "lower":
                    narrower = max
                number = isinstance(value, int | float) and bool(np.isfinite(value))
                if not number or narrower(value, old) != value or (field in _RATES and value <= 0):
                    raise ValueError(
                        f"limits of {name}: {field} may only be tightened from {old}, got {value}"
                    )
                values[field][column] = narrower(value, float(values[field][column]))
        for name, lower, upper in zip(self.names, values["lower"], values["upper"], strict=True):
            if not lower < upper:
                raise ValueError(f"limits of {name}: the range [{lower}, {upper}] is empty")
        return replace(self, **values)


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
        self._ranges = np.maximum(limits.upper - limits.lower, 1e-9)
        self._rest_for_base = np.clip(0.0, self._lower, self._upper)
        self._brake: Brake | None = None
        self._floor = self._ceiling = self._lower
        self._planner = Planner(self._velocity_limit, self._most, self._jerk, period_s)
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
        moves |= self.limits.base & (np.abs(now.position - self._rest_for_base) > 1e-6)
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
        zero = np.zeros_like(start)
        self._brake = brake(start, zero, zero, self._most, self._jerk)
        self._limited = zero.astype(bool)
        return self.position

    def step(
        self, position: Float, velocity: Float | None = None, acceleration: Float | None = None
    ) -> Float:
        """The next command on the way to what is wanted one period from the newest command.

        Args:
            position: [A] wanted position. Where it, or its rates, are not finite the joint brakes.
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
        goal = np.clip(np.where(sound, wanted, now.stop), self._lower, self._upper)
        rate = np.clip(np.where(sound, rate, 0.0), -self._velocity_limit, self._velocity_limit)
        push = np.clip(np.where(sound, push, 0.0), -self._most, self._most)
        held = goal != np.where(sound, wanted, goal)
        rate, push = np.where(held, 0.0, rate), np.where(held, 0.0, push)

        candidate, exact = self._pieces(goal, rate, push)
        if not exact.all():
            towards = self._planner.towards(now, (goal, rate, push), np.flatnonzero(~exact))
            again, _ = self._pieces(*towards)
            candidate = tuple(np.where(exact, c, a) for c, a in zip(candidate, again, strict=True))
        braking = now.after(self.period_s)
        candidate = tuple(np.where(sound, c, b) for c, b in zip(candidate, braking, strict=True))
        self._take(candidate, braking)
        missed = np.abs(self._state().position - np.where(sound, wanted, self._state().position))
        self._limited = ~sound | (missed > 1e-3 * self._ranges)
        return self.position

    def hold(self) -> Float:
        """The next command of a hold: joints and grippers brake and stay, bases go to zero.

        Raises:
            ValueError: ``reset`` was never called.
        """
        braking = self._state().after(self.period_s)
        candidate, base = braking, self.limits.base
        if base.any():
            nothing = np.zeros_like(self._lower)
            goal = (self._rest_for_base, nothing, nothing)
            towards = self._planner.towards(self._state(), goal, np.flatnonzero(base))
            slowed, _ = self._pieces(*towards)
            candidate = tuple(np.where(base, s, b) for s, b in zip(slowed, braking, strict=True))
        self._take(candidate, braking)
        self._limited = np.zeros_like(base)
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

    def _pieces(
        self, position: Float, velocity: Float, acceleration: Float
    ) -> tuple[tuple[Float, Float, Float], np.ndarray]:
        """Three equal pieces of linear acceleration towards a point one period ahead.

        Returns:
            The point where they end, and where that is the point asked for (no piece was clipped).
        """
        now, third = self._state(), self.period_s / 3.0
        start, most, change = now.acceleration, self._most, self._jerk * third
        in_sum = (velocity - now.velocity) / third - (start + acceleration) / 2.0
        weighted = (position - now.position) / third - 3.0 * now.velocity
        weighted = weighted / third - 4.0 / 3.0 * start - acceleration / 6.0
        wanted = (weighted - in_sum, 2.0 * in_sum - weighted, acceleration)
        previous, exact, knots = start, np.ones(len(start), dtype=bool), []
        for value in wanted:
            knot = np.clip(
                value, np.maximum(previous - change, -most), np.minimum(previous + change, most)
            )
            exact &= knot == value
            knots.append(knot)
            previous = knot
        one, two, three = knots
        moved = 4.0 / 3.0 * start + 2.0 * one + two + three / 6.0
        end = (
            now.position + third * (3.0 * now.velocity + third * moved),
            now.velocity + third * ((start + three) / 2.0 + one + two),
            three,
        )
        return end, exact

    def _take(
        self, candidate: tuple[Float, Float, Float], braking: tuple[Float, Float, Float]
    ) -> None:
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
        self._floor = np.minimum(self._lower, np.maximum(self._floor, chosen.lowest))
        self._ceiling = np.maximum(self._upper, np.minimum(self._ceiling, chosen.highest))
        self._brake = chosen

    def _allowed(self, proposed: Brake) -> np.ndarray:
        """Whether the first difference to a point, and the brake from it, keep the limits."""
        step = np.abs(proposed.position - self._state().position)
        return (
            (step <= self._velocity_limit * self.period_s)
            & (proposed.fastest <= self._velocity_limit)
            & (proposed.slowest >= -self._velocity_limit)
            & (proposed.highest <= self._ceiling)
            & (proposed.lowest >= self._floor)
        )
