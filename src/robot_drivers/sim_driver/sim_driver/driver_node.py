"""The simulated robot as a ROS node, with the topics of a hardware driver.

Publishes ``<view>/image_raw`` (rgb8), ``joint_states`` (wire units) and ``driver_status``; takes
position commands by joint name on ``joint_commands``, and for a robot with wheels the base's
velocity on ``base_command``, each from one publisher only. A joint command must name the driver's
session in its ``frame_id``: a driver that was restarted has a new one, so it never follows a
controller that was enabled before. The wheels turn only while joint commands are followed. The
driver holds the robot's pose, and logs why, until
the first command, when commands stop, and while two publishers compete. ``driver/release`` lets the
robot go limp, and takes it back.

A scene with a task says on ``task_status`` how the attempt goes; ``driver/reset_task`` sets up
another scene, with the robot at home and in a session of its own.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Generator

from builtin_interfaces.msg import Time
from dreamzero_msgs.msg import DriverStatus, TaskStatus
from dreamzero_msgs.srv import ResetTask
from geometry_msgs.msg import Twist
from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import SetBool

from dreamzero_policy.ros import qos, realtime
from dreamzero_policy.ros.diagnostics import Diagnosis, Rates, driver_diagnosis
from dreamzero_policy.ros.lifecycle import Node, run
from dreamzero_policy.ros.messages import image_message, time_message
from dreamzero_policy.types import NS_PER_S
from dreamzero_policy.types import Image as Pixels
from sim_driver import robots, tasks
from sim_driver.cameras import film
from sim_driver.hardware import SimulatedRobot
from sim_driver.paced import PacedThread
from sim_driver.parameters import SimDriverParameters

_COMMANDS, _BASE_COMMANDS = "joint_commands", "base_command"
_STATUS_NS = NS_PER_S // 10


class SimDriverNode(Node[SimDriverParameters]):
    """Steps the simulated robot on the wall clock and passes messages to and from it."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("sim_driver", SimDriverParameters)
        self._cameras: PacedThread | None = None
        self._joints: PacedThread | None = None
        self._session = self._taken = self._refused = self._status_ns = 0
        self._last_refusal = ""
        self._status = DriverStatus()
        self._sent: dict[str, int] = {}  # messages by kind
        self._rates = Rates()
        self._shown: tuple[bool, str | None] | None = None

    def _setup(self) -> None:
        """Builds the scene, opens the cameras and makes the publishers.

        Raises:
            ValueError: an unknown robot, or a machine that cannot render.
        """
        settings = self.settings
        # So far: the executor's and the middleware's. Those to come draw, step and render.
        self._receiving = realtime.threads()
        self._robot = self._simulated(settings.task, settings.seed, settings.choice)
        if self._robot.robot.note:
            self.get_logger().warning(f"{settings.robot_name}: {self._robot.robot.note}")
        self._states = self.create_publisher(JointState, "joint_states", qos.STATE)
        self._statuses = self.create_publisher(DriverStatus, "driver_status", qos.STATUS)
        self._tasks = self.create_publisher(TaskStatus, "task_status", qos.STATUS)
        self._images: dict[str, LifecyclePublisher] = {
            view.name: self.create_publisher(Image, f"{view.name}/image_raw", qos.CAMERA)
            for view in self._robot.robot.views
        }
        self._sent = {"joint_states": 0, **{f"{view}_images": 0 for view in self._images}}
        self._cameras = self._paced(
            "cameras",
            settings.camera_hz,
            film(lambda: self._robot, self.now_ns, self._watched, self._publish_image),
        )
        self._cameras.start()

    def _simulated(self, task: str, seed: int, choice: int) -> SimulatedRobot:
        """The robot in a scene.

        Raises:
            ValueError: an unknown robot, or a task or choice that it does not have.
        """
        robot = robots.get(self.settings.robot)
        return SimulatedRobot(
            robot,
            seed,
            time.monotonic_ns(),
            self.settings.command_timeout_s,
            tasks.get(task, robot) if task else None,
            choice,
        )

    def _paced(self, name: str, hz: float, work: Generator[None, None, None]) -> PacedThread:
        """A thread whose failure ends the process."""
        return PacedThread(name, hz, work, lambda error: self.fail(f"{name} failed: {error!r}"))

    def _start(self) -> None:
        """Begins a session: to step, to publish and to take commands."""
        self._begin_session()
        self.create_subscription(JointState, _COMMANDS, self._take_command, qos.COMMAND)
        self._obeyed = [_COMMANDS]
        if self._robot.robot.base is not None:
            self._obeyed.append(_BASE_COMMANDS)
            self.create_subscription(Twist, _BASE_COMMANDS, self._drive, qos.COMMAND)
        self.create_service(SetBool, "driver/release", self._release)
        self.create_service(ResetTask, "driver/reset_task", self._reset_task)
        self._joints = self._paced("joints", self.settings.joint_state_hz, self._run_joints())
        self._joints.start()
        priority = self.settings.realtime_priority
        if priority and not realtime.prioritise(self._receiving, priority):
            self.get_logger().info(realtime.ADVICE)

    def _begin_session(self) -> None:
        """From here on only commands that name the new session are obeyed."""
        now = self.now_ns() or time.time_ns()  # a simulated clock may not run yet
        self._session = max(now, self._session + 1)
        self._taken = self._refused = 0
        self._last_refusal, self._shown = "", None

    def _stop(self) -> None:
        """Ends the motion; pictures end because ``accepting`` is false."""
        if self._joints is not None:
            self._joints.stop()
        self._robot.hold("the driver was stopped")
        self._report()

    def _teardown(self) -> None:
        """Ends the camera thread."""
        if self._cameras is not None:
            self._cameras.stop()
            self._cameras = None

    def _run_joints(self) -> Generator[None, None, None]:
        """Each round brings the physics up to now and publishes the joints."""
        message = JointState(name=list(self._robot.joint_names))
        while True:
            yield
            self._robot.advance(time.monotonic_ns())
            reading = self._robot.read()
            message.header.stamp = time_message(self.now_ns())
            message.position = array("d", reading.positions.tobytes())
            message.velocity = array("d", reading.velocities.tobytes())
            self._states.publish(message)
            self._sent["joint_states"] += 1
            self._report()

    def _report(self) -> None:
        """Publishes the status ten times a second and at every change, which the log says too."""
        shown = (self._robot.released, self._robot.hold_reason)
        elapsed_ns = time.monotonic_ns() - self._status_ns
        if shown == self._shown and elapsed_ns < _STATUS_NS:
            return
        if shown != self._shown:
            self._log(*shown)
        self._shown = shown
        self._status_ns += elapsed_ns
        released, reason = shown
        following = DriverStatus.FOLLOWING if reason is None else DriverStatus.HOLDING
        message = DriverStatus(
            session_id=self._session,
            mode=DriverStatus.RELEASED if released else following,
            message=reason or "",
            commands_taken=self._taken,
            commands_refused=self._refused,
            last_refusal=self._last_refusal,
        )
        message.header.stamp = time_message(self.now_ns())
        self._statuses.publish(message)
        self._status = message
        self._tasks.publish(self._task_status(message.header.stamp))

    def _task_status(self, stamp: Time) -> TaskStatus:
        """How the attempt goes; empty for a scene without a task."""
        robot = self._robot
        message = TaskStatus(robot=robot.robot.name)
        message.header.stamp = stamp
        if (judge := robot.judge) is None:
            return message
        verdict = judge.verdict
        message.task, message.seed, message.choice = judge.task.name, judge.seed, judge.index
        message.instruction, message.time_limit = judge.instruction, verdict.time_limit_s
        message.progress, message.success = verdict.progress, verdict.success
        message.elapsed = verdict.elapsed_s
        message.scene_state = array("d", robot.scene_state().tobytes())
        return message

    def _diagnose(self) -> list[Diagnosis]:
        """What the robot does, and how often it says and hears what."""
        counts = {"commands": self._taken, "commands_refused": self._refused, **self._sent}
        rates = self._rates.per_second(counts, time.monotonic_ns())
        return [driver_diagnosis(self._status, rates, rates["commands_refused"])]

    def _log(self, released: bool, reason: str | None) -> None:
        """Says what the robot does from now on, and why."""
        if released:
            self.get_logger().warning("released: the arm is limp; driver/release false takes it up")
        elif reason is None:
            self.get_logger().info("following commands")
        else:
            self.get_logger().warning(f"holding the pose: {reason}")

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
            self._robot.drive(forward, yaw, time.monotonic_ns())
        except ValueError as error:
            self._refuse(error)

    def _refuse(self, error: ValueError) -> None:
        """Counts a refusal and says why."""
        self._refused += 1
        self._last_refusal = str(error)
        self.get_logger().error(f"command refused: {error}", throttle_duration_sec=1.0)

    def _require_one_publisher(self) -> None:
        """Refuses a command, and holds, while more than one node publishes commands."""
        for commands in self._obeyed:
            topic = self.resolve_topic_name(commands)
            count = self.count_publishers(topic)
            if count <= 1:
                continue
            self._robot.hold(f"{count} publishers on {topic}")
            rivals = self.get_publishers_info_by_topic(topic)
            who = ", ".join(sorted(f"{info.node_namespace}/{info.node_name}" for info in rivals))
            raise ValueError(
                f"expected one publisher on {topic}, got {count} ({who.replace('//', '/')}); "
                "the robot holds until only one is left"
            )

    def _require_session(self, frame_id: str) -> None:
        """Refuses a command meant for an earlier run of this driver, or for none in particular."""
        if frame_id != str(self._session):
            raise ValueError(
                f"expected frame_id '{self._session}', this driver's session (driver_status says "
                f"it), got {frame_id!r}; a controller takes the new session up when motion is "
                "enabled again"
            )

    def _release(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Lets the robot go limp, or holds it again where it then is."""
        response.success = True
        if request.data:
            try:
                self._robot.release()
                response.message = "the robot is released; it can be moved by hand"
            except ValueError as error:
                response.success, response.message = False, str(error)
        else:
            self._robot.take_back()
            response.message = "the robot holds its pose"
        return response

    def _reset_task(
        self, request: ResetTask.Request, response: ResetTask.Response
    ) -> ResetTask.Response:
        """Puts the robot, at home, into a new scene; whoever led it has to begin anew."""
        try:
            robot = self._simulated(request.task, request.seed, request.choice)
        except ValueError as error:
            response.success, response.message = False, str(error)
            return response
        self._begin_session()
        self._robot = robot
        response.success = True
        response.message = robot.judge.instruction if robot.judge else "a block of every colour"
        self.get_logger().info(
            f"scene {request.task or 'without a task'}, seed {request.seed}: {response.message}"
        )
        return response

    def _watched(self, view: str) -> bool:
        """Whether to draw a view: the node is active and someone listens."""
        return self.accepting and self._images[view].get_subscription_count() > 0

    def _publish_image(self, view: str, stamp_ns: int, pixels: Pixels) -> None:
        """Publishes a picture; called in the camera thread."""
        self._images[view].publish(image_message(stamp_ns, view, pixels))
        self._sent[f"{view}_images"] += 1


def main() -> None:
    """Runs the driver as a process."""
    sys.exit(run(SimDriverNode))
