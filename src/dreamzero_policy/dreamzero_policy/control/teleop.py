"""A human's stream of targets as motion: smooth at control rate, and a stated time behind.

Samples come at 30 to 100 Hz with jitter, so neither the newest of them nor its rate is anything to
follow. What is followed lies ``DELAY_S`` behind the human: the straight line between the two
samples around that instant less ``_BETWEEN_S``, which is never beyond the newest of a stream of
25 Hz or more, through three equal lags of ``_LAG_S``. The lags' own states are the position and its
first and second rate, so the three belong together and position, velocity and acceleration are
continuous whatever the samples do.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from dreamzero_policy.chunks.interpolation import Point
from dreamzero_policy.chunks.screening import Refused
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.types import NS_PER_S, Float

_BETWEEN_S = 0.05
_LAG_S = 1.0 / 60.0
_LAGS = 3

DELAY_S = _BETWEEN_S + _LAGS * _LAG_S
"""How far the motion lies behind the human, besides one control period [s]."""

_KEPT = 256
"""Samples; more than a stream of 1 kHz brings in the time that they are needed."""


class TeleopStream:
    """Targets of a human, as the motion of the present tick.

    Args:
        limits: the action joints. A base's velocity comes apart from the joints' targets; without
            a fresh one it stands still.
        settings: ages, thresholds and the control period.
    """

    def __init__(self, limits: Limits, settings: ControllerSettings) -> None:
        self._limits, self._settings = limits, settings
        self._columns = np.flatnonzero(~limits.base)
        self._order = {limits.names[column]: column for column in self._columns.tolist()}
        step, step_m = settings.first_row_max_step, settings.first_row_max_step_m
        error, error_m = settings.following_error, settings.following_error_m
        self._near = settings.per_joint(limits, step, step_m)
        self._far = np.maximum(settings.per_joint(limits, error, error_m), self._near)
        self._behind_ns = settings.period_ns + round(_BETWEEN_S * NS_PER_S)
        self._samples: deque[tuple[int, Float]] = deque(maxlen=_KEPT)
        self._base = limits.base
        self._base_velocity = np.zeros(len(limits.names))
        self._base_ns: int | None = None
        self._lags: Float | None = None  # [_LAGS, A]
        self._target = np.zeros(len(limits.names))
        self._at_ns = 0

    def take(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float] | Float, now_ns: int
    ) -> str | None:
        """Takes a sample; see ``Controller.on_teleop``.

        Args:
            stamp_ns: when it was read off.
            names: in any order.
            positions: one per name.
            now_ns: the clock at the newest tick.
        """
        values = np.asarray(positions, dtype=np.float64)
        ahead = (stamp_ns - now_ns) / NS_PER_S
        most = self._settings.clock_jump_s + self._settings.clock_tolerance_s
        if set(names) != set(self._order) or len(names) != len(self._order):
            return f"expected joints {', '.join(self._order)} in any order, got {', '.join(names)}"
        if values.shape != (len(self._order),):
            return f"expected {len(self._order)} values, got shape {list(values.shape)}"
        if not np.isfinite(values).all():
            return f"a target is not finite: {values.tolist()}"
        if ahead > most:
            return f"stamped {ahead:.3f} s from now, at most {most} s"
        newest = self._samples[-1][0] if self._samples else None
        if newest is not None and stamp_ns <= newest:
            return f"stamped {(newest - stamp_ns) / NS_PER_S:.3f} s before the newest one"
        if newest is not None and stamp_ns - newest > self._max_age_ns:
            self._samples.clear()  # nothing lies between the two
        target = np.zeros(len(self._limits.names))
        target[[self._order[name] for name in names]] = values
        self._samples.append((int(stamp_ns), target))
        return None

    def take_base(self, velocities: Sequence[float] | Float, now_ns: int) -> str | None:
        """Takes a base's velocity; see ``Controller.on_teleop_base``.

        Args:
            velocities: [A] m/s and rad/s in the columns of bases; the others are ignored.
            now_ns: the clock at the newest tick.
        """
        values = np.asarray(velocities, dtype=np.float64)
        if values.shape != self._base.shape or not np.isfinite(values[self._base]).all():
            return f"expected {len(self._base)} values, finite for a base, got {values.tolist()}"
        self._base_velocity, self._base_ns = np.where(self._base, values, 0.0), int(now_ns)
        return None

    def forget(self) -> None:
        """Drops every sample, as after a jump of the clock."""
        self._samples.clear()
        self._lags, self._base_ns = None, None

    def fresh(self, now_ns: int) -> bool:
        """Whether a human is in charge: the newest sample is young enough."""
        if not self._samples:
            return False
        age = (now_ns - self._samples[-1][0]) / NS_PER_S
        return -self._settings.clock_tolerance_s <= age <= self._settings.teleop_max_age_s

    def advance(self, at_ns: int, now_ns: int) -> None:
        """Moves on to the instant of the next command.

        Args:
            at_ns: that instant.
            now_ns: the clock.
        """
        if not self.fresh(now_ns):
            self._lags = None
            return
        target = np.where(self._base, self._base_at(now_ns), self._between(at_ns - self._behind_ns))
        u = (at_ns - self._at_ns) / NS_PER_S / _LAG_S
        if self._lags is None:
            self._lags = np.tile(target, (_LAGS, 1))
        elif u > 0.0:
            # Behind a target in even motion every lag stays as far behind the one before it.
            behind = np.outer(np.arange(1, _LAGS + 1), (target - self._target) / u)
            one, two, three = self._lags - self._target + behind
            left = np.stack((one, two + u * one, three + u * (two + u / 2.0 * one)))
            self._lags = target - behind + math.exp(-u) * left
        self._target, self._at_ns = target, at_ns

    def too_far(self, command: Float, *, joined: bool) -> Refused | None:
        """Refuses a human who is far from the robot: teleop_too_far.

        Args:
            command: [A] the newest one.
            joined: whether the human is followed already; the robot may then lag by as much as it
                may lag behind its commands.
        """
        away = np.abs(self._samples[-1][1] - command)
        most = self._far if joined else self._near
        joint = int(np.argmax(away / most))
        if away[joint] <= most[joint]:
            return None
        return Refused(
            "teleop_too_far",
            f"{self._limits.names[joint]}: the human's target is {away[joint]:.3f} from the "
            f"command; bring it within {self._near[joint]}",
        )

    @property
    def start_ns(self) -> int:
        """The present tick's instant, the only one that is known."""
        return self._at_ns

    @property
    def end_ns(self) -> int:
        """The present tick's instant, the only one that is known."""
        return self._at_ns

    def at(self, ns: int) -> Point | None:
        """The point of the present tick; None at other instants and without a fresh stream."""
        if self._lags is None or ns != self._at_ns:
            return None
        one, two, three = self._lags
        return Point(three, (two - three) / _LAG_S, (one - 2.0 * two + three) / _LAG_S**2)

    @property
    def _max_age_ns(self) -> int:
        """How long a stream may pause [ns]."""
        return round(self._settings.teleop_max_age_s * NS_PER_S)

    def _base_at(self, now_ns: int) -> Float:
        """[A] the base's velocity inside its range; nothing once the newest one is too old."""
        if self._base_ns is None or not 0 <= now_ns - self._base_ns <= self._max_age_ns:
            return np.zeros_like(self._base_velocity)
        return np.clip(self._base_velocity, self._limits.lower, self._limits.upper)

    def _between(self, ns: int) -> Float:
        """[A] the samples' straight line at an instant, inside the range; its ends beyond it."""
        samples = self._samples
        while len(samples) > 1 and samples[1][0] <= ns:
            samples.popleft()
        start, value = samples[0]
        if len(samples) > 1 and ns > start:
            end, following = samples[1]
            value = value + (following - value) * ((ns - start) / (end - start))
        return np.clip(value, self._limits.lower, self._limits.upper)
