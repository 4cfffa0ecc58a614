"""A stand-in for the human in simulation: slow sweeps around home, the gripper now and then.

It commands the simulated robot as a teleoperation system of its own would, on ``joint_commands``.
"""

from __future__ import annotations

import math

import numpy as np
from dreamzero_msgs import msg as dz
from rclpy.node import Node
from sensor_msgs.msg import JointState

from dreamzero_policy.embodiments.embodiment import Embodiment, Joint
from dreamzero_policy.messages.joints import command_message
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S, Float

RATE_HZ = 30.0
_REACH, _SLOWEST_S = 0.15, 9.0
_BEGIN_S = 3.0
_GRIP_S = 4.0


def sweep(embodiment: Embodiment, seconds: float) -> Float:
    """Where the stand-in wants the joints.

    Args:
        embodiment: of the robot.
        seconds: since it began; it starts at home, at rest.

    Returns:
        [A] model units: at most 0.15 (rad or m) or a tenth of the range from home; grippers go the
        whole way at their speed; bases stand.
    """
    pose = np.array(embodiment.home, dtype=np.float64)
    ease = min(seconds / _BEGIN_S, 1.0)
    ease = ease**3 * (10.0 - 15.0 * ease + 6.0 * ease**2)
    for column, joint in enumerate(embodiment.joints):
        if joint.kind == "base":
            continue
        if joint.kind == "gripper":
            pose[column] = _grip(joint, embodiment.home[column], seconds)
            continue
        period = _SLOWEST_S * (1.0 - 0.04 * (column % 8))
        reach = min(_REACH, 0.1 * (joint.upper - joint.lower))
        swing = reach * ease * math.sin(2.0 * math.pi * seconds / period)
        pose[column] = min(max(pose[column] + swing, joint.lower), joint.upper)
    return pose


def _grip(joint: Joint, home: float, seconds: float) -> float:
    """Where a gripper is that goes from end to end every few seconds, at half its speed."""
    turn, rest = divmod(seconds, _GRIP_S)
    far, near = (joint.upper, joint.lower) if home <= joint.lower else (joint.lower, joint.upper)
    goals = (home, far) if turn <= 1 else (near, far)
    start, goal = (home, home) if turn < 1 else goals if turn % 2 else goals[::-1]
    step = 0.5 * joint.velocity * rest
    return min(max(goal, start - step), start + step)


class StandIn:
    """Publishes the sweep once the driver has said who it is."""

    def __init__(self, node: Node, embodiment: Embodiment) -> None:
        self._node, self._embodiment = node, embodiment
        self._began_ns: int | None = None
        self._session = 0
        self._commands = node.create_publisher(JointState, "joint_commands", qos.COMMAND)
        node.create_subscription(dz.DriverStatus, "driver_status", self._on_driver, qos.STATUS)
        node.create_timer(1.0 / RATE_HZ, self._move)

    def _on_driver(self, message: dz.DriverStatus) -> None:
        self._session = message.session_id

    def _move(self) -> None:
        if not self._session:  # the driver has not spoken
            return
        now_ns = self._node.get_clock().now().nanoseconds
        self._began_ns = self._began_ns or now_ns
        pose = sweep(self._embodiment, (now_ns - self._began_ns) / NS_PER_S)
        self._commands.publish(command_message(self._embodiment, now_ns, pose, self._session))
