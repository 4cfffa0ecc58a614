"""What the controller relies on besides chunks, and when it no longer may: robot and driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dreamzero_policy.chunks.screening import Refused
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.report import DriverMode
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.types import NS_PER_S, Float, frozen


class MeasuredPose:
    """The newest measured pose and how old it is.

    Args:
        limits: the action joints.
        state_names: [S] the measured joints in the order in which they come.
        settings: ages, clock tolerance and following error.

    Attributes:
        pose: [A] the newest one, 0 for bases; None before the first.
        refused: measurements that were not taken.
    """

    def __init__(
        self, limits: Limits, state_names: tuple[str, ...], settings: ControllerSettings
    ) -> None:
        self._limits, self._state_names, self._settings = limits, state_names, settings
        measured = [name for name in limits.names if name in state_names]
        self._columns = np.array([limits.names.index(name) for name in measured], dtype=np.int64)
        self._sources = np.array([state_names.index(name) for name in measured], dtype=np.int64)
        self._error_limit = settings.per_joint(
            limits, settings.following_error, settings.following_error_m
        )
        most, most_m = settings.pose_excess, settings.pose_excess_m
        self._excess = np.where(limits.base, np.inf, settings.per_joint(limits, most, most_m, most))
        self.pose: Float | None = None
        self.refused = 0
        self._stamp_ns: int | None = None
        self._refusal = ""

    def take(
        self,
        stamp_ns: int,
        names: Sequence[str],
        positions: Float | Sequence[float],
        velocities: Float | Sequence[float] | None,
    ) -> str | None:
        """Takes a measurement; see ``Controller.on_state``."""
        values = np.asarray(positions, dtype=np.float64)
        rates = None if velocities is None else np.asarray(velocities, dtype=np.float64)
        why = None
        if tuple(names) != self._state_names:
            why = f"expected joints {', '.join(self._state_names)}, got {', '.join(names)}"
        elif values.shape != (len(self._state_names),) or (
            rates is not None and rates.size and rates.shape != values.shape
        ):
            why = f"expected {len(self._state_names)} values, got shape {list(values.shape)}"
        elif not np.isfinite(values).all() or (rates is not None and not np.isfinite(rates).all()):
            why = f"a measured value is not finite: {values.tolist()}"
        elif self._stamp_ns is not None:
            behind = (self._stamp_ns - stamp_ns) / NS_PER_S
            if 0 <= behind <= self._settings.clock_jump_s and stamp_ns != self._stamp_ns:
                why = f"measured {behind:.3f} s before the newest one"
        if why is not None:
            self.refused += 1
            self._refusal = why
            return why
        pose = np.zeros(len(self._limits.names))
        pose[self._columns] = values[self._sources]
        self.pose, self._stamp_ns, self._refusal = frozen(pose), int(stamp_ns), ""
        return None

    def age_s(self, now_ns: int) -> float | None:
        """Now minus the newest stamp; None before the first."""
        return None if self._stamp_ns is None else (now_ns - self._stamp_ns) / NS_PER_S

    def stale(self, now_ns: int) -> Refused | None:
        """Why the pose cannot be relied on, ``stale_state``; None if it can."""
        age, most = self.age_s(now_ns), self._settings.state_max_age_s
        if age is None:
            return Refused("stale_state", self._refusal or "no pose has been measured yet")
        if -self._settings.clock_tolerance_s <= age <= most:
            return None
        return Refused(
            "stale_state",
            f"the measured pose is {age:.3f} s old, at most {most} s"
            + (f" ({self._refusal})" if self._refusal else ""),
        )

    def outside(self) -> Refused | None:
        """Why motion cannot start from the pose, ``pose_outside``; None if it can."""
        limits = self._limits
        outside = np.maximum(limits.lower - self.pose, self.pose - limits.upper)
        joint = int(np.argmax(outside - self._excess))
        if outside[joint] <= self._excess[joint]:
            return None
        return Refused(
            "pose_outside",
            f"{limits.names[joint]} is at {self.pose[joint]:.3f}, outside [{limits.lower[joint]}, "
            f"{limits.upper[joint]}] by more than {self._excess[joint]}: move it in first",
        )

    def astray(self, command: Float) -> Refused | None:
        """Why the robot does not follow, ``following_error``; None if it does.

        Args:
            command: [A] the newest one.
        """
        away = np.abs(command - self.pose)
        joint = int(np.argmax(away - self._error_limit))
        if away[joint] <= self._error_limit[joint]:
            return None
        return Refused(
            "following_error",
            f"{self._limits.names[joint]} is {away[joint]:.3f} from its command; at most "
            f"{self._error_limit[joint]}",
        )


class _Said(NamedTuple):
    """A driver's status and when it came."""

    session: int
    mode: int
    message: str
    at_ns: int


