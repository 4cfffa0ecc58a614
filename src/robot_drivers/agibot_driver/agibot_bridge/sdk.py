"""The calls of the maker's SDK (``a2d_sdk``), in its units. Where each was seen: README.md.

The SDK is imported when the robot is opened, not before.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from agibot_bridge.layout import GROUPS

MISSING = (
    "a2d_sdk is not there: install AgiBot's GDK for the G1 from the robot's own server "
    "(http://10.42.0.101:8849), then run `source <folder of a2d_sdk>/env.sh` in this shell and "
    "start the bridge with the same Python 3.10"
)

HEAD_UNITS = {"degrees": math.pi / 180.0, "radians": 1.0}

_READERS = {  # part of the robot: reader
    "arm": "arm_joint_states",
    "gripper": "gripper_states",
    "head": "head_joint_states",
    "waist": "waist_joint_states",
}
_MOVERS = {part: f"move_{part}" for part in GROUPS}
_STOPS = ("estop", "error")  # endings of the flags of whole_body_status that end motion


class SdkError(Exception):
    """A call of the SDK failed, or returned what it must not."""


class Measured(NamedTuple):
    """One reading of the whole robot.

    Attributes:
        positions: by part, in the units of the socket.
        stamps_ns: by part, of the SDK's clock.
    """

    positions: dict[str, list[float]]
    stamps_ns: dict[str, int]

    def vector(self) -> list[float]:
        """All positions in the order of ``layout.JOINTS``."""
        return [value for part in GROUPS for value in self.positions[part]]


class G1:
    """The robot through ``a2d_sdk.robot.RobotDds``."""

    def __init__(self, head_unit: str, ignored: tuple[str, ...] = ()) -> None:
        """Opens the robot; nothing moves.

        Args:
            head_unit: what ``head_joint_states`` returns, a key of ``HEAD_UNITS``.
            ignored: flags of ``whole_body_status`` that do not end motion.

        Raises:
            SdkError: no SDK, or one without the calls that are needed.
        """
        try:
            from a2d_sdk.robot import RobotDds
        except ImportError as error:
            raise SdkError(f"{MISSING} ({error})") from error
        needed = (*_READERS.values(), *_MOVERS.values(), "move_wheel", "shutdown")
        lacking = [name for name in needed if not callable(getattr(RobotDds, name, None))]
        if lacking:
            raise SdkError(f"this a2d_sdk has no RobotDds.{', '.join(lacking)}: expected the G1's")
        self._head = HEAD_UNITS[head_unit]
        self._ignored = frozenset(ignored)
        self._robot = _call("RobotDds", RobotDds)

    @property
    def sees_stops(self) -> bool:
        """Whether this SDK tells of the emergency stop."""
        return callable(getattr(self._robot, "whole_body_status", None))

    def read(self) -> Measured | None:
        """What the SDK has received last; None before every part has reported.

        Raises:
            SdkError: a call failed, or a vector of another length or with something else in it.
        """
        positions, stamps = {}, {}
        for part, reader in _READERS.items():
            answer = _call(reader, getattr(self._robot, reader))
            try:
                values, stamp = answer
                vector = list(values) if values is not None else []
            except (TypeError, ValueError) as error:
                raise SdkError(f"{reader}: expected values and a stamp, got {answer!r}") from error
            if not vector or any(value is None for value in vector):
                return None
            positions[part] = self._checked(part, reader, vector)
            stamps[part] = int(stamp) if isinstance(stamp, (int, float)) else 0
        return Measured(positions, stamps)

    def _checked(self, part: str, reader: str, vector: list[Any]) -> list[float]:
        """The numbers of a vector, the head's in radians."""
        try:
            values = [float(value) for value in vector]
        except (TypeError, ValueError) as error:
            raise SdkError(f"{reader}: expected numbers, got {vector!r:.200}") from error
        if len(values) != len(GROUPS[part]) or not all(map(math.isfinite, values)):
            raise SdkError(f"{reader}: expected {len(GROUPS[part])} numbers, got {vector!r:.200}")
        return [value * self._head for value in values] if part == "head" else values

    def stopped_by(self) -> str | None:
        """Which flags of the robot's own status end motion; None for none.

        Raises:
            SdkError: the call failed.
        """
        if not self.sees_stops:
            return None
        answer = _call("whole_body_status", self._robot.whole_body_status)
        status = answer[0] if isinstance(answer, tuple) and answer else answer
        if not isinstance(status, dict):
            return None  # nothing has been received yet
        raised = [
            f"{name} {value!r}"
            for name, value in sorted(status.items())
            if str(name).endswith(_STOPS) and value and name not in self._ignored
        ]
        return ", ".join(raised) or None

    def move(self, positions: list[float]) -> None:
        """Commands every joint, in the order of ``layout.JOINTS``.

        Raises:
            SdkError: a call failed.
        """
        start = 0
        for part, names in GROUPS.items():
            vector = positions[start : start + len(names)]  # a new list: the SDK may keep it
            start += len(names)
            _call(_MOVERS[part], getattr(self._robot, _MOVERS[part]), vector)

    def roll(self, forward: float, yaw: float) -> None:
        """Commands the wheels [m/s, rad/s].

        Raises:
            SdkError: the call failed.
        """
        _call("move_wheel", self._robot.move_wheel, forward, yaw)

    def close(self) -> None:
        """Ends the SDK.

        Raises:
            SdkError: the call failed.
        """
        _call("shutdown", self._robot.shutdown)


def _call(name: str, function: Any, *arguments: Any) -> Any:
    """Calls the SDK; whatever it raises becomes an ``SdkError`` with the call's name."""
    try:
        return function(*arguments)
    except Exception as error:  # its exceptions are stated nowhere
        raise SdkError(f"{name} failed: {type(error).__name__}: {error}") from error
