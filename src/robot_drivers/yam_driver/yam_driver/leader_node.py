"""The node of two leader arms: a human's pose as ``teleop/joint_commands`` while the clutch is in.

The clutch goes in and out with the button of either leader, or with ``teleop/engage``; a leader
that is lost takes it out. The controller takes over when the human's pose is near the robot's, and
ramps; it has everything back once the stream ends.
"""

from __future__ import annotations

import time

import numpy as np
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from dreamzero_policy.embodiments.yam import YAM
from dreamzero_policy.messages.times import time_message
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.clutch import Clutch
from dreamzero_policy.ros.diagnostics import Diagnosis, Level, Rates
from dreamzero_policy.ros.lifecycle import Node, run
from yam_driver import vendor
from yam_driver.driver_node import leave
from yam_driver.hardware import SIDES
from yam_driver.leaders import Leader, LeaderError, PassiveGello, TeachingHandle
from yam_driver.parameters import YamLeaderParameters

_LOWER = np.array([joint.lower for joint in YAM.joints])
_UPPER = np.array([joint.upper for joint in YAM.joints])


class YamLeaderNode(Node[YamLeaderParameters]):
    """Reads two leader arms and says where they are while the clutch is in."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("yam_leader", YamLeaderParameters)
        self._leaders: list[Leader] = []
        self._clutch = Clutch()
        self._lost = ""
        self._sent = 0
        self._rates = Rates()

    def _setup(self) -> None:
        """Opens both leaders.

        Raises:
            ValueError: another robot, i2rt missing, wrong or missing buses, wrong signs.
        """
        settings = self.settings
        if settings.robot != YAM.name:
            raise ValueError(f"parameter robot: expected {YAM.name}, got {settings.robot!r}")
        channels = {"left": settings.left_channel, "right": settings.right_channel}
        vendor.check_channels(channels, leads=True)
        signs = {"left": settings.left_signs, "right": settings.right_signs}
        for side in SIDES:
            self._leaders.append(self._open(side, channels[side], signs[side]))
        self._targets = self.create_publisher(JointState, "teleop/joint_commands", qos.TARGETS)

    def _open(self, side: str, channel: str, signs: tuple[int, ...]) -> Leader:
        if self.settings.kind == "teaching_handle":
            return TeachingHandle(vendor.open_handle(channel, self.settings.arm_type), side)
        encoders = vendor.open_encoders(channel)
        return PassiveGello(encoders, side, signs, self.settings.trigger_travel, time.monotonic_ns)

    def _start(self) -> None:
        """Begins to read, with the clutch out."""
        self._clutch, self._lost = Clutch(), ""
        self.create_service(SetBool, "teleop/engage", self._engage)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(1.0 / self.settings.hz, self._tick, clock=steady)

    def _stop(self) -> None:
        """Ends the stream."""
        self._clutch.engaged = False
        self._timer.cancel()

    def _teardown(self) -> None:
        """Ends the reading."""
        for leader in self._leaders:
            leader.close()
        self._leaders.clear()

    def _tick(self) -> None:
        """Reads both leaders; publishes while the clutch is in."""
        now_ns, ros_ns = time.monotonic_ns(), self.now_ns()
        was = self._clutch.engaged
        try:
            held = [leader.read(now_ns) for leader in self._leaders]
        except LeaderError as error:
            self._lose(str(error))
            return
        self._lost = ""
        engaged = self._clutch.take(any(one.pressed for one in held))
        if engaged != was:
            self.get_logger().info(f"clutch {'in' if engaged else 'out'}")
        if not engaged:
            return
        pose = np.concatenate([[*one.joints, one.gripper] for one in held])
        # A leader may stand a little beyond what the robot's joints can; it is asked no more.
        wire = [
            joint.command_wire.to_wire(value)
            for joint, value in zip(YAM.joints, np.clip(pose, _LOWER, _UPPER).tolist(), strict=True)
        ]
        message = JointState(name=[joint.name for joint in YAM.joints], position=wire)
        message.header.stamp = time_message(ros_ns)
        self._targets.publish(message)
        self._sent += 1

    def _lose(self, reason: str) -> None:
        """Takes the clutch out; it stays out when the leader is back."""
        if reason != self._lost:
            self.get_logger().error(f"clutch out: {reason}")
        self._lost, self._clutch.engaged = reason, False

    def _engage(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Puts the clutch in or takes it out."""
        response.success = not (request.data and self._lost)
        if response.success:
            self._clutch.engaged = request.data
        response.message = self._lost or f"clutch {'in' if request.data else 'out'}"
        return response

    def _diagnose(self) -> list[Diagnosis]:
        """Whether the leaders are heard, and whether they lead."""
        rates = self._rates.per_second({"targets": self._sent}, time.monotonic_ns())
        text = self._lost or f"clutch {'in' if self._clutch.engaged else 'out'}"
        level = Level.ERROR if self._lost else Level.OK
        return [Diagnosis("leaders", level, text, {"targets_hz": rates["targets"]})]


def main() -> None:
    """Runs the leaders' node as a process."""
    leave(run(YamLeaderNode))