class DriverWatch:
    """What the driver says of itself; one that never says anything is not watched.

    Args:
        settings: the age of a stale status and the clock tolerance.

    Attributes:
        session: of the driver that was there when motion was enabled, which commands name so that
            no other obeys them; 0 for none.
    """

    def __init__(self, settings: ControllerSettings) -> None:
        self._settings = settings
        self.session = 0
        self._said: _Said | None = None
        self._ignored_ns: int | None = None

    def take(self, session: int, mode: int, message: str, now_ns: int) -> None:
        """Takes a status; a mode that is none of ``DriverMode`` counts as a fault."""
        self._said = _Said(int(session), int(mode), message, int(now_ns))

    def bind(self) -> None:
        """Commands are for the driver that is there now."""
        self.session = self._said.session if self._said else 0

    def age_s(self, now_ns: int) -> float | None:
        """Now minus the arrival of the newest status; None before the first."""
        return None if self._said is None else (now_ns - self._said.at_ns) / NS_PER_S

    def stale(self, now_ns: int) -> Refused | None:
        """Why the driver may be gone, ``stale_driver``; None if it is there, or never spoke."""
        age, most = self.age_s(now_ns), self._settings.driver_max_age_s
        if age is None or -self._settings.clock_tolerance_s <= age <= most:
            return None
        return Refused("stale_driver", f"the driver's status is {age:.3f} s old, at most {most} s")

    def unfit(self) -> Refused | None:
        """Why the driver does not follow: driver_fault, driver_released; None if it may."""
        said = self._said
        if said is None or said.mode in (DriverMode.HOLDING, DriverMode.FOLLOWING):
            return None
        if said.mode == DriverMode.RELEASED:
            return Refused("driver_released", said.message or "the driver let go of the robot")
        return Refused("driver_fault", said.message or f"the driver is in mode {said.mode}")

    def ignores(self, now_ns: int, sends: bool) -> Refused | None:
        """Why commands do not reach the robot, ``driver_holds``; None if they do, or may soon.

        A driver that refuses commands holds, while the commands would move on without the robot,
        which would have to jump after them when it follows again.

        Args:
            now_ns: the clock; to be told at every tick.
            sends: whether commands of an enabled motion are sent.
        """
        said, most = self._said, self._settings.driver_max_age_s
        if not sends or said is None or said.mode != DriverMode.HOLDING:
            self._ignored_ns = None
            return None
        if self._ignored_ns is None or now_ns < self._ignored_ns:
            self._ignored_ns = int(now_ns)
        since = (now_ns - self._ignored_ns) / NS_PER_S
        if since <= most:
            return None
        return Refused(
            "driver_holds",
            f"the driver has held for {since:.3f} s in which commands were sent, at most {most} s: "
            f"{said.message or 'it does not say why'}",
        )

    def replaced(self) -> Refused | None:
        """Whether another driver than the bound one speaks now: driver_restarted."""
        if self._said is None or self._said.session == self.session:
            return None
        return Refused(
            "driver_restarted",
            f"motion was enabled with driver {self.session or 'none'}, "
            f"now driver {self._said.session} speaks",
        )
