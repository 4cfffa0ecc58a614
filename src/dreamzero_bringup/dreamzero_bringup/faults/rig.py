"""The graph under test: brought into motion, asked, stopped; the same for every fault.

Between two faults only those nodes are started that a fault killed or that the next layout has
differently.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from dreamzero_msgs import msg as dz
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from dreamzero_bringup.console import log_files
from dreamzero_bringup.faults.commands import speeds
from dreamzero_bringup.faults.layouts import REAL, Layout, layout, orderly
from dreamzero_bringup.faults.nodes import Nodes
from dreamzero_bringup.faults.probe import Probe, hurry
from dreamzero_bringup.graph.graph import build
from dreamzero_bringup.graph.node_spec import setting
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.operator_client import Answer, OperatorClient, spinning
from dreamzero_bringup.stand_ins.double import ORDERS
from dreamzero_bringup.stand_ins.scripted_policy import SPEED
from dreamzero_bringup.stand_ins.small_disk import SmallDisk
from dreamzero_policy import embodiments
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.messages.times import nanoseconds, time_message
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S

_UP_S, _READY_S, _MOVING_S = 40.0, 90.0, 15.0
_STEADY, _STEADY_COMMANDS = 0.15, 8


class Rig:
    """A graph and what its driver's end hears.

    Use as a context manager, from the main thread.

    Args:
        robot: name of the embodiment.
        sink: takes a node's name and a line of its output.
        domain_id: None for the environment's, or a free one.
        disk: that the nodes log to; None where there is none.

    Attributes:
        nodes, probe, operator: processes, listener, and the operator's services.
        enabled_ns: when motion was enabled [ns, system clock].
        realtime: whether the listener was given real-time priority.
        cruise: speed of the commands when motion was last steady, per s.
    """

    def __init__(
        self,
        robot: str,
        sink: Callable[[str, str], None],
        domain_id: int | None = None,
        disk: SmallDisk | None = None,
    ) -> None:
        self.embodiment = embodiments.get(robot)
        self._specs = {spec.name: spec for spec in build(Options(robot, sim=True))}
        self.rate_hz = float(self.setting("controller", "rate_hz"))
        self.period_s = 1.0 / self.rate_hz
        limits = Limits.of(self.embodiment)
        if limits.base.any():
            raise ValueError(f"the fault suite knows no base yet, and {robot} has one")
        self.limits = limits
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self.disk = disk
        self.nodes = Nodes(*_logging(sink, disk, [*self._specs]), domain_id)
        self.enabled_ns: list[int] = []
        self.cruise = 0.0
        self.realtime = False
        self._layout: Layout | None = None
        self._stack = ExitStack()
        self._orders: dict[str, Any] = {}
        self._instructed = 0
        self.stranger: Any = None

    def __enter__(self) -> Rig:
        """Starts to listen; no node runs yet."""
        with ExitStack() as stack:
            stack.callback(self.nodes.close)
            self._node = stack.enter_context(spinning("fault_probe", self.nodes.domain_id))
            self.probe = Probe(self._node, self.embodiment)
            self.operator = OperatorClient(self._node)
            self.realtime = hurry()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every node."""
        self._stack.close()

    def setting(self, node: str, parameter: str) -> Any:  # a parameter's value
        """What a node of the graph finds for a parameter."""
        value = setting(self._specs[node], parameter)
        if value is None and node == "controller":
            value = getattr(ControllerSettings, parameter)
        if value is None:
            raise ValueError(f"{node} has no parameter {parameter!r} in its file")
        return value

    # The graph

    def bring_up(self, name: Layout) -> None:
        """Makes the nodes of a layout run and waits until all of them have spoken.

        Raises:
            ValueError: one of them does not.
        """
        fresh = self.nodes.ensure(layout(name, self._specs, self.embodiment.name, self.disk))
        self._layout = name
        now = time.time_ns()
        for node in orderly(name):
            if node in fresh:
                self._wait_for_listener(f"{node}/order")
        if (began := fresh.get("sim_driver")) is not None:
            self._hear("driver_status", lambda m: m.session_id >= began, _UP_S, began)
            now = time.time_ns()
        self._hear("joint_states", lambda _: True, _UP_S, now)
        self._hear("controller_status", self._knows_driver, _UP_S, now)
        if name in REAL:
            ready = (dz.PolicyStatus.IDLE, dz.PolicyStatus.RUNNING, dz.PolicyStatus.WAITING)
            since = fresh.get("policy", 0)
            self._hear("policy_status", lambda m: m.state in ready, _READY_S, since)

    def _hear(
        self, topic: str, wanted: Callable[[Any], bool], patience_s: float, since_ns: int
    ) -> None:
        """Waits for a message, but not for one that a dead node will never send."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                self.probe.until(topic, wanted, 1.0, since_ns)
                return
            except ValueError as error:
                died = [
                    f"{name}: {' / '.join(self.nodes.said(name)[-2:])}"
                    for name in self.nodes.died()
                ]
                if died:
                    raise ValueError(f"nodes ended: {'; '.join(died)}") from error
                if time.monotonic() > deadline:
                    raise

    def _knows_driver(self, status: dz.ControllerStatus) -> bool:
        """Whether a controller hears the driver and what it measures."""
        ages = nanoseconds(status.driver_age), nanoseconds(status.state_age)
        return all(0 < age < NS_PER_S // 2 for age in ages)

    def order(self, node: str, **order: Any) -> int:  # JSON
        """Tells a stand-in what to do; when that was [ns, system clock]."""
        self._wait_for_listener(f"{node}/order")
        now = time.time_ns()
        self._orders[node].publish(String(data=json.dumps(order)))
        return now

    def _wait_for_listener(self, topic: str) -> None:
        name = topic.partition("/")[0]
        if name not in self._orders:
            self._orders[name] = self._node.create_publisher(String, topic, ORDERS)
        self._poll(
            lambda: self._orders[name].get_subscription_count() == 1,
            _UP_S,
            f"{name} to take orders",
        )

    def _poll(self, done: Callable[[], bool], patience_s: float, what: str) -> None:
        deadline = time.monotonic() + patience_s
        while not done():
            if time.monotonic() > deadline:
                raise ValueError(f"expected {what} within {patience_s:g} s")
            time.sleep(0.01)

    # Motion

    def begin(self, name: Layout) -> None:
        """From whatever state the graph is in to steady motion of an enabled robot.

        Raises:
            ValueError: it does not come to that.
        """
        self.bring_up(name)
        # A node that was killed is counted by the others until the middleware misses it.
        self.seen_publishers(1)
        if name == "far":
            self.order("lossy_link", loss=0.0, delay_s=0.0)
        if name == "relayed":
            self.order("sensor_relay")
        self.ask("disable")
        if self.status().mode == dz.ControllerStatus.ESTOPPED:
            self.ask("reset-estop")
        if name in REAL:
            self.instruct()
        else:
            self.order("policy", mode="stand")
        self.enable()
        active = dz.ControllerStatus.ACTIVE
        self.probe.until(
            "controller_status", lambda m: m.mode == active, _MOVING_S, self.enabled_ns[-1]
        )
        if name not in REAL:
            self.instruct()
        self.wait_until_steady()

    def instruct(self) -> None:
        """Makes the policy send good chunks, the way with more room."""
        if self._layout in REAL:
            if self._instructed != self.nodes.pid("policy"):
                self.operator.start("pick up the red block")
                self._instructed = self.nodes.pid("policy")
            return
        states = self.probe.last("joint_states")
        turn = dict(zip(states.name, states.position, strict=True))[self.limits.names[0]]
        self.order("policy", mode="good", direction=-1 if turn > 0 else 1)

    def enable(self) -> None:
        """Enables motion, as often as an operator would try.

        Raises:
            ValueError: the controller refuses for too long.
        """
        deadline = time.monotonic() + _MOVING_S
        while True:
            self.enabled_ns.append(time.time_ns())
            answer = self.ask("enable")
            if answer.success:
                return
            self.enabled_ns.pop()
            if time.monotonic() > deadline:
                raise ValueError(f"enable: {answer.message}")
            time.sleep(0.1)

    def wait_until_steady(self) -> None:
        """Waits for commands of a steady speed; with the untrained policy, of any.

        Raises:
            ValueError: they do not come.
        """
        began = self.enabled_ns[-1]

        def steady() -> bool:
            recent = self.probe.commands[-_STEADY_COMMANDS - 1 :]
            recent = [command for command in recent if command.received_ns > began]
            if len(recent) <= _STEADY_COMMANDS:
                return False
            speed = speeds(recent, self.period_s)[1:]
            self.cruise = float(np.median(speed))
            if self._layout in REAL:
                return bool(np.all(speed > 1e-3))
            return bool(np.all(np.abs(speed - SPEED) < _STEADY * SPEED))

        try:
            self.probe.wait(steady, _MOVING_S, "commands that move steadily")
        except ValueError as error:
            status = self.status()
            raise ValueError(
                f"{error}; the controller says {status.mode} {status.hold_reason}: "
                f"{status.message}; last refusal: {status.last_refusal}"
            ) from error

    @property
    def steady(self) -> bool:
        """Whether commands keep one speed before a fault; the untrained policy's do not."""
        return self._layout not in REAL

    # What is asked and heard

    def ask(self, command: str, patience_s: float = 5.0) -> Answer:
        """What the controller answers an operator; a controller that is gone answers no."""
        try:
            return self.operator.motion(command, patience_s)
        except ValueError as error:
            return Answer(False, f"no answer: {error}")

    def status(self) -> dz.ControllerStatus:
        """The controller's newest report."""
        status = self.probe.last("controller_status")
        if status is None:
            raise ValueError("the controller has not reported yet")
        return status

    def holds(self, since_ns: int, until_ns: int | None = None) -> list[tuple[int, str]]:
        """When the controller said that it does not follow, and the reason it gave."""
        return [
            (received, status.hold_reason)
            for received, status in self.probe.since("controller_status", since_ns, until_ns)
            if status.mode != dz.ControllerStatus.ACTIVE
        ]

    def transitions(self, since_ns: int) -> list[str]:
        """What the controller said, at every change, one line each with the time since then."""
        lines: list[str] = []
        for received, status in self.probe.since("controller_status", since_ns - NS_PER_S // 5):
            said = (
                f"mode {status.mode} {status.hold_reason or 'follows'}, {status.chunks_refused} "
                f"refused, {status.last_refusal or 'none'}"
            )
            # Two controllers speak in turns.
            if not any(line.endswith(said) for line in lines[-2:]):
                lines.append(f"{(received - since_ns) / NS_PER_S:+.3f} s: {said}")
        return lines

    def playback(self, since_ns: int, until_ns: int) -> float:
        """The slowest playback that the controller reported."""
        heard = self.probe.since("controller_status", since_ns, until_ns)
        return min((status.playback for _, status in heard if status.playback > 0), default=1.0)

    def chunk_end_ns(self) -> int:
        """When the newest chunk that was followed ends, its slower playback included.

        Raises:
            ValueError: none was followed.
        """
        for received, status in reversed(self.probe.since("controller_status", 0)):
            if status.mode == dz.ControllerStatus.ACTIVE and status.rows_left > 0:
                step_s = 1.0 / self.embodiment.time_base.control_hz / status.playback
                return received + round(status.rows_left * step_s * NS_PER_S)
        raise ValueError("no chunk was followed")

    def end_ns(self, chunk: dz.ActionChunk, playback: float) -> int:
        """When the last row of a chunk is due, played at a share of its own speed."""
        observed, start = nanoseconds(chunk.observation_stamp), nanoseconds(chunk.start_stamp)
        length = start - observed + (chunk.horizon - 1) * nanoseconds(chunk.step)
        return observed + round(length / (playback or 1.0))

    def seen_publishers(self, count: int) -> int:
        """Waits until that many nodes publish commands; from when on it was so."""
        self._poll(
            lambda: self._node.count_publishers("joint_commands") == count, _UP_S, "publishers"
        )
        return time.time_ns()

    def strange_commands(self, seconds: float) -> int:
        """Commands the driver's own session beside the controller; from when on [ns]."""
        self.stranger = self._node.create_publisher(JointState, "joint_commands", qos.COMMAND)
        began = time.time_ns()
        states, driver = self.probe.last("joint_states"), self.probe.last("driver_status")
        command = JointState(name=states.name, position=list(states.position))
        command.velocity = [0.0] * len(states.name)  # what the probe knows it by
        command.header.frame_id = str(driver.session_id)
        command.position[1] += 0.3
        while time.time_ns() < began + seconds * NS_PER_S:
            command.header.stamp = time_message(time.time_ns())
            self.stranger.publish(command)
            time.sleep(self.period_s)
        return began

    def end_strange_commands(self) -> None:
        """The stranger goes."""
        self._node.destroy_publisher(self.stranger)
        self.seen_publishers(1)

    def measured(self, since_ns: int, until_ns: int | None = None) -> np.ndarray:
        """[N, J] measured joints in wire units, in the order of the driver's message."""
        taken = self.probe.since("joint_states", since_ns, until_ns)
        return np.array([message.position for _, message in taken])

    def forget(self) -> None:
        """Drops what was heard before the last seconds."""
        self.probe.forget(time.time_ns() - 5 * NS_PER_S)


def _logging(
    sink: Callable[[str, str], None], disk: SmallDisk | None, names: Sequence[str]
) -> tuple[Callable[[str, str], None], dict[str, str]]:
    """The sink, and the nodes' environment: where there is a small disk, logs go there too."""
    if disk is None:
        return sink, {}
    keep = log_files(disk.folder / "logs", names)

    def both(name: str, line: str) -> None:
        keep(name, line)
        sink(name, line)

    return both, {"ROS_LOG_DIR": str(disk.folder / "ros")}
