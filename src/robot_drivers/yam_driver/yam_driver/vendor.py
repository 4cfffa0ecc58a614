"""The only module that imports I2RT's package ``i2rt``: opening arms, and what to install.

``i2rt`` is not on PyPI. What is said here of its behaviour was read in its repository at the commit
``COMMIT``, the one that the vendor's own station pins; paths are relative to that repository.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dreamzero_policy.types import Float

COMMIT = "5d47b358bafb30c65e397f2ece506550a0db4594"
INSTALL = (
    f"pip install --no-deps 'i2rt @ git+https://github.com/i2rt-robotics/i2rt.git@{COMMIT}' "
    "&& pip install python-can==4.5.0 dm-env==1.6 'crcmod-plus>=2.3.1' pydantic tyro"
)
"""Without its dependencies, which pin another numpy and ruckig than ours; then what it imports."""

SYS_NET = Path("/sys/class/net")
"""The kernel's list of network interfaces."""

_ARPHRD_CAN = 280  # linux/if_arp.h
_IFF_UP = 0x1  # linux/if.h
_SIDE_WORDS = {"left": {"left", "l"}, "right": {"right", "r"}}
_LEADER_WORDS = {"lead", "leader"}


class MotorChain(Protocol):
    """The motors of one CAN bus (``i2rt/motor_drivers/dm_driver.py``).

    Attributes:
        running: false for good once its loop has met an error.
    """

    running: bool

    def get_same_bus_device_states(self) -> Any:
        """The newest states of the teaching handle; None before the first."""


class ArmApi(Protocol):
    """What is asked of i2rt's ``MotorChainRobot`` (``i2rt/robots/motor_chain_robot.py``)."""

    motor_chain: MotorChain

    def num_dofs(self) -> int:
        """Joints, with the gripper."""

    def get_joint_pos(self) -> Float:
        """[7] its own array, made anew in every cycle of its loop."""

    def get_observations(self) -> dict[str, Float]:
        """Views of its own arrays."""

    def get_robot_info(self) -> dict[str, Any]:
        """Gains and limits, its own arrays."""

    def command_joint_pos(self, joint_pos: Float) -> None:
        """Takes effect at once and until the next command; clips ``joint_pos`` in place."""

    def command_joint_state(self, joint_state: dict[str, Float]) -> None:
        """The same with gains of the caller's."""

    def update_kp_kd(self, kp: Float, kd: Float) -> None:
        """Keeps these very arrays as the gains of later commands."""

    def close(self) -> None:
        """Ends its loop and closes the bus; the motors damp 400 ms later."""


def open_arm(
    channel: str, arm_type: str, gripper_type: str, gripper_limits: Sequence[float]
) -> ArmApi:
    """Opens one arm; it holds the pose that it has.

    Until then, for a second or so, its motors are on without stiffness, and while a gripper finds
    its stops for some seconds more (``i2rt/robots/utils.py``): the arm must lie folded.

    Args:
        channel: CAN interface.
        arm_type: i2rt's name, for example ``yam``.
        gripper_type: i2rt's name, for example ``linear_4310``.
        gripper_limits: closed and open end of the gripper motor [rad]; empty lets i2rt drive the
            gripper into both of its stops to find them.

    Raises:
        ValueError: i2rt is missing, does not know a name, or cannot reach the motors.
    """
    get_yam_robot, arms, grippers = _import_i2rt()
    arm, gripper = arms.from_string_name(arm_type), grippers.from_string_name(gripper_type)
    try:
        return get_yam_robot(
            channel=channel,
            arm_type=arm,
            gripper_type=gripper,
            zero_gravity_mode=False,  # its default lets the arm float from the start
            gripper_limits_override=np.array(gripper_limits) if gripper_limits else None,
            enable_auto_recovery=False,  # an error of a motor must be seen
        )
    except Exception as error:  # it raises AssertionError, RuntimeError, OSError, CanError ...
        raise ValueError(f"the arm on {channel} cannot be opened: {_line(error)}") from error


