"""An episode of a dataset as a robot's topics at real rate, to feed the stack without a robot.

Publishes ``<view>/image_raw`` and ``joint_states`` in the driver's units, stamped now, and what was
commanded then on ``recorded_commands``, which nobody obeys. Rows for which the machine is too slow
are left out, so that time never stretches. The process ends with the episode unless it loops.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sensor_msgs.msg import Image, JointState

from dreamzero_policy import embodiments
from dreamzero_policy.datasets.replay_source import ReplayEpisode, open_episode, parse_cameras
from dreamzero_policy.messages.images import image_message
from dreamzero_policy.messages.joints import command_message
from dreamzero_policy.messages.times import time_message
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.diagnostics import Diagnosis, Level
from dreamzero_policy.ros.lifecycle import Node, run
from dreamzero_policy.ros.parameters import REQUIRED, NodeParameters, parameter
from dreamzero_policy.types import NS_PER_S
from dreamzero_policy.types import Image as Pixels


@dataclass(frozen=True, kw_only=True)
class ReplayParameters(NodeParameters):
    """What a user may set."""

    dataset: str = parameter(REQUIRED, "Folder of a LeRobot dataset or of DROID's raw episodes.")
    episode: int = parameter(0, "Number of the episode.", at_least=0)
    speed: float = parameter(1.0, "Rows per recorded row of time.", at_least=0.05, at_most=10.0)
    loop: bool = parameter(False, "Begin again after the last row.")
    cameras: tuple[str, ...] = parameter(
        (), "The dataset's column of a view as view=column, where it is not the checkpoint's key."
    )


class ReplayNode(Node[ReplayParameters]):
    """Publishes one row after the other."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("replay", ReplayParameters)

    def _setup(self) -> None:
        """Opens the episode.

        Raises:
            ValueError: it cannot be shown as this robot.
        """
        settings = self.settings
        self._robot = embodiments.get(settings.robot)
        cameras = parse_cameras(settings.cameras, self._robot)
        self._episode: ReplayEpisode = open_episode(
            Path(settings.dataset), self._robot, settings.episode, cameras
        )
        self._states = self.create_publisher(JointState, "joint_states", qos.STATE)
        self._recorded = self.create_publisher(JointState, "recorded_commands", qos.STATE)
        self._images = {
            view: self.create_publisher(Image, f"{view}/image_raw", qos.CAMERA)
            for view in self._episode.pictures
        }
        self._published = self._left_out = 0

    def _start(self) -> None:
        """Begins with the first row."""
        self._rewind()
        length_s = len(self._episode) / self._episode.fps
        self.get_logger().info(
            f"{self._episode.name}: {len(self._episode)} rows, {length_s:.1f} s; "
            f'instruction "{self._episode.instructions[0]}"'
        )
        self._timer = self.create_timer(1 / (self._episode.fps * self.settings.speed), self._show)

    def _stop(self) -> None:
        """Shows no further row."""
        self.destroy_timer(self._timer)

    def _rewind(self) -> None:
        self._begun_ns, self._next, self._said = time.monotonic_ns(), 0, ""
        self._frames: dict[str, Iterator[Pixels]] = {
            view: iter(begin()) for view, begin in self._episode.pictures.items()
        }

    def _show(self) -> None:
        """Publishes the newest row that is due."""
        elapsed_s = (time.monotonic_ns() - self._begun_ns) / NS_PER_S
        due = round(elapsed_s * self._episode.fps * self.settings.speed)
        if due < self._next:
            return
        if due >= len(self._episode):
            self._finish()
            return
        skipped, self._next = due - self._next, due + 1
        self._left_out += skipped
        stamp_ns = self.now_ns()
        for view, frames in self._frames.items():
            picture = next(islice(frames, skipped, None), None)
            if picture is None:
                self.fail(f"{view}: the video ends at row {due}")
                return
            self._images[view].publish(image_message(stamp_ns, view, picture))
        self._publish_joints(due, stamp_ns)
        self._published += 1
        if (text := self._episode.instructions[due]) != self._said:
            self._said = text
            self.get_logger().info(f'row {due}: instruction "{text}"')

    def _publish_joints(self, row: int, stamp_ns: int) -> None:
        joints = [self._robot.joint(name) for name in self._robot.state_joints]
        pairs = zip(joints, self._episode.states[row].tolist(), strict=True)
        message = JointState(
            name=list(self._robot.state_joints),
            position=array("d", [joint.state_wire.to_wire(value) for joint, value in pairs]),
        )
        message.header.stamp = time_message(stamp_ns)
        self._states.publish(message)
        if self._episode.actions is not None:
            action = self._episode.actions[row]
            self._recorded.publish(command_message(self._robot, stamp_ns, action))

    def _finish(self) -> None:
        if self.settings.loop:
            self._rewind()
            return
        self.get_logger().info(
            f"the episode has ended: {self._published} rows shown, {self._left_out} left out"
        )
        self.end()

    def _diagnose(self) -> list[Diagnosis]:
        """How far it is, and whether the machine keeps up."""
        late = self._left_out > 0.05 * max(1, self._published)
        level, text = (Level.WARN, "too slow: rows left out") if late else (Level.OK, "showing")
        values = {"rows": self._published, "left_out": self._left_out, "of": len(self._episode)}
        return [Diagnosis("replay", level, text, values)]


def main() -> int:
    """Runs the node as this process."""
    return run(ReplayNode)
