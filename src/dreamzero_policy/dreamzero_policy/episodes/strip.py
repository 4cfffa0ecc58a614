"""What the model would see at some instants of an episode, also where a camera is missing."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from dreamzero_policy.conversion.resample import camera_stream
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.data.streams import Stream
from dreamzero_policy.observation.views import Tiler
from dreamzero_policy.types import NS_PER_S, Image

_OLDEST_NS = NS_PER_S
_GREY, _INK = 200, (150, 40, 40)


def canvases(episode: Episode, instants_ns: Sequence[int]) -> list[Image]:
    """The canvas at each instant, by the code of the live node.

    A view without a picture of the last second is a grey tile that says so.

    Args:
        episode: whose robot is known.
        instants_ns: log times.

    Returns:
        [H, W, 3] uint8 each.
    """
    robot = episode.embodiment
    tiler, streams = Tiler(robot), _streams(episode)
    tiles = (
        {
            view.name: _tile(tiler, view.name, streams.get(view.name), instant, robot.view_size)
            for view in robot.views
        }
        for instant in instants_ns
    )
    return [tiler.compose(one) for one in tiles]


def _streams(episode: Episode) -> dict[str, Stream]:
    found = {}
    for view in episode.embodiment.views:
        try:
            found[view.name] = camera_stream(episode, view.name)
        except BagError:
            continue
    return found


def _tile(
    tiler: Tiler, view: str, stream: Stream | None, instant_ns: int, size: tuple[int, int]
) -> Image:
    index = -1 if stream is None else stream.newest_until(instant_ns)
    if stream is None or index < 0:
        return _empty(size, f"{view}: none")
    age_ns = instant_ns - int(stream.log_ns[index])
    if age_ns > _OLDEST_NS:
        return _empty(size, f"{view}: none for {age_ns / NS_PER_S:.1f} s")
    try:
        return tiler.view(stream.picture(index), view)
    except ValueError:
        return _empty(size, f"{view}: unreadable")


def _empty(size: tuple[int, int], text: str) -> Image:
    tile = np.full((*size, 3), _GREY, np.uint8)
    place = (4, size[0] // 2)
    return cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, size[1] / 420, _INK, 1)
