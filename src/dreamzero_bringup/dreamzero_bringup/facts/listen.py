"""Listens to a robot for a few seconds; publishes nothing and calls nothing that acts."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray
from dreamzero_msgs import msg as dz
from lifecycle_msgs.srv import GetState
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, JointState

from dreamzero_bringup.facts.endpoints import Endpoints
from dreamzero_bringup.facts.expected import Expected
from dreamzero_bringup.facts.heard import Heard, HeardCamera, HeardDriver, joints
from dreamzero_bringup.facts.live_facts import (
    OURS,
    ControllerSaid,
    Diagnosis,
    Driver,
    Live,
    Mismatch,
    PolicySaid,
    Stream,
)
from dreamzero_bringup.operator_client import result_of, spinning
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S

DRIVERS = ("sim_driver", "driver")
"""Names that a graph gives its driver."""

_EARS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)  # matches every publisher
_ANSWER_S = 3.0
_LEVELS = {b"\x00": "OK", b"\x01": "WARN", b"\x02": "ERROR", b"\x03": "STALE"}
_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_JOINTS = ("sensor_msgs/msg/JointState",)


def listen(
    domain_id: int,
    expected: Expected,
    seconds: float,
    patience_s: float = 3.0,
    ended: Callable[[], bool] = lambda: False,
) -> Live:
    """Listens on a domain.

    Args:
        domain_id: where.
        expected: which topics are the robot's.
        seconds: how long, once everything expected has spoken.
        patience_s: how long that is waited for.
        ended: asked while listening: whether nothing can come any more.
    """
    with spinning(f"dreamzero_doctor_{os.getpid()}", domain_id) as node:
        ears = _Ears(node, expected)
        _rest(patience_s, lambda: ears.complete() or ended())
        ears.forget()
        if ears.anything():
            _rest(seconds, ended)
        return ears.live(domain_id, seconds)


def _rest(seconds: float, enough: Callable[[], bool]) -> None:
    """Waits in short naps: Ctrl-C may reach another thread and is then seen only after one."""
    deadline = time.monotonic() + seconds
    while not enough() and time.monotonic() < deadline:
        time.sleep(0.05)


class _Ears:
    """Subscriptions to everything that is judged."""

    def __init__(self, node: Node, expected: Expected) -> None:
        self._node, self._expected = node, expected
        self._endpoints = Endpoints(node)
        views = [view.name for view in expected.robot.views]
        self._cameras = {
            view: self._listen(
                CompressedImage if view in expected.compressed else Image,
                expected.camera(view),
                HeardCamera(self._now_ns),
            )
            for view in views
        }
        self._joints = {source: self._listen(JointState, source) for source in expected.sources}
        self._driver = HeardDriver(self._now_ns)
        self._listen(dz.DriverStatus, "driver_status", self._driver)
        self._canvas = self._listen(dz.Canvas, "canvas", profile=qos.CANVAS)
        self._state = self._listen(dz.Proprioception, "proprioception")
        self._controller = self._listen(dz.ControllerStatus, "controller_status")
        self._policy = self._listen(dz.PolicyStatus, "policy_status")
        self._diagnoses: dict[str, Diagnosis] = {}
        node.create_subscription(DiagnosticArray, "/diagnostics", self._take_diagnoses, _EARS)

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _listen(
        self, kind: type, ours: str, heard: Heard | None = None, profile: QoSProfile = _EARS
    ) -> Heard:
        heard = heard or Heard(self._now_ns)
        self._node.create_subscription(kind, self._expected.topic(ours), heard.take, profile)
        return heard

    def _take_diagnoses(self, message: DiagnosticArray) -> None:
        for status in message.status:
            level = _LEVELS.get(bytes(status.level), "ERROR")
            self._diagnoses[status.name] = Diagnosis(level, status.name, status.message)

    def complete(self) -> bool:
        """Whether every topic of the robot has spoken."""
        heard = (*self._cameras.values(), *self._joints.values())
        return all(one.newest is not None for one in heard)

    def forget(self) -> None:
        """Begins to count."""
        heard = (*self._cameras.values(), *self._joints.values(), self._driver, self._canvas)
        for one in (*heard, self._state):
            one.forget()

    def anything(self) -> bool:
        """Whether there is a robot or a node of ours."""
        topics = [self._expected.camera(view) for view in self._cameras]
        topics += [*self._joints, "driver_status"]
        known = {*OURS, *DRIVERS} & {name.rpartition("/")[2] for name in self._nodes()}
        return bool(known) or any(
            self._endpoints.publishers(self._expected.topic(topic)) for topic in topics
        )

    def live(self, domain_id: int, seconds: float) -> Live:
        """What was heard."""
        images, states = self._unread(_IMAGES), self._unread(_JOINTS)
        return Live(
            domain_id,
            seconds,
            nodes=tuple(sorted(self._nodes().elements())),
            states=self._lifecycle(),
            cameras={
                view: heard.camera(self._stream(self._expected.camera(view), heard), images)
                for view, heard in self._cameras.items()
            },
            joints={
                source: joints(heard, self._stream(source, heard), states)
                for source, heard in self._joints.items()
            },
            driver=self._driver_said(),
            commands={topic: self._stream(topic, None) for topic in self._expected.commands},
            canvas=self._stream("canvas", self._canvas),
            proprioception=self._stream("proprioception", self._state),
            controller=_controller_said(self._controller.newest),
            policy=_policy_said(self._policy.newest),
            mismatches=tuple(self._mismatches()),
            diagnoses=tuple(self._diagnoses.values()),
        )

    def _stream(self, ours: str, heard: Heard | None) -> Stream:
        topic, ends = self._expected.topic(ours), self._endpoints
        known = {
            "types": ends.types(topic),
            "publishers": ends.publishers(topic),
            "subscribers": ends.subscribers(topic),
            "hosts": ends.hosts(topic),
        }
        return heard.stream(topic, **known) if heard else Stream(topic, **known)

    def _driver_said(self) -> Driver:
        stream, message = self._stream("driver_status", self._driver), self._driver.newest
        if message is None:
            return Driver(stream)
        return Driver(
            stream,
            tuple(self._driver.sessions),
            _constant(dz.DriverStatus, message.mode),
            message.message,
            message.commands_refused,
            message.last_refusal,
        )

    def _nodes(self) -> Counter[str]:
        """How many nodes there are of every full name; the doctor's is left out."""
        pairs = self._node.get_node_names_and_namespaces()
        own = (self._node.get_name(), self._node.get_namespace())
        return Counter(
            f"{space.rstrip('/')}/{name}" for name, space in pairs if (name, space) != own
        )

    def _lifecycle(self) -> dict[str, str]:
        """Lifecycle state of every node of ours that is there; '' where it does not answer."""
        names = [n for n in self._nodes() if n.rpartition("/")[2] in (*OURS, *DRIVERS)]
        clients = {name: self._node.create_client(GetState, f"{name}/get_state") for name in names}
        deadline = time.monotonic() + _ANSWER_S
        while time.monotonic() < deadline and not all(
            client.service_is_ready() for client in clients.values()
        ):
            time.sleep(0.02)
        asked = {
            name: client.call_async(GetState.Request())
            for name, client in clients.items()
            if client.service_is_ready()
        }
        states = dict.fromkeys(names, "")
        for name, future in asked.items():
            try:
                answer = result_of(future, _ANSWER_S, f"state of {name}")
            except ValueError:
                continue
            states[name] = answer.current_state.label
        return states

    def _unread(self, types: tuple[str, ...]) -> tuple[str, ...]:
        """Topics of some types that somebody publishes and that are none of ours."""
        ours = {self._expected.topic(self._expected.camera(view)) for view in self._cameras}
        ours |= {self._expected.topic(source) for source in self._joints}
        ours |= {
            self._expected.topic(topic)
            for topic in ("canvas/image", "predicted_canvas", "joint_commands", "planned_commands")
        }
        return tuple(
            sorted(
                topic
                for topic, kinds in self._node.get_topic_names_and_types()
                if set(kinds) & set(types)
                and topic not in ours
                and self._endpoints.publishers(topic)
            )
        )

    def _mismatches(self) -> list[Mismatch]:
        found: list[Mismatch] = []
        for topic, (readers, writers) in self._profiles().items():
            found += self._endpoints.mismatches(self._expected.topic(topic), readers, writers)
        return found

    def _profiles(self) -> dict[str, tuple[Mapping[str, QoSProfile], Mapping[str, QoSProfile]]]:
        """By topic of ours, with which profiles which nodes of ours subscribe and publish."""
        inner = ("canvas", "proprioception", "action_chunk", "controller_status", "policy_status")
        return {
            **{
                self._expected.camera(view): ({"camera_tiler": qos.CAMERA}, {})
                for view in self._cameras
            },
            **{source: ({"proprioception": qos.STATE_INPUT}, {}) for source in self._joints},
            "driver_status": ({"controller": qos.STATUS}, {}),
            **{topic: ({}, {"controller": qos.COMMAND}) for topic in self._expected.commands},
            "teleop/joint_commands": ({}, {}),
            **{topic: ({}, {}) for topic in inner},
        }


def _constant(kind: type, value: int) -> str:
    """Name of a message's constant."""
    capitals = [name for name in dir(kind) if name.isupper()]  # SLOT_TYPES is one as well
    return next((name for name in capitals if getattr(kind, name) == value), str(value))


def _controller_said(message: dz.ControllerStatus | None) -> ControllerSaid | None:
    if message is None:
        return None
    return ControllerSaid(
        mode=_constant(dz.ControllerStatus, message.mode),
        hold_reason=message.hold_reason,
        message=message.message,
        estopped=message.estopped,
        last_refusal=message.last_refusal,
        period_mean_s=message.period_mean,
        period_worst_s=message.period_worst,
        overruns=message.overruns,
    )


def _policy_said(message: dz.PolicyStatus | None) -> PolicySaid | None:
    if message is None:
        return None
    return PolicySaid(
        state=_constant(dz.PolicyStatus, message.state),
        message=message.message,
        weights=message.weights,
        untrained=message.untrained,
        latency_s=nanoseconds(message.latency) / NS_PER_S,
    )
