"""A robot as its driver's node sees it, and the modes that every driver keeps alike.

No rclpy here. Positions are in wire units, by joint name.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np
from dreamzero_msgs.msg import DriverStatus

from dreamzero_policy.types import NS_PER_S, Float


class Mode(IntEnum):
    """What a driver does with its robot: the constants of DriverStatus.msg."""

    HOLDING = DriverStatus.HOLDING
    FOLLOWING = DriverStatus.FOLLOWING
    RELEASED = DriverStatus.RELEASED
    FAULT = DriverStatus.FAULT


class Reading(NamedTuple):
    """Joints as measured, in wire units, in the order of ``Robot.joint_names``.

    Attributes:
        stamp_ns: ROS time of the measurement.
        positions: [J].
        velocities: [J], per second.
    """

    stamp_ns: int
    positions: Float
    velocities: Float


class Robot(Protocol):
    """A robot as its driver's node sees it. Methods are called from two threads.

    ``now_ns`` is of a clock that only goes forward.
    """

    joint_names: tuple[str, ...]

    @property
    def state(self) -> tuple[Mode, str]:
        """What the robot does, and why it does not follow; empty while it does."""

    def advance(self, now_ns: int, ros_ns: int) -> Reading | None:
        """One round, ``joint_state_hz`` times a second: watch, drive, measure.

        Args:
            now_ns: the clock of ``command``.
            ros_ns: ROS time now.

        Returns:
            What was measured since the last round; None for nothing new.
        """

    def command(self, names: Sequence[str], positions: Sequence[float], now_ns: int) -> None:
        """Makes for ``positions``; ``ValueError`` refuses them and changes nothing."""

    def hold(self, reason: str) -> None:
        """Holds the measured pose; changes nothing of a robot that is released or in a fault."""

    def release(self) -> str:
        """Lets the robot go; says how it may be moved. ``ValueError`` refuses."""

    def take_back(self) -> None:
        """Holds a released robot again; otherwise changes nothing."""

    def clear_fault(self) -> None:
        """Holds again after a fault; ``ValueError`` where there is none or its cause is there."""

    def close(self) -> None:
        """Lets go of the connection; the robot is left holding."""


class ModeLatch:
    """Which mode a robot is in: the rules that every driver keeps. Callable from any thread.

    A fault outlasts everything but ``clear``. A released robot is only taken back. Silence for
    longer than the timeout ends following.
    """

    def __init__(self, command_timeout_s: float) -> None:
        """Starts with a hold: there has been no command yet.

        Raises:
            ValueError: a timeout that is not positive.
        """
        if not command_timeout_s > 0:
            raise ValueError(f"command_timeout_s: expected more than 0, got {command_timeout_s}")
        self._timeout_ns = round(command_timeout_s * NS_PER_S)
        self._lock = threading.RLock()
        self._mode, self._reason = Mode.HOLDING, "no command yet"
        self._command_ns = 0

    @property
    def state(self) -> tuple[Mode, str]:
        """Mode and why."""
        with self._lock:
            return self._mode, self._reason

    def require_obedient(self) -> None:
        """Refuses a command that comes in a fault or while released.

        Raises:
            ValueError: why.
        """
        mode, reason = self.state
        if mode == Mode.RELEASED:
            raise ValueError("the robot is released; take it back before commanding it")
        if mode == Mode.FAULT:
            raise ValueError(f"the robot has a fault; driver/clear_fault clears it: {reason}")

    def follow(self, now_ns: int) -> None:
        """Notes a command that is obeyed from now on.

        Raises:
            ValueError: as ``require_obedient``; a fault may have come meanwhile.
        """
        with self._lock:
            self.require_obedient()
            self._mode, self._reason, self._command_ns = Mode.FOLLOWING, "", now_ns

    def silent(self, now_ns: int) -> bool:
        """Ends following where commands have stopped coming.

        Returns:
            Whether it did just now: the robot must be halted.
        """
        with self._lock:
            late = now_ns - self._command_ns > self._timeout_ns
            if self._mode != Mode.FOLLOWING or not late:
                return False
            self.hold(f"no command for {self._timeout_ns / NS_PER_S:g} s")
            return True

    def hold(self, reason: str) -> bool:
        """Holds, unless released or in a fault.

        Returns:
            Whether the robot was following until now.
        """
        with self._lock:
            followed = self._mode == Mode.FOLLOWING
            if self._mode in (Mode.FOLLOWING, Mode.HOLDING):
                self._mode, self._reason = Mode.HOLDING, reason
            return followed

    def release(self, how: str) -> None:
        """Lets go.

        Args:
            how: how the robot may be moved now; shown.

        Raises:
            ValueError: commands are being followed, or there is a fault.
        """
        with self._lock:
            if self._mode == Mode.FOLLOWING:
                raise ValueError(
                    "commands are being followed: end motion first, then let go of the robot"
                )
            if self._mode == Mode.FAULT:
                raise ValueError(f"clear the fault first: {self._reason}")
            self._mode, self._reason = Mode.RELEASED, how

    def take_back(self) -> bool:
        """Holds a released robot; True where it was released."""
        with self._lock:
            if self._mode != Mode.RELEASED:
                return False
            self._mode, self._reason = Mode.HOLDING, "taken back; no command since"
            return True

    def fault(self, reason: str) -> None:
        """Latches a fault; the first one is kept, it is nearest to the cause."""
        with self._lock:
            if self._mode != Mode.FAULT:
                self._mode, self._reason = Mode.FAULT, reason

    def clear(self) -> None:
        """Holds again after a fault.

        Raises:
            ValueError: there is none.
        """
        with self._lock:
            if self._mode != Mode.FAULT:
                raise ValueError("there is no fault to clear")
            self._mode, self._reason = Mode.HOLDING, "fault cleared; no command since"


def in_order(expected: Sequence[str], names: Sequence[str], positions: Sequence[float]) -> Float:
    """[J] float64, a command's positions in the order of ``expected``.

    Raises:
        ValueError: a name is unknown, missing or there twice, the counts differ, or a position is
            not finite.
    """
    if len(names) != len(positions):
        raise ValueError(f"command has {len(names)} names but {len(positions)} positions")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ValueError(f"command names {', '.join(twice)} twice")
    unknown = [name for name in names if name not in expected]
    missing = [name for name in expected if name not in names]
    if unknown or missing:
        raise ValueError(
            f"command must name every joint of the robot and no other; unknown: "
            f"{', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}; "
            f"expected: {', '.join(expected)}"
        )
    by_name = dict(zip(names, positions, strict=True))
    ordered = np.array([by_name[name] for name in expected], dtype=np.float64)
    for name, value in zip(expected, ordered, strict=True):
        if not np.isfinite(value):
            raise ValueError(f"{name}: command is {value}, expected a finite number")
    return ordered
