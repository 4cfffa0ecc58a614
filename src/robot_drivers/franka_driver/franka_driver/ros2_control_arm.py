"""The arm through somebody else's ros2_control: joint states in, a controller's topic out.

What is relied upon:

- ros-controls/ros2_controllers, branch jazzy, ``joint_trajectory_controller.cpp``: takes
  JointTrajectory on ``~/joint_trajectory``, a stamp of zero meaning now; a new one replaces the one
  under way; a last point must not carry a velocity; after it the controller holds.
- the same, ``forward_controllers_base.cpp``: as many numbers as interfaces, in their order, on
  ``~/commands``; the newest is sent on every cycle, for ever and without a limit.
- frankarobotics/franka_ros2, branch jazzy: joint states come at 1 kHz on ``franka/joint_states``
  (``franka_bringup/launch/franka.launch.py``); convenience topics are best-effort (CHANGELOG
  v3.3.0), and a best-effort subscription hears both kinds; a reflex stops the hardware component
  (``franka_hardware_interface.cpp`` read), which an operator starts again
  (``franka_hardware/doc/index.rst``).
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from dreamzero_policy.messages.times import duration_message, nanoseconds
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.polled import Polled
from dreamzero_policy.types import NS_PER_S, Float
from franka_driver.arms import ArmModel
from franka_driver.hardware import ArmReading, HardwareFaultError
from franka_driver.setpoints import SetPoints

_LONGEST_STEP_S = 0.05
_LAST_WORDS = 10  # times the pose to hold is said, since a message may be lost

_MODES = ("other", "idle", "move", "guiding", "reflex", "user stopped", "error recovery")
"""By the constants ROBOT_MODE_* of franka_msgs/msg/FrankaRobotState.msg."""
_IDLE, _MOVE = 1, 2

RECOVERY = (
    "ros2 action send_goal /action_server/error_recovery franka_msgs/action/ErrorRecovery {}; "
    "ros2 control set_hardware_component_state FrankaHardwareInterface active; "
    "ros2 control switch_controllers --activate {controller}"
)
"""What franka_hardware/doc/index.rst has an operator do after a reflex."""


def trajectory(names: tuple[str, ...], positions: Float, lead_ns: int) -> JointTrajectory:
    """One point, reached ``lead_ns`` from now; without a velocity, which the last may not have."""
    point = JointTrajectoryPoint(
        positions=positions.tolist(), time_from_start=duration_message(lead_ns)
    )
    return JointTrajectory(joint_names=list(names), points=[point])


def forward(names: tuple[str, ...], positions: Float, lead_ns: int) -> Float64MultiArray:
    """The positions alone, in the order that the controller's parameter ``joints`` must have."""
    return Float64MultiArray(data=positions.tolist())


INTERFACES: dict[str, tuple[str, type, Callable[..., Any]]] = {
    "joint_trajectory": ("joint_trajectory", JointTrajectory, trajectory),
    "forward_position": ("commands", Float64MultiArray, forward),
}
"""Kind of controller to the end of its topic, its type, and what makes the message."""


def positions_of(message: JointState, names: tuple[str, ...], topic: str) -> tuple[Float, Float]:
    """Positions and velocities of ``names``, by name; what else is there is left alone.

    Raises:
        HardwareFaultError: a joint is missing or its position is no number.
    """
    index = {name: place for place, name in enumerate(message.name)}
    missing = [name for name in names if name not in index]
    if missing or len(message.position) != len(message.name):
        raise HardwareFaultError(
            f"{topic} was to carry a position of each of {', '.join(names)}; it carries "
            f"{', '.join(message.name) or 'no joint'} with {len(message.position)} positions: see "
            "the parameters arm_prefix and arm_states_topic"
        )
    places = [index[name] for name in names]
    positions = np.array(message.position)[places]
    if not np.isfinite(positions).all():
        raise HardwareFaultError(f"{topic} says {positions.tolist()}, expected finite positions")
    if len(message.velocity) != len(message.name):
        return positions, np.zeros(len(names))
    return positions, np.nan_to_num(np.array(message.velocity)[places])


def trouble_of(message: Any) -> str:
    """Why a FrankaRobotState says that the arm has stopped itself; empty where it has not."""
    if message.robot_mode in (_IDLE, _MOVE):
        return ""
    errors = message.current_errors
    raised = [name for name in errors.get_fields_and_field_types() if getattr(errors, name)]
    mode = _MODES[message.robot_mode] if message.robot_mode < len(_MODES) else message.robot_mode
    return f"the robot is in mode {mode}: {', '.join(raised) or 'no error is named'}"


