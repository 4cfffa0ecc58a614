"""The simulated robot as a ROS node, with the topics of a hardware driver.

Publishes ``<view>/image_raw`` (rgb8) and ``joint_states`` (wire units); takes position commands by
joint name on ``joint_commands``, from one publisher only. It holds the robot's pose, and logs why,
until the first command, when commands stop, when one is refused, and while two publishers compete.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Generator

from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import Image, JointState

from dreamzero_policy.nodes import qos
from dreamzero_policy.nodes.lifecycle import Node, run
from dreamzero_policy.nodes.messages import image_message, time_message
from dreamzero_policy.types import Image as Pixels
from sim_driver import robots
from sim_driver.cameras import film
from sim_driver.hardware import SimulatedRobot
from sim_driver.paced import PacedThread
from sim_driver.parameters import SimDriverParameters

_COMMANDS = "joint_commands"


class SimDriverNode(Node[SimDriverParameters]):
    """Steps the simulated robot on the wall clock and passes messages to and from it."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("sim_driver", SimDriverParameters)
        self._cameras: PacedThread | None = None
        self._joints: PacedThread | None = None
        self._hold_logged: str | None = None

    def _setup(self) -> None:
        """Builds the scene, opens the cameras and makes the publishers.

        Raises:
            ValueError: an unknown robot, or a machine that cannot render.
        """
        settings = self.settings
        self._robot = SimulatedRobot(
            robots.get(settings.robot),
            settings.seed,
            time.monotonic_ns(),
            settings.command_timeout_s,
        )
        self._states = self.create_publisher(JointState, "joint_states", qos.STATE)
        self._images: dict[str, LifecyclePublisher] = {
            view.name: self.create_publisher(Image, f"{view.name}/image_raw", qos.CAMERA)
            for view in self._robot.robot.views
        }
        self._cameras = self._paced(
            "cameras",
            settings.camera_hz,
            film(self._robot, self.now_ns, self._watched, self._publish_image),
        )
        self._cameras.start()

    def _paced(self, name: str, hz: float, work: Generator[None, None, None]) -> PacedThread:
        """A thread whose failure ends the process."""
        return PacedThread(name, hz, work, lambda error: self.fail(f"{name} failed: {error!r}"))

    def _start(self) -> None:
        """Begins to step, to publish and to take commands."""
        self.create_subscription(JointState, _COMMANDS, self._take_command, qos.COMMAND)
        self._joints = self._paced("joints", self.settings.joint_state_hz, self._run_joints())
        self._joints.start()

    def _stop(self) -> None:
        """Ends the motion; pictures end because ``accepting`` is false."""
        if self._joints is not None:
            self._joints.stop()
        self._robot.hold("the driver was stopped")

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
            self._log_hold()

    def _log_hold(self) -> None:
        """Says once when the robot begins to hold, why, and when it follows again."""
        reason = self._robot.hold_reason
        if reason == self._hold_logged:
            return
        self._hold_logged = reason
        if reason is None:
            self.get_logger().info("following commands")
        else:
            self.get_logger().warning(f"holding the pose: {reason}")

    def _take_command(self, message: JointState) -> None:
        """Passes a command on, or refuses it and says why; a refused one changes nothing."""
        if not self.accepting:
            return
        try:
            if self._contested():
                return
            self._robot.command(message.name, message.position, time.monotonic_ns())
        except ValueError as error:
            self.get_logger().error(f"command refused: {error}", throttle_duration_sec=1.0)

    def _contested(self) -> bool:
        """Whether more than one node publishes commands; if so the robot holds."""
        topic = self.resolve_topic_name(_COMMANDS)
        count = self.count_publishers(topic)
        if count <= 1:
            return False
        rivals = self.get_publishers_info_by_topic(topic)
        who = ", ".join(sorted(f"{info.node_namespace}/{info.node_name}" for info in rivals))
        self._robot.hold(f"{count} publishers on {topic}")
        self.get_logger().error(
            f"expected one publisher on {topic}, got {count} ({who.replace('//', '/')}); "
            "the robot holds until only one is left",
            throttle_duration_sec=1.0,
        )
        return True

    def _watched(self, view: str) -> bool:
        """Whether to draw a view: the node is active and someone listens."""
        return self.accepting and self._images[view].get_subscription_count() > 0

    def _publish_image(self, view: str, stamp_ns: int, pixels: Pixels) -> None:
        """Publishes a picture; called in the camera thread."""
        self._images[view].publish(image_message(stamp_ns, view, pixels))


def main() -> None:
    """Runs the driver as a process."""
    sys.exit(run(SimDriverNode))
