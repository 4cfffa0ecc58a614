"""What every driver's node does alike; the robot itself is a ``driver_robot.Robot``.

A driver publishes ``joint_states`` (wire units) and ``driver_status``, and takes position commands
by joint name on ``joint_commands``: from one publisher only, and only those whose ``frame_id``
names the driver's session. A new session begins when the driver starts and when an operator clears
a fault, so whoever commanded before has to be enabled again. ``driver/release`` lets the robot go
and takes it back; ``driver/clear_fault`` is the only way out of a fault. A robot with wheels takes
the base's velocity on ``base_command``, from one publisher too; the wheels turn only while joint
commands are followed.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from builtin_interfaces.msg import Time
from dreamzero_msgs.msg import DriverStatus
from geometry_msgs.msg import Twist
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool, Trigger

from dreamzero_policy.messages.times import time_message
from dreamzero_policy.ros import qos, realtime
from dreamzero_policy.ros.diagnostics import Diagnosis, Rates, driver_diagnosis
from dreamzero_policy.ros.driver_robot import Mode, Robot
from dreamzero_policy.ros.lifecycle import STOP_SECONDS, Node
from dreamzero_policy.ros.parameters import NodeParameters, parameter
from dreamzero_policy.ros.ticker import Ticker
from dreamzero_policy.types import NS_PER_S

_COMMANDS, _BASE_COMMANDS = "joint_commands", "base_command"
_STATUS_NS = NS_PER_S // 10


@dataclass(frozen=True, kw_only=True)
class DriverParameters(NodeParameters):
    """What every driver has."""

    joint_state_hz: float = parameter(
        100.0, "Rounds per second: joint states and set-points.", at_least=10.0, at_most=500.0
    )
    command_timeout_s: float = parameter(
        0.4,
        "Silence on joint_commands after which the robot holds its pose, in seconds.",
        at_least=0.05,
        at_most=5.0,
    )
    realtime_priority: int = parameter(
        10,
        "Real-time priority of the driver's threads, where the user may have one; 0 for none.",
        at_least=0,
        at_most=99,
    )


Settings = TypeVar("Settings", bound=DriverParameters)

Wheels = Callable[[float, float], None]
"""Takes forward [m/s] and yaw [rad/s]; ``ValueError`` refuses them."""


class DriverNode(Node[Settings]):
    """A driver's node; a subclass says in ``_connect`` which robot it drives.

    Attributes:
        LOOP_FIRST: whether its loop runs before ordinary threads, as its messages do: not where the
            loop computes for long.
    """

    LOOP_FIRST = True

    def __init__(self, name: str, settings: type[Settings]) -> None:
        """Declares the parameters."""
        super().__init__(name, settings)
        self._robot: Robot | None = None
        self._ticker: Ticker | None = None
        self._session = self._taken = self._refused = self._status_ns = 0
        self._sent = {"joint_states": 0}  # messages by kind
        self._last_refusal = ""
        self._status = DriverStatus()
        self._rates = Rates()
        self._shown: tuple[Mode, str] | None = None
        self._reporting = threading.Lock()

    def _connect(self) -> Robot:
        """The robot, connected; ``ValueError`` for what the user can put right."""
        raise NotImplementedError

    def _wheels(self) -> Wheels | None:
        """What turns the robot's wheels; None for a robot without any."""
        return None

    def _setup(self) -> None:
        """Connects and makes the publishers."""
        self._receiving = realtime.threads()  # the executor's and the middleware's
        self._robot = self._connect()
        self._states = self.create_publisher(JointState, "joint_states", qos.STATE)
        self._statuses = self.create_publisher(DriverStatus, "driver_status", qos.STATUS)

    def _start(self) -> None:
        """Begins a session: to measure, to publish and to take commands."""
        self._begin_session()
        self.create_subscription(JointState, _COMMANDS, self._take_command, qos.COMMAND)
        if self._wheels() is not None:
            self.create_subscription(Twist, _BASE_COMMANDS, self._drive, qos.COMMAND)
        self.create_service(SetBool, "driver/release", self._release)
        self.create_service(Trigger, "driver/clear_fault", self._clear_fault)
        priority = self.settings.realtime_priority
        self._ticker = Ticker(
            "joints",
            round(NS_PER_S / self.settings.joint_state_hz),
            self._round,
            lambda error: self.fail(f"the driver's loop failed: {error!r}"),
            priority if self.LOOP_FIRST else 0,
        )
        self._ticker.start()
        if priority and not realtime.prioritise(self._receiving, priority):
            self.get_logger().info(realtime.ADVICE)

    def _begin_session(self) -> None:
        """From here on only commands that name the new session are obeyed."""
        self._taken = self._refused = 0
        self._last_refusal, self._shown = "", None
        self._session = self._next_session()

    def _next_session(self) -> int:
        """Another than every one before."""
        now = self.now_ns() or time.time_ns()  # a simulated clock may not run yet
        return max(now, self._session + 1)

    def _stop(self) -> None:
        """Ends the motion and says so."""
        if self._ticker is not None:
            self._ticker.stop(STOP_SECONDS / 2)
            self._ticker = None
        self._robot.hold("the driver was stopped")
        self._report()

    def _teardown(self) -> None:
        """Ends the connection."""
        if self._robot is not None:
            self._robot.close()
            self._robot = None

    def _round(self) -> None:
        """One turn of the robot; publishes what it measured."""
        ros_ns = self.now_ns()
        reading = self._robot.advance(time.monotonic_ns(), ros_ns)
        if reading is not None:
            message = JointState(
                name=list(self._robot.joint_names),
                position=array("d", reading.positions.tobytes()),
                velocity=array("d", reading.velocities.tobytes()),
            )
            message.header.stamp = time_message(reading.stamp_ns)
            self._states.publish(message)
            self._sent["joint_states"] += 1
        self._report()

    def _report(self) -> None:
        """Publishes the status ten times a second and at every change, which the log says too."""
        with self._reporting:
            shown = self._robot.state
            elapsed_ns = time.monotonic_ns() - self._status_ns
            if shown == self._shown and elapsed_ns < _STATUS_NS:
                return
            if shown != self._shown:
                self._log(*shown)
                if self._shown is not None and self._shown[0] == Mode.FAULT:
                    # Whoever commanded before must be enabled again.
                    self._session = self._next_session()
            self._shown = shown
            self._status_ns += elapsed_ns
            mode, reason = shown
            message = DriverStatus(
                session_id=self._session,
                mode=int(mode),
                message=reason,
                commands_taken=self._taken,
                commands_refused=self._refused,
                last_refusal=self._last_refusal,
            )
            message.header.stamp = time_message(self.now_ns())
            self._statuses.publish(message)
            self._status = message
            self._tell(message.header.stamp)

    def _tell(self, stamp: Time) -> None:
        """What else is said whenever the status is; nothing."""

    def _log(self, mode: Mode, reason: str) -> None:
        """Says what the robot does from now on, and why."""
        logger = self.get_logger()
        if mode == Mode.FOLLOWING:
            logger.info("following commands")
        elif mode == Mode.HOLDING:
            logger.warning(f"holding the pose: {reason}")
        elif mode == Mode.RELEASED:
            logger.warning(f"released: {reason}; driver/release false takes it up")
        else:
            logger.error(f"fault: {reason}; driver/clear_fault clears it")

    def _diagnose(self) -> list[Diagnosis]:
        """What the robot does, and how often it says and hears what."""
        counts = {"commands": self._taken, "commands_refused": self._refused, **self._sent}
        rates = self._rates.per_second(counts, time.monotonic_ns())
        return [driver_diagnosis(self._status, rates, rates["commands_refused"])]

    def _take_command(self, message: JointState) -> None:
        """Passes a command on, or refuses it and says why; a refused one changes nothing."""
        if not self.accepting:
            return
        try:
            self._require_one_publisher()
            self._require_session(message.header.frame_id)
            self._robot.command(message.name, message.position, time.monotonic_ns())
            self._taken += 1
        except ValueError as error:
            self._refuse(error)

    def _drive(self, message: Twist) -> None:
        """Passes a base velocity on, or refuses it and says why."""
        if not self.accepting:
            return
        (forward, *across), (*tilt, yaw) = (
            (part.x, part.y, part.z) for part in (message.linear, message.angular)
        )
        try:
            self._require_one_publisher()
            if any((*across, *tilt)):
                raise ValueError(
                    "base: expected linear.x and angular.z only, got linear y and z "
                    f"{across}, angular x and y {tilt}"
                )
            self._wheels()(forward, yaw)
        except ValueError as error:
            self._refuse(error)

    def _refuse(self, error: ValueError) -> None:
        """Counts a refusal and says why."""
        self._refused += 1
        self._last_refusal = str(error)
        self.get_logger().error(f"command refused: {error}", throttle_duration_sec=1.0)

    def _require_one_publisher(self) -> None:
        """Refuses a command, and holds, while more than one node publishes commands."""
        topics = (_COMMANDS,) if self._wheels() is None else (_COMMANDS, _BASE_COMMANDS)
        for topic in map(self.resolve_topic_name, topics):
            count = self.count_publishers(topic)
            if count <= 1:
                continue
            self._robot.hold(f"{count} publishers on {topic}")
            rivals = self.get_publishers_info_by_topic(topic)
            who = ", ".join(
                sorted(f"{one.node_namespace.rstrip('/')}/{one.node_name}" for one in rivals)
            )
            raise ValueError(
                f"expected one publisher on {topic}, got {count} ({who}); "
                "the robot holds until only one is left"
            )

    def _require_session(self, frame_id: str) -> None:
        """Refuses a command meant for an earlier session of this driver, or for none."""
        if frame_id != str(self._session):
            raise ValueError(
                f"expected frame_id '{self._session}', this driver's session (driver_status says "
                f"it), got {frame_id!r}; a controller takes the new session up when motion is "
                "enabled again"
            )

    def _release(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Lets the robot go, or holds it again where it then is."""

        def change() -> str:
            if request.data:
                return f"the robot is released: {self._robot.release()}"
            self._robot.take_back()
            return "the robot holds its pose"

        return self._answered(response, change)

    def _clear_fault(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Clears a fault; the robot then holds, and obeys nobody who commanded it before."""

        def clear() -> str:
            self._robot.clear_fault()
            return "the fault is cleared; the robot holds until motion is enabled again"

        return self._answered(response, clear)

    def _answered(
        self, response: SetBool.Response | Trigger.Response, change: Callable[[], str]
    ) -> SetBool.Response | Trigger.Response:
        """Fills a service's answer with what ``change`` says or refuses."""
        self._report()  # a fault that just came counts as shown
        try:
            response.success, response.message = True, change()
        except ValueError as error:
            response.success, response.message = False, str(error)
        self._report()
        return response