def robot_state_type() -> type:
    """franka_msgs/msg/FrankaRobotState.

    Raises:
        ValueError: it is not installed.
    """
    try:
        return importlib.import_module("franka_msgs.msg").FrankaRobotState
    except ImportError as error:
        raise ValueError(
            f"parameter robot_state_topic needs the package franka_msgs ({error}): source the "
            "workspace that franka_ros2 (branch jazzy) was built in, or leave the parameter empty"
        ) from error


class Ros2ControlArm:
    """Seven joints behind a controller of ros2_control."""

    def __init__(
        self,
        node: Node,
        model: ArmModel,
        *,
        prefix: str,
        states_topic: str,
        controller: str,
        interface: str,
        robot_state_topic: str,
        lead_s: float,
    ) -> None:
        """Subscribes and advertises.

        Args:
            node: whose executor runs; ``read`` and ``step`` come from one thread.
            model: which arm it is.
            prefix: of the joints' names there, as in ``fr3_joint1``.
            states_topic: their JointState.
            controller: its name, maybe with a namespace.
            interface: a key of ``INTERFACES``.
            robot_state_topic: their FrankaRobotState; empty to do without.
            lead_s: how long a trajectory's point takes.

        Raises:
            ValueError: franka_msgs is needed and not there.
        """
        end, kind, self._message = INTERFACES[interface]
        self._velocity, self._controller = np.array(model.velocity), controller
        self._names = tuple(f"{prefix}_joint{number}" for number in range(1, 8))
        self._lead_ns = round(lead_s * NS_PER_S)
        self._topic = node.resolve_topic_name(states_topic)
        self._states = Polled(node, JointState, states_topic, qos.STATE_NEWEST)
        self._robot_states = (
            Polled(node, robot_state_type(), robot_state_topic, qos.STATE_NEWEST)
            if robot_state_topic
            else None
        )
        self._commands = node.create_publisher(kind, f"{controller}/{end}", 10)
        self._stamp_ns = -1
        self._trouble = ""
        self._measured: Float | None = None
        self._points: SetPoints | None = None
        self._words_left = math.inf
        self._stepped_ns: int | None = None

    def read(self, ros_ns: int) -> ArmReading | None:
        """The newest joint state, where there is one since the last call."""
        if self._robot_states is not None and (said := self._robot_states.take()) is not None:
            self._trouble = trouble_of(said)
        message = self._states.take()
        if message is None:
            return None
        stamp_ns = nanoseconds(message.header.stamp) or ros_ns
        if stamp_ns <= self._stamp_ns:
            return None
        positions, velocities = positions_of(message, self._names, self._topic)
        self._stamp_ns, self._measured = stamp_ns, positions
        return ArmReading(stamp_ns, positions, velocities, self._trouble)

    def make_for(self, positions: Float, now_ns: int) -> None:
        """Begins to move the set-point, from the measured pose after a rest."""
        if not self._commands.get_subscription_count():
            raise HardwareFaultError(
                f"nobody listens on {self._commands.topic_name}: is the controller "
                f"{self._controller} loaded and active?"
            )
        if self._points is None:
            self._points, self._stepped_ns = SetPoints(self._velocity, self._measured), now_ns
        self._words_left = math.inf
        self._points.follow(positions)

    def halt(self, positions: Float) -> None:
        """Leads the set-point to the measured pose and then falls silent: the controller holds."""
        if self._points is not None:
            self._points.follow(positions)
            self._words_left = _LAST_WORDS

    def step(self, now_ns: int) -> None:
        """Sends the next set-point."""
        points = self._points
        if points is None:
            return
        passed_s = (now_ns - (self._stepped_ns or now_ns)) / NS_PER_S
        self._stepped_ns = now_ns
        goal = points.step(min(passed_s, _LONGEST_STEP_S))
        self._commands.publish(self._message(self._names, goal, self._lead_ns))
        if points.resting:
            self._words_left -= 1
            if self._words_left <= 0:
                self._points = None

    def let_go(self) -> str:
        """Sends nothing; their controller still holds."""
        self._points = None
        return (
            f"nothing is sent to {self._controller}, which holds the arm; to move it by hand: "
            f"ros2 control switch_controllers --deactivate {self._controller}"
        )

    def recover(self) -> None:
        """Forgets what was wanted. The robot itself is recovered with the tools of franka_ros2.

        Raises:
            ValueError: the robot still says that it has stopped itself.
        """
        self._points = None
        if self._trouble:
            raise ValueError(
                f"{self._trouble}; first: {RECOVERY.replace('{controller}', self._controller)}"
            )

    def close(self) -> None:
        """Their controller holds; the node destroys topics."""
        self._points = None
