"""Camera topics in, one canvas at the policy's frame rate out.

At every instant of the canvas grid each view gives its newest image not later than the instant. A
canvas with a missing, stale or frozen view is not published, and the log says which view and why.
The first image of every view is converted at once: an encoding or a size that cannot be ends the
process. An image of another camera than the view's is refused, and so is a damaged one.
"""

from __future__ import annotations

import time
from collections import Counter
from functools import partial

from dreamzero_msgs import msg as dz
from sensor_msgs.msg import CompressedImage, Image

from dreamzero_policy.messages.images import Canvas, canvas_message, image_message
from dreamzero_policy.messages.joints import proprioception_from_message
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.observation.frame_ids import FrameIds, parse_frame_ids
from dreamzero_policy.observation.frozen import FrozenView, PictureWatch
from dreamzero_policy.observation.images import Undecodable, rgb
from dreamzero_policy.observation.sync import (
    Alignment,
    Grid,
    Instants,
    MissingView,
    TimeBuffer,
    align,
    settled,
)
from dreamzero_policy.observation.views import Tiler
from dreamzero_policy.parameters.camera_tiler_parameters import CameraTilerParameters
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.diagnostics import Diagnosis, Rates
from dreamzero_policy.ros.lifecycle import Node, run
from dreamzero_policy.ros.polled import Polled
from dreamzero_policy.statuses.observation_diagnostics import input_diagnosis, output_diagnosis
from dreamzero_policy.types import NS_PER_S
from dreamzero_policy.types import Image as Pixels

_KEPT = 8
"""Images kept per view; at 60 Hz they span more than the longest wait."""

_REPORT_EVERY_S = 2.0
"""Least time between two reports of the same kind."""

