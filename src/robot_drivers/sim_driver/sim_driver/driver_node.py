"""The simulated robot as a ROS node: what ``driver_base`` says of every driver, cameras and scenes.

Publishes ``<view>/image_raw`` (rgb8) besides. A scene with a task says on ``task_status`` how the
attempt goes; ``driver/reset_task`` sets up another scene, with the robot where its task begins
and in a session of its own.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Generator

from builtin_interfaces.msg import Time
from dreamzero_msgs.msg import TaskStatus
from dreamzero_msgs.srv import ResetTask
from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import Image

from dreamzero_policy.messages.images import image_message
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.driver_base import DriverNode, Wheels
from dreamzero_policy.ros.lifecycle import run
from dreamzero_policy.types import Image as Pixels
from sim_driver import tasks
from sim_driver.cameras import film
from sim_driver.driven import Driven
from sim_driver.hardware import SimulatedRobot
from sim_driver.models import robots
from sim_driver.paced import PacedThread
from sim_driver.parameters import SimDriverParameters


class SimDriverNode(DriverNode[SimDriverParameters]):
    """Steps the simulated robot on the wall clock and passes messages to and from it."""

    LOOP_FIRST = False  # it steps the physics

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("sim_driver", SimDriverParameters)
        self._cameras: PacedThread | None = None

    def _connect(self) -> Driven:
        """Builds the scene.

        Raises:
            ValueError: an unknown robot, or a task or choice that it does not have.
        """
        settings = self.settings
        simulated = self._simulated(settings.task, settings.seed, settings.choice)
        if simulated.robot.note:
            self.get_logger().warning(f"{settings.robot_name}: {simulated.robot.note}")
        return Driven(simulated)

    def _setup(self) -> None:
        """Builds the scene, opens the cameras and makes the publishers.

        Raises:
            ValueError: as ``_connect``, or a machine that cannot render.
        """
        super()._setup()
        self._tasks = self.create_publisher(TaskStatus, "task_status", qos.STATUS)
        self._images: dict[str, LifecyclePublisher] = {
            view.name: self.create_publisher(Image, f"{view.name}/image_raw", qos.CAMERA)
            for view in self._robot.simulated.robot.views
        }
        self._sent |= {f"{view}_images": 0 for view in self._images}
        self._cameras = PacedThread(
            "cameras",
            self.settings.camera_hz,
            self._film(),
            lambda error: self.fail(f"cameras failed: {error!r}"),
        )
        self._cameras.start()

    def _film(self) -> Generator[None, None, None]:
        """Draws what somebody looks at."""
        robot = self._robot
        return film(lambda: robot.simulated, self.now_ns, self._watched, self._publish_image)

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

    def _wheels(self) -> Wheels | None:
        """The base's, of a robot that has one."""
        simulated = self._robot.simulated
        if simulated.robot.base is None:
            return None
        return lambda forward, yaw: simulated.drive(forward, yaw, time.monotonic_ns())

    def _start(self) -> None:
        """Begins a session, in which the scene may be exchanged."""
        super()._start()
        self.create_service(ResetTask, "driver/reset_task", self._reset_task)

    def _teardown(self) -> None:
        """Ends the camera thread."""
        if self._cameras is not None:
            self._cameras.stop()
            self._cameras = None
        super()._teardown()

    def _tell(self, stamp: Time) -> None:
        """How the attempt goes; empty for a scene without a task."""
        robot = self._robot.simulated
        message = TaskStatus(robot=robot.robot.name)
        message.header.stamp = stamp
        if (judge := robot.judge) is not None:
            verdict = judge.verdict
            message.task, message.seed, message.choice = judge.task.name, judge.seed, judge.index
            message.instruction, message.time_limit = judge.instruction, verdict.time_limit_s
            message.progress, message.success = verdict.progress, verdict.success
            message.elapsed = verdict.elapsed_s
            message.scene_state = array("d", robot.scene_state().tobytes())
        self._tasks.publish(message)

    def _reset_task(
        self, request: ResetTask.Request, response: ResetTask.Response
    ) -> ResetTask.Response:
        """Puts the robot, where a task begins, into a new scene; who led it has to begin anew."""
        try:
            robot = self._simulated(request.task, request.seed, request.choice)
        except ValueError as error:
            response.success, response.message = False, str(error)
            return response
        self._begin_session()
        self._robot.simulated = robot
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