def open_handle(channel: str, arm_type: str) -> ArmApi:
    """Opens a motorised leader arm with a teaching handle; it floats.

    Raises:
        ValueError: as ``open_arm``.
    """
    get_yam_robot, arms, grippers = _import_i2rt()
    arm, handle = arms.from_string_name(arm_type), grippers.from_string_name("yam_teaching_handle")
    try:
        return get_yam_robot(
            channel=channel,
            arm_type=arm,
            gripper_type=handle,
            zero_gravity_mode=True,
            enable_auto_recovery=False,
        )
    except Exception as error:  # as above
        raise ValueError(f"the leader arm on {channel} cannot be opened: {_line(error)}") from error


def open_encoders(channel: str) -> Any:
    """Opens the encoders of a motorless leader arm: i2rt's ``PassiveJointEncoder``.

    Raises:
        ValueError: i2rt or python-can is missing, or the bus cannot be opened.
    """
    try:
        import can
        from i2rt.utils.encoder_manager import PassiveJointEncoder
    except ImportError as error:
        raise ValueError(_missing(error)) from error
    try:
        bus = can.interface.Bus(interface="socketcan", channel=channel, bitrate=1_000_000)
        return PassiveJointEncoder(bus)
    except Exception as error:  # CanError, OSError
        raise ValueError(f"the encoders on {channel} cannot be read: {_line(error)}") from error


def _import_i2rt() -> tuple[Any, Any, Any]:
    try:
        from i2rt.robots.get_robot import get_yam_robot
        from i2rt.robots.utils import ArmType, GripperType
    except ImportError as error:
        raise ValueError(_missing(error)) from error
    return get_yam_robot, ArmType, GripperType


def _missing(error: ImportError) -> str:
    return f"I2RT's package is not installed ({error}); run: {INSTALL}"


def _line(error: Exception) -> str:
    """An exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def check_channels(channels: dict[str, str], leads: bool) -> None:
    """Refuses CAN interfaces that are missing, down, or may be the other arm's.

    Interfaces called ``can0`` and ``can1`` change places with the order of plugging, so a name must
    say its side, as the vendor's do (``docs/guides/set-persistent-can-ids.md``), and whether a
    leader is on it.

    Args:
        channels: interface by side.
        leads: whether leader arms are on them.

    Raises:
        ValueError: what is wrong, and the command that puts it right.
    """
    if len(set(channels.values())) != len(channels):
        raise ValueError(f"each arm needs a CAN interface of its own, got {channels}")
    for side, channel in channels.items():
        _check_name(side, channel, leads)
    for side, channel in channels.items():
        _check_interface(side, channel)


def _check_name(side: str, channel: str, leads: bool) -> None:
    words = set(re.split(r"[^a-z]+", channel.lower()))
    named = {one for one, known in _SIDE_WORDS.items() if words & known}
    example = f"can_lead_{side[0]}" if leads else f"can_{side}"
    if named != {side}:
        raise ValueError(
            f"{side}_channel: expected a name that says {side}, such as {example}, got {channel!r}"
            + ("; are the arms swapped?" if named else "")
            + "; give each adapter a fixed name with a udev rule"
        )
    if bool(words & _LEADER_WORDS) != leads:
        kind = "a leader arm's" if leads else "a follower arm's"
        raise ValueError(f"{side}_channel: expected {kind} bus, such as {example}, got {channel!r}")
    if "can" not in channel:  # i2rt opens socketcan only then
        raise ValueError(f"{side}_channel: expected a name with 'can' in it, got {channel!r}")


def _check_interface(side: str, channel: str) -> None:
    interface = SYS_NET / channel
    if not interface.exists():
        there = sorted(
            one.name for one in SYS_NET.glob("*") if _read(one / "type") == str(_ARPHRD_CAN)
        )
        raise ValueError(
            f"{side}_channel: no CAN interface {channel!r} here; there are: "
            f"{', '.join(there) or 'none'}"
        )
    if _read(interface / "type") != str(_ARPHRD_CAN):
        raise ValueError(f"{side}_channel: {channel!r} is no CAN interface")
    if not int(_read(interface / "flags") or "0", 16) & _IFF_UP:
        raise ValueError(
            f"{side}_channel: {channel!r} is down; run: "
            f"sudo ip link set {channel} up type can bitrate 1000000"
        )


def _read(path: Path) -> str:
    """What a file of the kernel's says; empty where it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
