"""What an installation may set of its two YAM arms and of the leader arms."""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.ros.driver_base import DriverParameters
from dreamzero_policy.ros.parameters import NodeParameters, parameter
from yam_driver.arm import GRIPPERS

ARM_TYPES = ("yam", "yam_pro", "yam_ultra")
"""i2rt's names of the arms whose joints are the layout's."""


@dataclass(frozen=True, kw_only=True)
class YamDriverParameters(DriverParameters):
    """Parameters of ``driver_node``."""

    left_channel: str = parameter("can_left", "CAN interface of the left arm; its name says left.")
    right_channel: str = parameter(
        "can_right", "CAN interface of the right arm; its name says right."
    )
    arm_type: str = parameter("yam", "I2RT's name of the arms.", choices=ARM_TYPES)
    gripper_type: str = parameter(
        "linear_4310", "I2RT's name of the grippers.", choices=tuple(GRIPPERS)
    )
    left_gripper_limits: tuple[float, ...] = parameter(
        (), "Left gripper's motor angle closed and open, in rad."
    )
    right_gripper_limits: tuple[float, ...] = parameter(
        (), "Right gripper's motor angle closed and open, in rad."
    )
    calibrate_grippers: bool = parameter(
        False,
        "Find gripper limits that are not set by driving the gripper into both stops at the start.",
    )
    command_timeout_s: float = parameter(
        0.2,
        "Silence on joint_commands after which the arms hold their pose, in seconds.",
        at_least=0.05,
        at_most=5.0,
    )
    largest_distance: float = parameter(
        0.5, "Of a joint's target from where it is, in rad.", at_least=0.01, at_most=1.0
    )


@dataclass(frozen=True, kw_only=True)
class YamLeaderParameters(NodeParameters):
    """Parameters of ``leader_node``."""

    left_channel: str = parameter(
        "can_lead_l", "CAN interface of the left leader; its name says left or l."
    )
    right_channel: str = parameter(
        "can_lead_r", "CAN interface of the right leader; its name says right or r."
    )
    kind: str = parameter(
        "passive_gello",
        "What the leaders are: arms of encoders alone, or motorised arms with a teaching handle.",
        choices=("passive_gello", "teaching_handle"),
    )
    arm_type: str = parameter("yam", "I2RT's name of motorised leader arms.", choices=ARM_TYPES)
    left_signs: tuple[int, ...] = parameter(
        (-1, -1, 1, 1, -1, -1), "Direction of each joint of a left passive_gello.",
        at_least=-1, at_most=1,
    )  # fmt: skip
    right_signs: tuple[int, ...] = parameter(
        (-1, -1, 1, 1, -1, -1), "Direction of each joint of a right passive_gello.",
        at_least=-1, at_most=1,
    )  # fmt: skip
    trigger_travel: float = parameter(
        0.67, "Turn of a passive_gello's trigger that closes the gripper, in rad.",
        at_least=0.05, at_most=3.0,
    )  # fmt: skip
    hz: float = parameter(
        50.0, "Targets per second while the clutch is in.", at_least=25.0, at_most=200.0
    )
