"""What an installation says of its Franka."""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.ros.driver_base import DriverParameters
from dreamzero_policy.ros.parameters import REQUIRED, parameter
from franka_driver.arms import ARMS
from franka_driver.ros2_control_arm import INTERFACES
from franka_driver.ros_grippers import ACTIONS


@dataclass(frozen=True, kw_only=True)
class FrankaDriverParameters(DriverParameters):
    """Parameters of ``driver_node``."""

    arm: str = parameter(REQUIRED, "Which arm it is: fer (Panda) or fr3.", choices=tuple(ARMS))
    connection: str = parameter(
        "ros2_control",
        "How the arm is reached: ros2_control (somebody else's) or franky (directly).",
        choices=("ros2_control", "franky"),
    )
    gripper: str = parameter(
        "action",
        "How the gripper is reached: action or topic (both ROS), or franky (the Franka Hand).",
        choices=("action", "topic", "franky"),
    )
    state_max_age_s: float = parameter(
        0.2, "An arm's measurement older than that is stale, in seconds.",
        at_least=0.02, at_most=2.0,
    )  # fmt: skip
    gripper_max_age_s: float = parameter(
        1.0, "A gripper's measurement older than that is stale, in seconds.",
        at_least=0.1, at_most=10.0,
    )  # fmt: skip
    max_distance: float = parameter(
        0.35,
        "A command further than that from the measured pose is refused, in rad.",
        at_least=0.02,
        at_most=1.0,
    )

    robot_ip: str = parameter("", "Address of the robot's control, for franky.")
    lead_s: float = parameter(
        0.05,
        "How long after a command franky reaches its pose, in seconds.",
        at_least=0.02,
        at_most=0.5,
    )
    dynamics: float = parameter(
        0.5,
        "Share of the arm's speed, acceleration and jerk that franky may use.",
        at_least=0.01,
        at_most=1.0,
    )
    require_realtime_kernel: bool = parameter(
        True, "Whether franky refuses a kernel without PREEMPT_RT."
    )
    hand_speed: float = parameter(
        0.1, "Speed of the Franka Hand through franky, in m/s.", at_least=0.005, at_most=0.2
    )
    hand_force: float = parameter(
        40.0, "Force with which it holds, in N.", at_least=1.0, at_most=70.0
    )

    arm_prefix: str = parameter("fr3", "Prefix of the joints' names in ros2_control.")
    arm_states_topic: str = parameter("franka/joint_states", "Their JointState with the arm.")
    controller: str = parameter("fr3_arm_controller", "The controller to send to.")
    controller_interface: str = parameter(
        "joint_trajectory",
        "What it takes: joint_trajectory, or forward_position, which has no limits of its own.",
        choices=tuple(INTERFACES),
    )
    robot_state_topic: str = parameter(
        "", "Their FrankaRobotState, which says reflexes; empty to do without franka_msgs."
    )

    gripper_joint: str = parameter("fr3_finger_joint1", "The gripper's joint in its JointState.")
    gripper_states_topic: str = parameter(
        "franka_gripper/joint_states", "JointState with the gripper."
    )
    gripper_command: str = parameter(
        "franka_gripper/gripper_action", "Name of the gripper's action, or topic."
    )
    gripper_action_type: str = parameter(
        "GripperCommand", "Its type in control_msgs.", choices=tuple(ACTIONS)
    )
    gripper_open: float = parameter(0.039, "Position of the gripper's joint when open.")
    gripper_closed: float = parameter(0.0, "Position of the gripper's joint when closed.")
    gripper_effort: float = parameter(
        40.0, "Largest effort of a goal, in the gripper's units.", at_least=0.0
    )
    gripper_step: float = parameter(
        0.05, "Share of its range; smaller changes are not sent.", at_least=0.0, at_most=0.5
    )
