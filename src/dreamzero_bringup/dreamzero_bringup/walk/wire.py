"""The walk's end of the topics: a human's stream of targets out, everything that is watched in."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from dreamzero_msgs import msg as dz
from geometry_msgs.msg import Twist
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, JointState

from dreamzero_bringup.facts.expected import Expected
from dreamzero_bringup.walk import views
from dreamzero_policy.messages.joints import (
    base_message,
    command_message,
    proprioception_from_message,
    targets_from_message,
)
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.observation.images import rgb
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S, Float

RATE_HZ = 50.0
"""Targets per second."""

_COMMANDS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
_KEPT_S = 60.0
_SILENT_S = 1.0


class Wire:
    """Subscriptions, and the stream of targets. The node is spun elsewhere.

    Args:
        node: of the walk.
        expected: robot and topics.

    Attributes:
        controller, driver, policy: their newest status, None before the first.
    """

    def __init__(self, node: Node, expected: Expected) -> None:
        self._node, self._robot, self._expected = node, expected.robot, expected
        self._lock = threading.Lock()
        self.controller: dz.ControllerStatus | None = None
        self.driver: dz.DriverStatus | None = None
        self.policy: dz.PolicyStatus | None = None
        self._heard = dict.fromkeys(("controller", "state"), 0.0)
        self._states: deque[tuple[float, Float]] = deque()
        self._sent: deque[tuple[float, Float]] = deque()
        self._images: dict[str, Image | CompressedImage] = {}
        self._stream: _Stream | None = None
        topic, listen = expected.topic, node.create_subscription
        listen(dz.Proprioception, topic("proprioception"), self._take_state, qos.STATE_INPUT)
        listen(JointState, topic("joint_commands"), self._take_command, _COMMANDS)
        listen(dz.ControllerStatus, topic("controller_status"), self._take_controller, qos.STATUS)
        listen(dz.DriverStatus, topic("driver_status"), self._take("driver"), qos.STATUS)
        listen(dz.PolicyStatus, topic("policy_status"), self._take("policy"), qos.STATUS)
        self._targets = node.create_publisher(
            JointState, topic("teleop/joint_commands"), qos.TARGETS
        )
        self._velocities = None
        if any(joint.kind == "base" for joint in self._robot.joints):
            self._velocities = node.create_publisher(
                Twist, topic("teleop/base_command"), qos.TARGETS
            )
        self._cameras: list = []

    # What comes in

    def _take(self, name: str) -> Callable[[object], None]:
        return lambda message: setattr(self, name, message)

    def _take_controller(self, message: dz.ControllerStatus) -> None:
        self.controller = message
        self._heard["controller"] = time.monotonic()

    def _take_state(self, message: dz.Proprioception) -> None:
        try:
            state = proprioception_from_message(message)
        except ValueError:
            return
        if state.names == self._robot.state_joints:
            self._keep(self._states, state.stamp_ns / NS_PER_S, state.positions)
            self._heard["state"] = time.monotonic()

    def _take_command(self, message: JointState) -> None:
        try:
            targets = targets_from_message(self._robot, message)
        except ValueError:
            return
        values = dict(zip(targets.names, targets.positions.tolist(), strict=True))
        if set(values) >= set(self._robot.state_joints):
            row = np.array([values[name] for name in self._robot.state_joints])
            self._keep(self._sent, nanoseconds(message.header.stamp) / NS_PER_S, row)

    def _keep(self, rows: deque, at: float, values: Float) -> None:
        with self._lock:
            rows.append((at, values))
            while rows[0][0] < at - _KEPT_S:
                rows.popleft()

    def look(self, names: tuple[str, ...]) -> None:
        """Begins to look at views; cameras are drawn or sent only for those who look."""
        for view in names:
            kind = CompressedImage if view in self._expected.compressed else Image
            topic = self._expected.topic(self._expected.camera(view))
            self._cameras.append(
                self._node.create_subscription(kind, topic, self._camera(view), qos.CAMERA)
            )

    def _camera(self, view: str) -> Callable[[Image | CompressedImage], None]:
        """Keeps the newest image as it came: what takes time is done where it is wanted."""
        return lambda message: self._images.__setitem__(view, message)

    # What is asked

    def now(self) -> float:
        """ROS time [s]."""
        return self._node.get_clock().now().nanoseconds / NS_PER_S

    def pictures(self, since: float) -> dict[str, Float]:
        """The newest picture of every view that was taken after an instant, made small."""
        found = {}
        for view, message in list(self._images.items()):
            if nanoseconds(message.header.stamp) / NS_PER_S >= since:
                with suppress(ValueError):  # of no known encoding: the examination says so
                    found[view] = views.small(rgb(message, view))
        return found

    def pose(self) -> Float | None:
        """[S] the newest measured pose; None while there is none, or an old one."""
        with self._lock:
            if not self._states or time.monotonic() - self._heard["state"] > _SILENT_S:
                return None
            return self._states[-1][1]

    def states(self, since: float) -> tuple[Float, Float]:
        """[N] instants and [N, S] measured poses."""
        return self._rows(self._states, since)

    def commands(self, since: float) -> tuple[Float, Float]:
        """[M] instants and [M, S] commands of the controller."""
        return self._rows(self._sent, since)

    def _rows(self, rows: deque, since: float) -> tuple[Float, Float]:
        with self._lock:
            kept = [(at, values) for at, values in rows if at >= since]
        width = len(self._robot.state_joints)
        at = np.array([at for at, _ in kept], dtype=np.float64)
        values = np.array([values for _, values in kept], dtype=np.float64)
        return at, values.reshape(len(kept), width)

    def silent(self) -> tuple[str, str] | None:
        """Who has stopped speaking: name of the fault and a sentence."""
        now = time.monotonic()
        for name, who in (("controller", "the controller"), ("state", "proprioception")):
            if now - self._heard[name] > _SILENT_S:
                return f"{name}_silent", f"nothing from {who} for {_SILENT_S:g} s"
        return None

    def rivals(self) -> str:
        """Who else may publish a human's targets; empty for nobody."""
        topic = self._targets.topic_name
        others = [
            info.node_name
            for info in self._node.get_publishers_info_by_topic(topic)
            if info.node_name != self._node.get_name()
        ]
        return ", ".join(sorted(others))

    # What goes out

    def lead(self, target: Callable[[float], Float], until: float) -> None:
        """Begins to stream targets.

        Args:
            target: [A] model units at a ROS time [s]; base columns are velocities.
            until: the stream ends by itself at that time, whatever becomes of the caller.
        """
        self.leave()
        self._stream = _Stream(lambda: self._publish(target), lambda: self.now() > until)

    def leave(self) -> None:
        """Ends the stream."""
        if self._stream is not None:
            self._stream.end()
            self._stream = None

    def _publish(self, target: Callable[[float], Float]) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        pose = target(now_ns / NS_PER_S)
        self._targets.publish(command_message(self._robot, now_ns, pose))
        if self._velocities is not None:
            self._velocities.publish(base_message(self._robot, pose))


class _Stream:
    """A thread that publishes at a steady rate until it is ended or is over."""

    def __init__(self, publish: Callable[[], None], over: Callable[[], bool]) -> None:
        self._publish, self._over, self._ended = publish, over, threading.Event()
        self._thread = threading.Thread(target=self._run, name="targets", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set() and not self._over():
            self._publish()
            due = max(due + 1.0 / RATE_HZ, time.monotonic())
            self._ended.wait(max(0.0, due - time.monotonic()))
