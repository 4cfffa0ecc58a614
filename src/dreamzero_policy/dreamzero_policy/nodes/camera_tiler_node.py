"""Camera topics in, one canvas at the policy's frame rate out.

At every instant of the canvas grid each view gives its newest image not later than the instant. A
canvas with a missing or stale view is not published, and the log says which view and why. The first
image of every view is converted at once: an encoding or a size that cannot be ends the process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from dreamzero_msgs import msg as dz
from sensor_msgs.msg import CompressedImage, Image

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.nodes import qos
from dreamzero_policy.nodes.images import rgb
from dreamzero_policy.nodes.lifecycle import Node, run
from dreamzero_policy.nodes.messages import Canvas, canvas_message, nanoseconds
from dreamzero_policy.nodes.parameters import NodeParameters, parameter
from dreamzero_policy.observation.sync import Alignment, Grid, Instants, TimeBuffer, align, settled
from dreamzero_policy.observation.views import Tiler
from dreamzero_policy.types import NS_PER_S
from dreamzero_policy.types import Image as Pixels

_KEPT = 8
"""Images kept per view; at 60 Hz they span more than the longest wait."""

_LEAST_SIDE = 16
"""Smallest view [pixels]."""

_REPORT_EVERY_S = 2.0
"""Least time between two reports of the same kind."""


@dataclass(frozen=True, kw_only=True)
class CameraTilerParameters(NodeParameters):
    """What an installation may set."""

    compressed_views: tuple[str, ...] = parameter(
        (), "Views that come as CompressedImage on <view>/image_raw/compressed."
    )
    settle_s: float = parameter(
        0.04,
        "How long after an instant an image for it is waited for [s].",
        at_least=0.0,
        at_most=0.1,
    )
    max_image_age_s: float = parameter(
        0.2, "An image older than that at the instant is stale [s].", at_least=0.12, at_most=2.0
    )
    frame_hz: float = parameter(
        0.0,
        "Canvases per second; 0 for the robot's own. A checkpoint with another time base needs it.",
        at_least=0.0,
        at_most=30.0,
    )
    view_size: tuple[int, ...] = parameter(
        (0, 0),
        "Height and width of a view in the canvas [pixels]; 0, 0 for the robot's own. A checkpoint "
        "with another size needs it.",
        at_least=0,
        at_most=1024,
    )

    def robot_layout(self) -> Embodiment:
        """The robot with views of the size that is set.

        Raises:
            ValueError: an unknown robot, or a size that is not two sides.
        """
        robot, size = embodiments.get(self.robot), self.view_size
        if size == (0, 0):
            return robot
        if len(size) != 2 or min(size) < _LEAST_SIDE:
            raise ValueError(
                f"parameter view_size: expected height and width of at least {_LEAST_SIDE} pixels, "
                f"or 0 and 0 for the robot's own, got {list(size)}"
            )
        return replace(robot, view_size=size)


class CameraTiler(Node[CameraTilerParameters]):
    """Aligns, crops, resizes and tiles the cameras."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("camera_tiler", CameraTilerParameters)

    def _setup(self) -> None:
        """Subscribes to every view of the robot."""
        settings, robot = self.settings, self.settings.robot_layout()
        names = [view.name for view in robot.views]
        unknown = sorted(set(settings.compressed_views) - set(names))
        if unknown:
            raise ValueError(f"parameter compressed_views: expected some of {names}, got {unknown}")
        grid = Grid.of_frames(robot.time_base)
        if settings.frame_hz:
            grid = Grid(Fraction(settings.frame_hz).limit_denominator(100))
        self._max_age_ns = round(settings.max_image_age_s * NS_PER_S)
        self._instants = Instants(grid, round(settings.settle_s * NS_PER_S), self._max_age_ns)
        self._tiler = Tiler(robot)
        self._images = {name: TimeBuffer[Image | CompressedImage](_KEPT) for name in names}
        self._topics: dict[str, str] = {}
        self._seen: set[str] = set()
        self._withheld = 0
        for name in names:
            compressed = name in settings.compressed_views
            subscription = self.create_subscription(
                CompressedImage if compressed else Image,
                f"{name}/image_raw/compressed" if compressed else f"{name}/image_raw",
                partial(self._take, name),
                qos.CAMERA,
            )
            self._topics[name] = subscription.topic_name
        self._canvases = self.create_publisher(dz.Canvas, "canvas", qos.CANVAS)
        self._pictures = self.create_publisher(Image, "canvas/image", qos.PICTURE)

    def _start(self) -> None:
        """Begins with the next instant."""
        self._timer = self.create_timer(1.0, self._serve)
        self._serve()

    def _stop(self) -> None:
        """Serves no further instant."""
        self.destroy_timer(self._timer)

    def _take(self, view: str, message: Image | CompressedImage) -> None:
        """Keeps an image; the first of a view must be one that a tile can be made of."""
        if not self.accepting:
            return
        if view not in self._seen:
            try:
                self._tile(view, message)
            except ValueError as error:
                self.fail(f"{view} cannot be used: {error}")
                return
            self._seen.add(view)
        if not self._images[view].append(nanoseconds(message.header.stamp), message):
            self.get_logger().warning(
                f"{self._topics[view]}: an image whose stamp does not advance was refused",
                throttle_duration_sec=_REPORT_EVERY_S,
            )
        self._serve()

    def _tile(self, view: str, message: Image | CompressedImage) -> Pixels:
        topic = self._topics[view]
        return self._tiler.view(rgb(message, topic), topic)

    def _serve(self) -> None:
        """Publishes the canvases that are due and wakes up for the next."""
        if not self.accepting:
            return
        for instant in self._instants.due(self.now_ns(), partial(settled, self._images)):
            aligned = align(self._images, instant, self._max_age_ns)
            if aligned.complete:
                self._publish(aligned)
            else:
                self._withhold("; ".join(map(str, aligned.problems)))
        self._timer.timer_period_ns = self._instants.wait_ns(self.now_ns(), early=True)
        self._timer.reset()

    def _publish(self, aligned: Alignment[Image | CompressedImage]) -> None:
        try:
            tiles = {name: self._tile(name, view.value) for name, view in aligned.views.items()}
        except ValueError as error:
            self._withhold(str(error))
            return
        stamps = {name: view.stamp_ns for name, view in aligned.views.items()}
        message = canvas_message(Canvas(aligned.instant_ns, self._tiler.compose(tiles), stamps))
        self._canvases.publish(message)
        if self._pictures.get_subscription_count():
            self._pictures.publish(message.image)
        if self._withheld:
            self.get_logger().info(f"canvases again after {self._withheld} without")
            self._withheld = 0

    def _withhold(self, why: str) -> None:
        """Says why there is no canvas at an instant."""
        self._withheld += 1
        self.get_logger().warning(
            f"no canvas: {why} ({self._withheld} in a row)", throttle_duration_sec=_REPORT_EVERY_S
        )


def main() -> int:
    """Runs the node as this process."""
    return run(CameraTiler)