_REASONS = ("wrong_camera", "frozen", "missing", "stale", "unusable")
"""Why a canvas is withheld; of several the first."""


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
        grid = Grid.of_frames(robot.time_base, settings.frame_hz)
        self._max_age_ns = round(settings.max_image_age_s * NS_PER_S)
        self._nominal_hz = float(grid.hz)
        self._instants = Instants(grid, round(settings.settle_s * NS_PER_S), self._max_age_ns)
        self._tiler = Tiler(robot)
        self._images = {name: TimeBuffer[Image | CompressedImage](_KEPT) for name in names}
        self._topics: dict[str, str] = {}
        self._seen: set[str] = set()
        self._joints = robot.state_joints
        self._frame_ids = FrameIds(names, parse_frame_ids(settings.frame_ids, names))
        self._watch = PictureWatch(
            robot,
            round(settings.frozen_after_s * NS_PER_S),
            settings.frozen_motion,
            settings.still_views,
        )
        self._refusals: dict[str, str] = {}  # by view, while its images come from another camera
        self._withheld, self._why = 0, ""
        self._withheld_for: Counter[str] = Counter()
        self._counts = dict.fromkeys([*names, "canvases"], 0)
        self._rates = Rates()
        self._states = Polled(self, dz.Proprioception, "proprioception", qos.STATE_NEWEST)
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
        """Begins with the next instant; which camera is which is learned anew."""
        self._frame_ids.clear()
        self._watch.clear()
        self._refusals.clear()
        self._timer = self.create_timer(1.0, self._serve)
        self._serve()

    def _stop(self) -> None:
        """Serves no further instant."""
        self.destroy_timer(self._timer)

    def _take(self, view: str, message: Image | CompressedImage) -> None:
        """Keeps an image; the first of a view must be one that a tile can be made of."""
        if not self.accepting:
            return
        self._counts[view] += 1
        refusal = self._frame_ids.refusal(view, message.header.frame_id)
        if refusal:
            self._refusals[view] = refusal
            self.get_logger().error(refusal, throttle_duration_sec=_REPORT_EVERY_S)
            return
        self._refusals.pop(view, None)
        if view not in self._seen:
            try:
                self._tile(view, message)
            except Undecodable:  # the next may be whole; until then its canvases are withheld
                pass
            except ValueError as error:
                self.fail(f"{view} cannot be used: {error}")
                return
            else:
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
                self._withhold_incomplete(aligned)
        self._timer.timer_period_ns = self._instants.wait_ns(self.now_ns(), early=True)
        self._timer.reset()

    def _publish(self, aligned: Alignment[Image | CompressedImage]) -> None:
        try:
            tiles = {name: self._tile(name, view.value) for name, view in aligned.views.items()}
        except ValueError as error:
            self._withhold("unusable", str(error))
            return
        for name, view in aligned.views.items():
            self._watch.saw(name, view.stamp_ns, tiles[name])
        if self._watch.needs_poses:
            self._follow_motion()
        if frozen := self._watch.frozen():
            self._withhold("frozen", "; ".join(map(str, frozen)))
            return
        stamps = {name: view.stamp_ns for name, view in aligned.views.items()}
        canvas = Canvas(aligned.instant_ns, self._tiler.compose(tiles), stamps)
        settings = self.settings
        self._canvases.publish(
            canvas_message(canvas, encoding=settings.canvas_encoding, quality=settings.jpeg_quality)
        )
        self._counts["canvases"] += 1
        if self._pictures.get_subscription_count():
            self._pictures.publish(image_message(canvas.stamp_ns, "canvas", canvas.image))
        if self._withheld:
            self.get_logger().info(f"canvases again after {self._withheld} without")
            self._withheld = 0

    def _follow_motion(self) -> None:
        """Tells the watch where the robot is."""
        message = self._states.take()
        if message is None:
            return
        try:
            state = proprioception_from_message(message)
        except ValueError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=_REPORT_EVERY_S)
            return
        if state.names == self._joints:  # what does not fit is the policy's to complain of
            self._watch.moved(state.stamp_ns, state.positions)

    def _withhold_incomplete(self, aligned: Alignment[Image | CompressedImage]) -> None:
        """Withholds a canvas that lacks views: they may have images, but of another camera."""
        reasons, texts = set(), []
        for problem in aligned.problems:
            refusal = self._refusals.get(problem.view)
            kind = "missing" if isinstance(problem, MissingView) else "stale"
            reasons.add("wrong_camera" if refusal else kind)
            texts.append(f"{problem}, since {refusal}" if refusal else str(problem))
        self._withhold(min(reasons, key=_REASONS.index), "; ".join(texts))

    def _withhold(self, reason: str, why: str) -> None:
        """Says why there is no canvas at an instant.

        Args:
            reason: one of ``_REASONS``.
            why: the same for people.
        """
        self._withheld, self._why = self._withheld + 1, why
        self._withheld_for[reason] += 1
        self.get_logger().warning(
            f"no canvas: {why} ({self._withheld} in a row)", throttle_duration_sec=_REPORT_EVERY_S
        )

    def _diagnose(self) -> list[Diagnosis]:
        """Every view, then the canvases."""
        rates = self._rates.per_second(self._counts, time.monotonic_ns())
        frozen = {found.view: found for found in self._watch.frozen()}
        shared = self._frame_ids.shared()
        found = [self._diagnose_view(view, rates[view], frozen, shared) for view in self._images]
        found.append(
            output_diagnosis(
                "canvases",
                rate_hz=rates["canvases"],
                nominal_hz=self._nominal_hz,
                withheld=self._withheld,
                why=self._why,
                values={
                    "made": self._counts["canvases"],
                    "skipped": self._instants.skipped,
                    **{f"withheld_{reason}": self._withheld_for[reason] for reason in _REASONS},
                },
            )
        )
        return found

    def _diagnose_view(
        self,
        view: str,
        rate_hz: float,
        frozen: dict[str, FrozenView],
        shared: list[tuple[str, str]],
    ) -> Diagnosis:
        """One camera: rate, age, and whether it shows what it should."""
        buffer, watch = self._images[view], self._watch
        twins = [pair for pair in shared if view in pair]
        return input_diagnosis(
            f"view {view}",
            age_s=buffer.newest and (self.now_ns() - buffer.newest[0]) / NS_PER_S,
            max_age_s=self._max_age_ns / NS_PER_S,
            rate_hz=rate_hz,
            errors=[
                *([self._refusals[view]] if view in self._refusals else []),
                *([str(frozen[view])] if view in frozen else []),
            ],
            warnings=[
                *(["black"] if view in watch.dark() else []),
                *(
                    f"{one} and {other} have one frame_id: one camera twice?"
                    for one, other in twins
                ),
            ],
            values={
                "topic": self._topics[view],
                "frame_id": self._frame_ids.pinned(view) or "",
                "unchanged_s": watch.unchanged_s(view),
                "stamps_refused": buffer.refused,
            },
        )


def main() -> int:
    """Runs the node as this process."""
    return run(CameraTiler)
