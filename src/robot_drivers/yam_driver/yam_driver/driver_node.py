"""The node of two YAM arms: what ``driver_base`` says of every driver, with I2RT's arms behind it.

At the start the arms must lie folded, as i2rt leaves them without stiffness for a moment. They are
opened one after the other and hold the pose that they have; nothing moves, except grippers that
``calibrate_grippers`` lets find their stops. At the end they hold until
their loops are closed; 0.4 s later the motors damp and what does not rest sinks. Whoever wants to
support them lets them float first (``controller/release``) and lays them down.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from dreamzero_policy.embodiments.yam import YAM
from dreamzero_policy.ros import realtime
from dreamzero_policy.ros.driver_base import DriverNode
from dreamzero_policy.ros.driver_robot import Mode
from dreamzero_policy.ros.lifecycle import run
from yam_driver import vendor
from yam_driver.arm import Arm, ArmError
from yam_driver.hardware import SIDES, WIDTH, YamRobot
from yam_driver.parameters import YamDriverParameters


class YamDriverNode(DriverNode[YamDriverParameters]):
    """Drives two YAM arms."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("yam_driver", YamDriverParameters)
        self._loops: frozenset[int] = frozenset()

    def _connect(self) -> YamRobot:
        """Opens both arms.

        Raises:
            ValueError: another robot, i2rt missing, wrong or missing buses, gripper ranges neither
                given nor to be found, an arm that is not what it should be.
        """
        settings = self.settings
        if settings.robot != YAM.name:
            raise ValueError(f"parameter robot: expected {YAM.name}, got {settings.robot!r}")
        limits = self._gripper_limits()
        channels = {"left": settings.left_channel, "right": settings.right_channel}
        vendor.check_channels(channels, leads=False)
        before = realtime.threads()
        arms: list[Arm] = []
        try:
            for index, side in enumerate(SIDES):
                channel = channels[side]
                api = vendor.open_arm(
                    channel, settings.arm_type, settings.gripper_type, limits[side]
                )
                joints = YAM.joints[index * WIDTH : (index + 1) * WIDTH]
                try:
                    arm = Arm(api, side, channel, settings.gripper_type, joints)
                except ValueError:
                    api.close()
                    raise
                arms.append(arm)
                closed, opened = arm.gripper_limits
                self.get_logger().info(
                    f"{side} arm on {channel} holds; {side}_gripper_limits: "
                    f"[{closed:.3f}, {opened:.3f}]"
                )
            robot = YamRobot(
                arms,
                settings.command_timeout_s,
                settings.largest_distance,
                time.monotonic_ns(),
            )
        except ValueError:
            self._close(arms)
            raise
        self._loops = realtime.threads() - before
        self._warn_of_turns(arms, limits)
        return robot

    def _warn_of_turns(self, arms: list[Arm], limits: dict[str, tuple[float, ...]]) -> None:
        """Says which grippers have to be looked at, as their limits are of another run."""
        for arm in arms:
            gripper = arm.read(time.monotonic_ns())[0][WIDTH - 1]
            if limits[arm.side] and arm.may_be_a_turn_off(gripper):
                self.get_logger().warning(
                    f"{arm.side} gripper reads {gripper:.2f} (0 closed, 1 open); if that is not "
                    "what you see, its limits are a turn of its motor off: open it half way by "
                    "hand and start again, or calibrate"
                )

    def _gripper_limits(self) -> dict[str, tuple[float, ...]]:
        """Motor angles by side, as set; empty where the gripper is to find them.

        Raises:
            ValueError: one is neither set nor to be found, or is not two numbers.
        """
        given = {
            "left": self.settings.left_gripper_limits,
            "right": self.settings.right_gripper_limits,
        }
        for side, limits in given.items():
            name = f"parameter {side}_gripper_limits"
            if len(limits) not in (0, 2):
                raise ValueError(f"{name}: expected [closed, open] in rad, got {list(limits)}")
            if not limits and not self.settings.calibrate_grippers:
                raise ValueError(
                    f"{name} is not set: with the jaws free, start once with calibrate_grippers "
                    "true, which drives both grippers into their stops, and set what the log says"
                )
        return given

    def _close(self, arms: list[Arm]) -> None:
        """Closes arms after a start that failed."""
        for arm in arms:
            try:
                arm.close()
            except ArmError as error:
                self.get_logger().error(f"could not be closed: {error}")

    def _start(self) -> None:
        """Begins a session; i2rt's loops run before ordinary threads as the driver's own do."""
        super()._start()
        if self.settings.realtime_priority:
            realtime.prioritise(self._loops, self.settings.realtime_priority)

    def _teardown(self) -> None:
        """Says what becomes of the arms, then closes them."""
        robot = self._robot
        if isinstance(robot, YamRobot) and not robot.resting and robot.state[0] != Mode.FAULT:
            self.get_logger().warning(
                "the arms are not folded: in 0.4 s their motors damp and the arms sink; support "
                "them"
            )
        super()._teardown()


def main() -> None:
    """Runs the driver as a process."""
    leave(run(YamDriverNode))


def leave(code: int) -> None:
    """Ends the process, also where a loop of i2rt's goes on: its threads are no daemons."""
    others = [one for one in threading.enumerate() if one is not threading.main_thread()]
    if any(one.is_alive() and not one.daemon for one in others):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
