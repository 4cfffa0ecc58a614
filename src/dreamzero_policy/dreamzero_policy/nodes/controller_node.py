"""Action chunks, a human's targets and the measured state in, commands out at a fixed rate.

What is commanded is decided in ``control/``; this node moves messages, keeps the clock, and sees to
it that the last thing a driver hears is a hold. It comes up disarmed: until ``controller/enable``
is called everything computes and nothing is sent. ``operator_services.py`` has the services.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import traceback
from collections import deque

import numpy as np
from dreamzero_msgs import msg as dz
from geometry_msgs.msg import Twist
from rclpy.duration import Duration
from sensor_msgs.msg import JointState

from dreamzero_policy import embodiments
from dreamzero_policy.chunks.screening import Refused
from dreamzero_policy.clock_offset import Transit, offset
from dreamzero_policy.control.controller import Controller
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.report import Tick
from dreamzero_policy.messages.chunks import chunk_from_message
from dreamzero_policy.messages.joints import (
    base_message,
    base_velocities,
    command_message,
    proprioception_from_message,
    targets_from_message,
)
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.nodes.operator_services import OperatorServices
from dreamzero_policy.parameters.controller_parameters import ControllerParameters
from dreamzero_policy.ros import qos, realtime
from dreamzero_policy.ros.diagnostics import Diagnosis
from dreamzero_policy.ros.lifecycle import STOP_SECONDS, ExitCode, Node, run
from dreamzero_policy.ros.ticker import Ticker, Timing
from dreamzero_policy.statuses.controller_diagnostics import clock_diagnosis, controller_diagnoses
from dreamzero_policy.statuses.controller_status import authority_message, controller_status
from dreamzero_policy.types import ActionChunk, Float

_STATUS_S = 0.1
_ACKNOWLEDGED = Duration(seconds=0.2)
"""How long the last command may take to reach a driver."""

_ROOM_NS = 10_000_000
"""How far the next command must be for what the policy sent to be taken up before it."""

_LAG_SHARE, _MOST_LAG_NS = 20, 1_500_000
"""A command goes out a twentieth of a period after its tick began, this long at most [ns]."""

_SWITCH_S = 0.0005
"""How long the executor's thread may keep the interpreter from the control thread [s]."""


