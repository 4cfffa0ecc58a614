"""What one topic brought while somebody listened, message by message, and what it amounts to."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from dreamzero_msgs.msg import DriverStatus
from sensor_msgs.msg import CompressedImage, Image, JointState

from dreamzero_bringup.facts.live_facts import Camera, Joints, Stream
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.observation.images import rgb
from dreamzero_policy.types import NS_PER_S


class Heard:
    """Arrival and stamp of every message of a topic, and the newest message.

    Attributes:
        newest: the newest message, None before the first.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        """Takes the clock that arrivals are read from."""
        self._now_ns = now_ns
        self.newest: object = None
        self.forget()

    def forget(self) -> None:
        """Begins anew; ``newest`` stays."""
        self._arrivals: list[int] = []
        self._stamps: list[int] = []
        self._began = self._now_ns()

    def take(self, message: object) -> None:
        """Notes a message; one without a header has no stamp."""
        header = getattr(message, "header", None)
        if header is not None:
            self._stamps.append(nanoseconds(header.stamp))
        self._arrivals.append(self._now_ns())
        self.newest = message

    def stream(self, topic: str, **known: object) -> Stream:
        """Rates and ages up to now; ``known`` is what the graph says of the topic."""
        arrivals, stamps = list(self._arrivals), list(self._stamps)
        # By stamps, where there are any: a late arrival may be this process's own doing.
        instants = stamps or arrivals
        gaps = [later - sooner for sooner, later in pairwise(instants)]
        ends = [self._began, *arrivals[:1], *arrivals[-1:], self._now_ns()]
        gaps += [ends[1] - ends[0], ends[-1] - ends[-2]]
        span = arrivals[-1] - arrivals[0] if len(arrivals) > 1 else 0
        return Stream(
            topic,
            count=len(arrivals),
            rate_hz=(len(arrivals) - 1) * NS_PER_S / span if span > 0 else 0.0,
            gap_s=max(gaps) / NS_PER_S,
            ages_s=tuple(
                (came - stamp) / NS_PER_S for came, stamp in zip(arrivals, stamps, strict=False)
            ),
            standing_stamps=sum(later <= sooner for sooner, later in pairwise(stamps)),
            **known,
        )


class HeardCamera(Heard):
    """Images; of each only its size and a checksum are kept."""

    def forget(self) -> None:
        """Begins anew."""
        super().forget()
        self._sizes: dict[tuple[int, int], None] = {}
        self._sums: set[int] = set()

    def take(self, message: Image | CompressedImage) -> None:
        """Notes an image."""
        super().take(message)
        self._sums.add(zlib.crc32(message.data))
        if isinstance(message, Image):
            self._sizes[(message.width, message.height)] = None

    def camera(self, stream: Stream, alternatives: tuple[str, ...]) -> Camera:
        """What the images amount to."""
        image = self.newest
        if image is None:
            return Camera(stream, alternatives)
        sizes, brightest, spread, error = tuple(self._sizes), 255.0, 255.0, ""
        try:
            pixels = rgb(image, stream.topic)
        except ValueError as problem:
            error = str(problem)
        else:
            sizes = sizes or ((pixels.shape[1], pixels.shape[0]),)
            brightest, spread = float(np.percentile(pixels, 99)), float(pixels.std())
        return Camera(
            stream,
            alternatives,
            sizes,
            encoding=image.encoding if isinstance(image, Image) else image.format,
            frame_id=image.header.frame_id,
            error=error,
            pictures=len(self._sums),
            brightest=brightest,
            spread=spread,
        )


class HeardDriver(Heard):
    """Status reports of a driver.

    Attributes:
        sessions: every session that was named, in order.
    """

    def forget(self) -> None:
        """Begins anew."""
        super().forget()
        self.sessions: dict[int, None] = {}

    def take(self, message: DriverStatus) -> None:
        """Notes a report."""
        super().take(message)
        self.sessions[message.session_id] = None


def joints(heard: Heard, stream: Stream, alternatives: tuple[str, ...]) -> Joints:
    """What joint states amount to."""
    message = heard.newest
    if not isinstance(message, JointState):
        return Joints(stream, alternatives)
    return Joints(stream, alternatives, tuple(message.name), tuple(message.position))
