"""A Franka as a ROS node, with the topics of every driver of this stack (ros/driver_base.py)."""

from __future__ import annotations

import sys
import time
from functools import partial

from rclpy.action import ActionClient

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import WireScale
from dreamzero_policy.ros.driver_base import DriverNode
from dreamzero_policy.ros.lifecycle import run
from franka_driver import franky_arm, ros_grippers
from franka_driver.arms import ARMS
from franka_driver.franky_hand import FrankyHand
from franka_driver.hardware import Arm, FrankaRobot, Gripper, Margins
from franka_driver.parameters import FrankaDriverParameters
from franka_driver.ros2_control_arm import Ros2ControlArm

_ROUNDS_AHEAD = 2
"""A set-point is due so many rounds later: one round that comes late is no gap."""


class FrankaDriverNode(DriverNode[FrankaDriverParameters]):
    """Builds the robot that the parameters describe."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("franka_driver", FrankaDriverParameters)

    def _connect(self) -> FrankaRobot:
        """Connects arm and gripper.

        Raises:
            ValueError: what is not installed, not reachable, or set wrongly.
        """
        settings = self.settings
        embodiment = embodiments.get(settings.robot)
        self._require_other_topics()
        gripper = self._gripper()
        try:
            arm = self._arm()
        except ValueError:
            gripper.close()
            raise
        margins = Margins(
            settings.command_timeout_s,
            settings.state_max_age_s,
            settings.gripper_max_age_s,
            settings.max_distance,
        )
        model = ARMS[settings.arm]
        return FrankaRobot(embodiment, model, arm, gripper, margins, time.monotonic_ns())

    def _require_other_topics(self) -> None:
        """Refuses to listen to what this node itself says."""
        ours = self.resolve_topic_name("joint_states")
        for name in ("arm_states_topic", "gripper_states_topic"):
            if self.resolve_topic_name(getattr(self.settings, name)) == ours:
                raise ValueError(
                    f"parameter {name}: expected the robot's own topic, got {ours}, on which this "
                    "driver publishes; remap one of the two"
                )

    def _arm(self) -> Arm:
        settings = self.settings
        model = ARMS[settings.arm]
        if settings.connection == "franky":
            robot_ip = self._robot_ip()
            return franky_arm.FrankyArm(
                franky_arm.load(settings.arm),
                model,
                robot_ip,
                lead_s=settings.lead_s,
                dynamics=settings.dynamics,
                realtime=settings.require_realtime_kernel,
            )
        return Ros2ControlArm(
            self,
            model,
            prefix=settings.arm_prefix,
            states_topic=settings.arm_states_topic,
            controller=settings.controller,
            interface=settings.controller_interface,
            robot_state_topic=settings.robot_state_topic,
            lead_s=_ROUNDS_AHEAD / settings.joint_state_hz,
        )

    def _robot_ip(self) -> str:
        if not self.settings.robot_ip:
            raise ValueError("parameter robot_ip: expected the robot's address, got nothing")
        return self.settings.robot_ip

    def _gripper(self) -> Gripper:
        settings = self.settings
        if settings.gripper == "franky":
            franky = franky_arm.load(settings.arm)
            try:
                gripper = franky.Gripper(self._robot_ip())
            except Exception as error:
                raise ValueError(
                    f"could not connect to the Franka Hand at {settings.robot_ip}: {error}"
                ) from error
            return FrankyHand(
                gripper,
                speed=settings.hand_speed,
                force=settings.hand_force,
                step=settings.gripper_step,
                now_ns=time.monotonic_ns,
            )
        if settings.gripper == "topic":
            sender: ros_grippers.Sender = ros_grippers.TopicSender(self, settings.gripper_command)
        else:
            kind = ros_grippers.ACTIONS[settings.gripper_action_type]
            action = ros_grippers.action_type(kind.name)
            goal = partial(kind.goal, action, settings.gripper_joint)
            sender = ros_grippers.ActionSender(
                ActionClient(self, action, settings.gripper_command),
                lambda position: goal(position, settings.gripper_effort),
                settings.gripper_command,
            )
        return ros_grippers.RosGripper(
            self,
            sender,
            joint=settings.gripper_joint,
            states_topic=settings.gripper_states_topic,
            scale=WireScale(zero=settings.gripper_open, one=settings.gripper_closed),
            step=settings.gripper_step,
            now_ns=time.monotonic_ns,
        )


def main() -> None:
    """Runs the driver as a process."""
    sys.exit(run(FrankaDriverNode))
