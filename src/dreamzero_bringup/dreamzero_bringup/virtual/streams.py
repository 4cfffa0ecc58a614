"""What the live graph would publish, said to a recorder by name, stamped in virtual time.

The streams are those of a teleoperated run: cameras, joints, commands, proprioception, the human's
targets, who leads, and the driver. ``controller_status`` is left out: it tells of processes and
clocks that are not there.
"""

from __future__ import annotations

from array import array

from dreamzero_msgs import msg as dz
from sensor_msgs.msg import JointState

from dreamzero_bringup.virtual.encoding import Encoder
from dreamzero_bringup.virtual.rig import Rig
from dreamzero_policy.control.report import Authority, DriverMode, Tick
from dreamzero_policy.messages.images import image_message
from dreamzero_policy.messages.joints import (
    Proprioception,
    base_message,
    command_message,
    proprioception_message,
)
from dreamzero_policy.messages.times import time_message
from dreamzero_policy.recording.recorder import Recorder
from dreamzero_policy.types import Float, Image

_STATUS_TICKS = 3  # ten times a second


class Streams:
    """Says what happens in a rig to a recorder.

    Args:
        rig: whose streams they are.
        recorder: that takes them.
        encode: to bytes.
    """

    def __init__(self, rig: Rig, recorder: Recorder, encode: Encoder) -> None:
        self._rig, self._recorder, self._encode = rig, recorder, encode
        self._session = rig.now_ns
        self._ticks = self._commands = 0
        self._leader: Authority | None = None
        self._leader_ns = rig.now_ns

    def measured(self) -> None:
        """Joints and proprioception as of now."""
        rig = self._rig
        names, reading = rig.scene.joints
        joints = JointState(
            name=list(names),
            position=array("d", reading.positions.tobytes()),
            velocity=array("d", reading.velocities.tobytes()),
        )
        joints.header.stamp = time_message(rig.now_ns)
        self._say("joint_states", joints, rig.now_ns)
        state = rig.measured
        vector = Proprioception(
            state.stamp_ns,
            rig.robot.state_joints,
            state.positions,
            state.velocities,
            {f"/{source}": age for source, age in state.ages_ns.items()},
        )
        self._say("proprioception", proprioception_message(vector), rig.now_ns)

    def pictures(self, pictures: dict[str, Image]) -> None:
        """Every view [H, W, 3] uint8 as of now."""
        for view, pixels in pictures.items():
            message = image_message(self._rig.now_ns, view, pixels)
            self._say(f"{view}/image_raw", message, self._rig.now_ns)

    def target(self, target: Float) -> None:
        """What a human wants now: [A] model units."""
        message = command_message(self._rig.robot, self._rig.now_ns, target)
        self._say("teleop/joint_commands", message, self._rig.now_ns)

    def decided(self, tick: Tick, now_ns: int) -> None:
        """What the controller decided: the command, who leads, what the driver does."""
        robot = self._rig.robot
        if tick.command is not None:
            command = command_message(robot, now_ns, tick.command, self._session)
            self._say("joint_commands", command, now_ns)
            if (base := base_message(robot, tick.command)) is not None:
                self._say("base_command", base, now_ns)
            self._commands += 1
        if tick.authority != self._leader:
            self._leader, self._leader_ns = tick.authority, now_ns
            self._status(tick, now_ns)
        elif self._ticks % _STATUS_TICKS == 0:
            self._status(tick, now_ns)
        self._ticks += 1

    def _status(self, tick: Tick, now_ns: int) -> None:
        leads = dz.Authority(source=int(tick.authority))
        leads.header.stamp = time_message(self._leader_ns)
        self._say("authority", leads, now_ns)
        following = tick.command is not None
        driver = dz.DriverStatus(
            session_id=self._session,
            mode=int(DriverMode.FOLLOWING if following else DriverMode.HOLDING),
            message="" if following else "no command yet",
            commands_taken=self._commands,
        )
        driver.header.stamp = time_message(now_ns)
        self._say("driver_status", driver, now_ns)

    def _say(self, name: str, message: object, now_ns: int) -> None:
        self._recorder.take(name, self._encode(message), now_ns, now_ns)
