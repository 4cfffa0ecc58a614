"""The simulated robot as a ROS node, with the topics of a hardware driver.

Publishes ``<view>/image_raw`` (rgb8) and ``joint_states`` (wire units); takes position commands by
joint name on ``joint_commands``, from one publisher only. It holds the robot's pose, and logs why,
until the first command, when commands stop, when one is refused, and while two publishers compete.
"""

from __future__ import annotations

import sys
import time
from array import array

from dreamzero_policy.nodes import qos
from dreamzero_policy.nodes.lifecycle import Node, run
from dreamzero_policy.nodes.messages import image_message, time_message
from dreamzero_policy.types import Image as Pixels
from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import Image, JointState

from sim_driver import robots
from sim_driver.filming import Filming
from sim_driver.hardware import SimulatedRobot
from sim_driver.parameters import SimDriverParameters

_COMMANDS = "joint_commands"


class SimDriverNode(Node[SimDriverParameters]):
    """Steps the simulated robot on the wall clock and passes messages to and from it."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("sim_driver", SimDriverParameters)
        self._filming: Filming | None = None
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
        self._state = JointState(name=list(self._robot.joint_names))
        self._filming = Filming(
            self._robot, settings.camera_hz, self.now_ns, self._watched, self._publish_image
        )
        self._filming.start()

    def _start(self) -> None:
        """Begins to step, to publish and to take commands."""
        self.create_subscription(JointState, _COMMANDS, self._take_command, qos.COMMAND)
        self.create_timer(1.0 / self.settings.joint_state_hz, self._tick)

    def _stop(self) -> None:
        """Holds the pose; pictures end because ``accepting`` is false."""
        self._robot.hold("the driver was stopped")

    def _teardown(self) -> None:
        """Ends the camera thread."""
        if self._filming is not None:
            self._filming.stop()
            self._filming = None

    def _tick(self) -> None:
        """Brings the physics up to now and publishes the joints."""
        if not self.accepting:
            return
        self._robot.advance(time.monotonic_ns())
        reading = self._robot.read()
        self._state.header.stamp = time_message(self.now_ns())
        self._state.position = array("d", reading.positions.tobytes())
        self._state.velocity = array("d", reading.velocities.tobytes())
        self._states.publish(self._state)
        self._log_hold()
        if self._filming is not None and self._filming.failure is not None:
            self.fail(f"the simulated cameras failed: {self._filming.failure!r}")

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
