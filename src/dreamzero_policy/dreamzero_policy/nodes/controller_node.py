"""Action chunks and the measured state in, commands out at a fixed rate.

What is commanded is decided in ``control/``; this node moves messages, keeps the clock, and sees to
it that the last thing a driver hears is a hold. It comes up disarmed: until ``controller/enable``
is called everything computes and nothing is sent.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import traceback
from collections import deque
from dataclasses import replace

from dreamzero_msgs import msg as dz
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool, Trigger

from dreamzero_policy import embodiments
from dreamzero_policy.control.controller import Controller
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.report import Tick
from dreamzero_policy.control.screening import Refused
from dreamzero_policy.nodes import qos
from dreamzero_policy.nodes.controller_parameters import ControllerParameters
from dreamzero_policy.nodes.controller_status import controller_status
from dreamzero_policy.nodes.lifecycle import STOP_SECONDS, ExitCode, Node, run
from dreamzero_policy.nodes.messages import (
    chunk_from_message,
    command_message,
    proprioception_from_message,
)
from dreamzero_policy.nodes.ticker import Ticker
from dreamzero_policy.types import ActionChunk, Float

_STATUS_S = 0.1
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
        self._inbox: deque[ActionChunk] = deque(maxlen=8)
        self._rivals = ""
        self._shown: tuple = ()
        self._commands = self.create_publisher(JointState, "joint_commands", qos.COMMAND)
        self._statuses = self.create_publisher(dz.ControllerStatus, "controller_status", qos.STATUS)
        subscribe, serve = self.create_subscription, self.create_service
        subscribe(dz.ActionChunk, "action_chunk", self._take_chunk, qos.CHUNK)
        subscribe(dz.Proprioception, "proprioception", self._take_state, qos.STATE_INPUT)
        serve(SetBool, "controller/enable", self._enable)
        serve(Trigger, "controller/estop", self._estop)
        serve(Trigger, "controller/reset_estop", self._reset_estop)

    def _start(self) -> None:
        """Begins to tick, disarmed."""
        self.create_timer(_STATUS_S, self._look_around)
        # What lives now lives until the end. A collection that walks over it all takes tens of
        # milliseconds (150 were seen on a busy machine), one that does not takes 5 microseconds.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(_SWITCH_S)
        priority = self.settings.realtime_priority
        self._ticker = Ticker(
            "control", self.settings.control().period_ns, self._tick, self._broken, priority
        )
        self._ticker.start()
        self.get_logger().info("disarmed: controller/enable allows motion")
        if priority and not self._ticker.realtime:
            self.get_logger().info(
                "no real-time priority: on a busy machine commands come a few ms late; to grant it "
                "add '<user> - rtprio 20' to /etc/security/limits.conf and log in again"
            )

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
        """Repeats the last commanded pose, if any was sent: the driver holds it."""
        if self._sent is not None:
            self._commands.publish(command_message(self._robot, self.now_ns(), self._sent))
            self._sent = None

    def _teardown(self) -> None:
        """Lets go of the controller, so that nothing of it outlives the interpreter."""
        gc.unfreeze()
        self._controller = None

    # Messages

    def _take_chunk(self, message: dz.ActionChunk) -> None:
        """Keeps a chunk for the control thread, which takes it up right after its next command."""
        if not self.accepting:
            return
        try:
            self._inbox.append(chunk_from_message(message))
        except ValueError as error:
            self._complain(str(error))

    def _take_state(self, message: dz.Proprioception) -> None:
        """Hands a measured pose to the controller."""
        try:
            state = proprioception_from_message(message)
        except ValueError as error:
            self._complain(str(error))
            return
        with self._lock:
            refusal = self._controller.on_state(
                state.stamp_ns, state.names, state.positions, state.velocities
            )
        if refusal is not None:
            self._complain(f"measured pose refused: {refusal}")

    def _complain(self, what: str) -> None:
        self.get_logger().warning(what, throttle_duration_sec=1.0)

    # Services

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Allows motion or ends it."""
        rivals = self._find_rivals() if request.data else ""
        with self._lock:
            if not request.data:
                self._controller.disable()
                response.success, response.message = True, "motion is disabled"
            elif not self.accepting:
                response.success, response.message = False, "the controller is not active"
            elif rivals:
                response.success, response.message = False, rivals
            else:
                answer = self._controller.enable(self.now_ns())
                response.success, response.message = answer
                if response.success:
                    self._rivals = ""
        self.get_logger().info(f"enable({request.data}): {response.message}")
        return response

    def _estop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Latches the emergency stop."""
        with self._lock:
            self._controller.estop("asked for by the operator")
        response.success, response.message = True, "emergency stop; reset_estop releases it"
        self.get_logger().warning(response.message)
        return response

    def _reset_estop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Releases the emergency stop; motion stays disabled."""
        with self._lock:
            response.success, response.message = self._controller.reset_estop()
        self.get_logger().info(response.message)
        return response

    # The loop

    def _tick(self) -> None:
        """One turn: ask the controller, send what it says."""
        now_ns = self.now_ns()
        with self._lock:
            tick = self._controller.tick(now_ns)
            if tick.early:
                return
            if tick.command is not None:
                self._commands.publish(command_message(self._robot, now_ns, tick.command))
                self._sent = tick.command
            self._sending = tick.command is not None
        self._take_up_chunks()
        self._report_change(tick)

    def _take_up_chunks(self) -> None:
        """Hands new chunks to the controller; the log says why one was refused.

        It takes a few milliseconds, so it is done where the next command is furthest away.
        """
        while self._inbox:
            with self._lock:
                outcome = self._controller.on_chunk(self._inbox.popleft(), self.now_ns())
            if isinstance(outcome, Refused):
                self._complain(f"{outcome.reason}: {outcome.message}")

    def _report_change(self, tick: Tick) -> None:
        """Publishes a status at once when mode or reason changed."""
        shown = (tick.mode, tick.hold_reason)
        if shown != self._shown:
            self._shown = shown
            self._report()

    def _report(self) -> None:
        ticker, now_ns = self._ticker, self.now_ns()
        if ticker is None:
            return
        with self._lock:
            report = self._controller.report(now_ns)
            if self._rivals and not report.enabled:
                report = replace(report, hold_reason="second_publisher", message=self._rivals)
            names = self._robot.action_joints
            self._statuses.publish(controller_status(report, names, ticker.timing(), now_ns))

    def _look_around(self) -> None:
        """Ends motion when somebody else commands the robot too; reports."""
        rivals = self._find_rivals()
        if rivals:
            self._complain(rivals)
            with self._lock:
                self._rivals = rivals
                self._controller.disable()
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