class ControllerNode(Node[ControllerParameters]):
    """Runs a ``Controller`` on messages."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("controller", ControllerParameters)
        self._ticker: Ticker | None = None
        self._sent: Float | None = None
        self._sending = False

    def _setup(self) -> None:
        """Makes the controller and its topics and services."""
        settings = self.settings
        self._robot = embodiments.get(settings.robot)
        limits = Limits.of(self._robot).tighten(
            settings.joint_limits(), scale=settings.limit_scale, margin=settings.limit_margin
        )
        # Held for every use: the control thread ticks, the executor's thread brings messages.
        self._lock = threading.Lock()
        self._controller = Controller(self._robot, settings.control(), limits)
        self._base = np.array([joint.kind == "base" for joint in self._robot.joints])
        # Chunks, what is wrong with those that are none, and the ids of sessions that ended, in the
        # order in which they came.
        self._inbox: deque[ActionChunk | str | int] = deque(maxlen=8)
        self._shown: tuple = ()
        self._authority = dz.Authority()
        self._transit, self._there_ns = Transit(), None
        publish, subscribe = self.create_publisher, self.create_subscription
        self._commands = publish(JointState, "joint_commands", qos.COMMAND)
        self._velocities = publish(Twist, "base_command", qos.COMMAND) if self._base.any() else None
        self._planned = publish(JointState, "planned_commands", qos.COMMAND)
        self._statuses = publish(dz.ControllerStatus, "controller_status", qos.STATUS)
        self._authorities = publish(dz.Authority, "authority", qos.STATUS)
        subscribe(dz.ActionChunk, "action_chunk", self._take_chunk, qos.CHUNK)
        subscribe(dz.PolicyStatus, "policy_status", self._take_policy, qos.STATUS)
        subscribe(dz.Proprioception, "proprioception", self._take_state, qos.STATE_INPUT)
        subscribe(dz.DriverStatus, "driver_status", self._take_driver, qos.STATUS)
        subscribe(JointState, "teleop/joint_commands", self._take_targets, qos.TARGETS)
        if self._base.any():
            subscribe(Twist, "teleop/base_command", self._take_base, qos.TARGETS)
        self._operator = OperatorServices(
            self, self._controller, self._lock, self._find_rivals, self._report
        )

    def _start(self) -> None:
        """Begins to tick, disarmed."""
        self.create_timer(_STATUS_S, self._look_around)
        # What lives now lives until the end. A collection that walks over it all takes tens of
        # milliseconds (150 were seen on a busy machine), one that does not takes 5 microseconds.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(_SWITCH_S)
        priority, period_ns = self.settings.realtime_priority, self.settings.control().period_ns
        self._lag_ns = min(period_ns // _LAG_SHARE, _MOST_LAG_NS)
        self._ticker = Ticker("control", period_ns, self._tick, self._broken, priority)
        if priority:  # one less for the others, which hold the interpreter at times: see ticker.py
            realtime.prioritise(realtime.threads(), max(1, priority - 1))
        self._ticker.start()
        self.get_logger().info("disarmed: controller/enable allows motion")
        if priority and not self._ticker.realtime:
            self.get_logger().info(realtime.ADVICE)

    def _stop(self) -> None:
        """Brakes to rest inside the limits, then ends the ticks."""
        with self._lock:
            self._controller.disable()
        end = time.monotonic() + STOP_SECONDS / 2
        while self._sending and time.monotonic() < end:
            time.sleep(0.01)
        if self._ticker is not None:
            self._ticker.stop(STOP_SECONDS / 4)
            self._ticker = None

    def _safe_command(self) -> None:
        """Says the last pose once more, the base at rest, if it was being sent: that is held."""
        if self._sent is not None:
            self._send(self.now_ns(), np.where(self._base, 0.0, self._sent))
            self._sent = None
            for publisher in filter(None, (self._commands, self._velocities)):
                publisher.wait_for_all_acked(_ACKNOWLEDGED)  # it is destroyed next

    def _teardown(self) -> None:
        """Drops the controller, so that nothing of it outlives the interpreter."""
        gc.unfreeze()
        self._controller = self._operator = None

    # Messages

    def _take_chunk(self, message: dz.ActionChunk) -> None:
        """Takes a chunk up, at once or, where the next command is near, right after that."""
        if not self.accepting:
            return
        try:
            self._inbox.append(chunk_from_message(message))
        except ValueError as error:
            self._inbox.append(str(error))
        self._take_up_with_room()

    def _take_state(self, message: dz.Proprioception) -> None:
        """Hands a measured pose to the controller."""
        try:
            state = proprioception_from_message(message)
        except ValueError as error:
            self._complain(str(error))
            return
        # A source that has stopped is carried on for a while; what counts is when it was measured.
        measured_ns = state.stamp_ns - max((0, *state.ages_ns.values()))
        with self._lock:
            refusal = self._controller.on_state(
                measured_ns, state.names, state.positions, state.velocities
            )
        if refusal is not None:
            self._complain(f"measured pose refused: {refusal}")

    def _take_targets(self, message: JointState) -> None:
        """Hands a human's targets to the controller, in model units."""
        if not self.accepting:
            return
        try:
            targets = targets_from_message(self._robot, message)
        except ValueError as error:
            self._complain(str(error))
            return
        with self._lock:
            refusal = self._controller.on_teleop(targets.stamp_ns, targets.names, targets.positions)
        if refusal is not None:
            self._complain(f"teleoperation refused: {refusal}")

    def _take_base(self, message: Twist) -> None:
        """Hands a human's velocity of the base to the controller."""
        if not self.accepting:
            return
        with self._lock:
            refusal = self._controller.on_teleop_base(base_velocities(self._robot, message))
        if refusal is not None:
            self._complain(f"teleoperation of the base refused: {refusal}")

    def _take_driver(self, message: dz.DriverStatus) -> None:
        """Tells the controller which driver is there and what it does."""
        self._operator.driver_follows = message.mode == dz.DriverStatus.FOLLOWING
        with self._lock:
            self._controller.on_driver(
                message.session_id, message.mode, message.message, self.now_ns()
            )

    def _take_policy(self, message: dz.PolicyStatus) -> None:
        """Keeps word of a session that ended, behind the chunks that came before it.

        A policy that has had no session yet (0) ends nobody else's. Every status also tells how
        long messages are on their way, by the clocks of the two hosts.
        """
        self._transit.note(nanoseconds(message.header.stamp), self.now_ns())
        heard = message.controller_heard
        self._there_ns = nanoseconds(message.controller_transit) if heard else None
        if self.accepting and message.state == dz.PolicyStatus.IDLE and message.session_id:
            self._inbox.append(message.session_id)
            self._take_up_with_room()

    def _complain(self, what: str) -> None:
        self.get_logger().warning(what, throttle_duration_sec=1.0)

    # The loop

    def _tick(self) -> None:
        """One turn: ask the controller, send what it says."""
        now_ns = self.now_ns()
        with self._lock:
            tick = self._controller.tick(now_ns)
            if tick.early:
                return
            if tick.command is not None:
                self._wait_to_send()
                self._send(now_ns, tick.command)
                self._sent = tick.command
            elif self.accepting:
                self._sent = None  # the robot may be moved otherwise now: not to be sent again
            self._sending = tick.command is not None
        if tick.wanted is not None and self._planned.get_subscription_count():
            self._planned.publish(command_message(self._robot, now_ns, tick.wanted))
        self._take_up()
        self._report_change(tick)

    def _wait_to_send(self) -> None:
        """Has commands leave at the same lag: computing one takes 1 ms and at times more.

        The lock stays held, so that nothing that comes meanwhile is passed over by the command.
        """
        if (ticker := self._ticker) is not None:
            ticker.wait_until(self._lag_ns)

    def _send(self, now_ns: int, command: Float) -> None:
        """Publishes a command, a base's velocity apart from the joints."""
        session = self._controller.driver_session
        self._commands.publish(command_message(self._robot, now_ns, command, session))
        if self._velocities is not None:
            self._velocities.publish(base_message(self._robot, command))

    def _take_up_with_room(self) -> None:
        """Takes up what came unless that might delay the next command.

        A bad chunk is then held against at that command, not at the one after it.
        """
        if self._ticker is not None and self._ticker.left_ns() > _ROOM_NS:
            self._take_up()

    def _take_up(self) -> None:
        """Hands what the policy sent to the controller; the log says why a chunk was refused.

        It takes a few milliseconds, so it is done where the next command is far away: by the
        control thread right after its own, by the executor's thread if there is room.
        """
        while True:
            with self._lock:
                if not self._inbox:
                    return
                came = self._inbox.popleft()
                if isinstance(came, int):
                    self._controller.on_policy_idle(came)
                    continue
                if isinstance(came, str):
                    outcome = self._controller.on_malformed_chunk(came)
                else:
                    outcome = self._controller.on_chunk(came, self.now_ns())
            if isinstance(outcome, Refused):
                self._complain(f"{outcome.reason}: {outcome.message}")

    def _report_change(self, tick: Tick) -> None:
        """Publishes a status at once when mode, reason or authority changed."""
        shown = (tick.mode, tick.hold_reason, tick.authority)
        if shown != self._shown:
            self._shown = shown
            self._report()

    def _report(self) -> None:
        """Publishes status and authority."""
        ticker, now_ns = self._ticker, self.now_ns()
        if ticker is None:
            return
        with self._lock:
            report = self._controller.report(now_ns)
            names = self._robot.action_joints
            self._statuses.publish(controller_status(report, names, ticker.timing(), now_ns))
            self._authority = authority_message(report.authority, now_ns, self._authority)
            self._authorities.publish(self._authority)

    def _diagnose(self) -> list[Diagnosis]:
        """What the controller does, and how well its loop keeps time."""
        ticker, names = self._ticker, self._robot.action_joints
        with self._lock:
            report = self._controller.report(self.now_ns())
        timing = Timing(0.0, 0.0, 0.0) if ticker is None else ticker.timing()
        apart = offset(self._there_ns, self._transit.least_ns(self.now_ns()))
        settings = self._controller.settings
        return [
            *controller_diagnoses(report, timing, settings, names),
            clock_diagnosis(apart, settings.clock_tolerance_s),
        ]

    def _look_around(self) -> None:
        """Ends motion when somebody else commands the robot too; reports."""
        rivals = self._find_rivals()
        if rivals:
            self._complain(rivals)
            with self._lock:
                self._controller.disarm("second_publisher", rivals)
        self._report()

    def _find_rivals(self) -> str:
        """Who else publishes commands, as a sentence; empty for nobody."""
        topic = self._commands.topic_name
        if self.count_publishers(topic) <= 1:
            return ""
        nodes = sorted(
            f"{info.node_namespace.rstrip('/')}/{info.node_name}"
            for info in self.get_publishers_info_by_topic(topic)
        )
        return f"expected one publisher on {topic}, got {len(nodes)}: {', '.join(nodes)}"

    def _broken(self, error: Exception) -> None:
        """Ends the process after a bug in the control thread."""
        self._sending = False
        lines = "".join(traceback.format_exception(error))
        self.fail(f"the control loop ended:\n{lines}", ExitCode.BUG)


def main(argv: list[str] | None = None) -> int:
    """Runs the controller."""
    return run(ControllerNode, argv)
