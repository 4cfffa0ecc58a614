"""A gripper behind ROS: an action of control_msgs, or a controller's topic.

What is relied upon:

- franka_ros2, branch jazzy, ``gripper_action_server.cpp``: ``~/gripper_action`` (GripperCommand)
  takes half of the width; it opens with ``move`` and closes with ``grasp`` at ``max_effort``,
  which fails where the width is not the asked one by 5 mm although it may hold something; more
  than the width that homing found is refused, so "open" is to stay a little below it; a second
  goal runs beside the first, so a first one is cancelled before, which stops the hand.
  ``~/joint_states`` has two fingers at half of the width each, at 15 Hz.
- PickNikRobotics/ros2_robotiq_gripper, ``robotiq_controllers.yaml`` and
  ``2f_85.ros2_control.xacro``: on Jazzy ParallelGripperCommand on
  ``robotiq_gripper_controller/gripper_cmd``, before it GripperCommand; joint
  ``robotiq_85_left_knuckle_joint``, 0 rad open, 0.7929 rad closed.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from rclpy.action import ActionClient
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from dreamzero_policy.embodiments.embodiment import WireScale
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.polled import Polled
from franka_driver.hardware import HardwareFaultError


class ActionKind(NamedTuple):
    """An action and how its goal is made of joint, position and effort."""

    name: str
    goal: Callable[[type, str, float, float], Any]


def _single(action: type, joint: str, position: float, effort: float) -> Any:
    goal = action.Goal()
    goal.command.position, goal.command.max_effort = position, effort
    return goal


def _parallel(action: type, joint: str, position: float, effort: float) -> Any:
    goal = action.Goal()
    goal.command = JointState(name=[joint], position=[position], effort=[effort])
    return goal


ACTIONS = {
    kind.name: kind
    for kind in (
        ActionKind("GripperCommand", _single),
        ActionKind("ParallelGripperCommand", _parallel),
    )
}


def action_type(name: str) -> type:
    """control_msgs/action/``name``.

    Raises:
        ValueError: it is not installed.
    """
    try:
        return getattr(importlib.import_module("control_msgs.action"), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"gripper action needs control_msgs/action/{name} ({error}); run: sudo apt-get install "
            "ros-jazzy-control-msgs"
        ) from error


class Sender(Protocol):
    """Where a gripper's positions go."""

    def send(self, position: float) -> None:
        """Wants a position, in the gripper's units."""

    def step(self) -> None:
        """Once a round. Raises ``HardwareFaultError``."""

    def close(self) -> None:
        """Sends nothing any more."""


class TopicSender:
    """A forward_command_controller with one joint."""

    def __init__(self, node: Node, topic: str) -> None:
        """Advertises."""
        self._publisher = node.create_publisher(Float64MultiArray, topic, 10)

    def send(self, position: float) -> None:
        """Publishes it."""
        self._publisher.publish(Float64MultiArray(data=[position]))

    def step(self) -> None:
        """Nothing: the controller repeats the newest one itself."""

    def close(self) -> None:
        """The node destroys publishers."""


class ActionSender:
    """One goal at a time: one that goes elsewhere is cancelled and has ended before the next."""

    def __init__(
        self, client: ActionClient | Any, goal_of: Callable[[float], Any], name: str
    ) -> None:
        """Takes a client.

        Args:
            client: its futures are done in the executor's thread and looked at in ``step``.
            goal_of: position to goal.
            name: of the action, for messages.
        """
        self._client, self._goal_of, self._name = client, goal_of, name
        self._wanted: float | None = None
        self._sent: float | None = None
        self._asked: Any = None  # future of the goal's handle
        self._result: Any = None  # future of the result
        self._handle: Any = None
        self._cancelled = False

    def send(self, position: float) -> None:
        """Wants a position."""
        self._wanted = position

    def step(self) -> None:
        """Sends, cancels, or waits.

        Raises:
            HardwareFaultError: there is no server, or it rejects a goal.
        """
        if self._asked is not None and self._asked.done():
            self._handle, self._asked = self._asked.result(), None
            if not self._handle.accepted:
                raise HardwareFaultError(f"the action {self._name} rejected {self._sent:.4g}")
            self._result = self._handle.get_result_async()
        if self._result is not None and self._result.done():
            self._handle = self._result = None
        if self._wanted is None or self._wanted == self._sent or self._asked is not None:
            return
        if self._handle is not None:
            if not self._cancelled:
                self._cancelled = True
                self._handle.cancel_goal_async()
            return
        if not self._client.server_is_ready():
            raise HardwareFaultError(f"no server of the action {self._name}")
        self._sent, self._cancelled = self._wanted, False
        self._asked = self._client.send_goal_async(self._goal_of(self._sent))

    def close(self) -> None:
        """Ends the client; a goal under way goes on."""
        self._client.destroy()


class RosGripper:
    """A gripper whose joint some topic says."""

    def __init__(
        self,
        node: Node,
        sender: Sender,
        *,
        joint: str,
        states_topic: str,
        scale: WireScale,
        step: float,
        now_ns: Callable[[], int],
    ) -> None:
        """Subscribes.

        Args:
            node: of the subscription.
            sender: where positions go.
            joint: its name in ``states_topic``.
            states_topic: JointState.
            scale: model units (0 open, 1 closed) to the joint's.
            step: share of the range; smaller changes are not sent, but for the ends.
            now_ns: the clock of ``read``.
        """
        self._sender, self._joint, self._scale, self._step = sender, joint, scale, step
        self._now_ns = now_ns
        self._topic = node.resolve_topic_name(states_topic)
        self._states = Polled(node, JointState, states_topic, qos.STATE_NEWEST)
        self._measured: tuple[float, int] | None = None
        self._wanted: float | None = None

    def read(self) -> tuple[float, int] | None:
        """The newest position and when it came.

        Raises:
            HardwareFaultError: the topic has another joint.
        """
        message = self._states.take()
        if message is not None:
            if self._joint not in message.name or len(message.position) != len(message.name):
                raise HardwareFaultError(
                    f"{self._topic} was to carry {self._joint}; it carries "
                    f"{', '.join(message.name) or 'no joint'}: see the parameters gripper_joint "
                    "and gripper_states_topic"
                )
            wire = message.position[list(message.name).index(self._joint)]
            if math.isfinite(wire):
                closed = min(max(self._scale.to_model(wire), 0.0), 1.0)
                self._measured = (closed, self._now_ns())
        return self._measured

    def make_for(self, closed: float) -> None:
        """Sends a position that differs enough from the last one sent."""
        near = self._wanted is not None and abs(closed - self._wanted) < self._step
        if near and (closed == self._wanted or closed not in (0.0, 1.0)):
            return
        self._wanted = closed
        self._sender.send(self._scale.to_wire(closed))

    def step(self, now_ns: int) -> None:
        """One round of the sender."""
        self._sender.step()

    def recover(self) -> None:
        """Forgets what was wanted."""
        self._wanted = None

    def close(self) -> None:
        """Ends the sender; the node destroys topics."""
        self._sender.close()
