"""Files of a piece: its rows as a table, and a video of every view."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dreamzero_policy.conversion.pieces import Piece
from dreamzero_policy.conversion.resample import camera_stream
from dreamzero_policy.conversion.rows import Rows
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.datasets.layout import ACTION, AGES, STAMP, STATE
from dreamzero_policy.datasets.source_episode import INSTRUCTION
from dreamzero_policy.datasets.video import VideoWriter
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.observation.views import Tiler
from dreamzero_policy.types import NS_PER_S, Image

_SAMPLED = 10
"""Every so many rows a picture is looked at for the statistics of the colours."""


@dataclass(frozen=True)
class PieceFacts:
    """A piece as the part keeps it.

    Attributes:
        table, videos: names of its files in the part's folder; videos by the view's key.
        rows: count.
        first_s: of its first row, since the recording's first row.
        instructions: in the order in which they come.
        idle: rows in which nothing moves, where those are kept.
        colours: by the view's key ``min``, ``max``, ``mean``, ``std`` of each channel, 0 to 1, and
            ``count`` of the pictures looked at.
    """

    table: str
    videos: dict[str, str]
    rows: int
    first_s: float
    instructions: list[str]
    idle: list[int]
    colours: dict[str, dict[str, list[float]]]


def write_piece(
    episode: Episode,
    robot: Embodiment,
    rows: Rows,
    piece: Piece,
    number: int,
    folder: Path,
    settings: ConversionSettings,
) -> PieceFacts:
    """Writes a piece's table and videos.

    Args:
        episode: the recording.
        robot: its layout.
        rows: of the recording.
        piece: which of them.
        number: of the piece, for the names of the files.
        folder: where to.
        settings: how.
    """
    stem, chosen = f"piece_{number:03d}", slice(piece.first, piece.behind)
    instructions = rows.instructions[chosen]
    pq.write_table(_table(rows, chosen), folder / f"{stem}.parquet")
    videos = {view.key: f"{stem}_{view.name}.mp4" for view in robot.views}
    colours = {view.key: _Colours() for view in robot.views}
    fps = robot.time_base.control_hz
    with ExitStack() as open_files:
        writers = {
            key: open_files.enter_context(
                VideoWriter(
                    folder / name, robot.native_size, fps, settings.crf, settings.video_preset
                )
            )
            for key, name in videos.items()
        }
        for count, pictures in enumerate(native_pictures(episode, robot, rows, chosen)):
            for view in robot.views:
                writers[view.key].add(pictures[view.name])
                if count % _SAMPLED == 0:
                    colours[view.key].add(pictures[view.name])
    return PieceFacts(
        table=f"{stem}.parquet",
        videos=videos,
        rows=len(piece),
        first_s=round(int(rows.instants_ns[piece.first] - rows.instants_ns[0]) / NS_PER_S, 3),
        instructions=list(dict.fromkeys(instructions)),
        idle=list(piece.idle),
        colours={key: one.entry() for key, one in colours.items()},
    )


def native_pictures(
    episode: Episode, robot: Embodiment, rows: Rows, chosen: slice
) -> Iterator[dict[str, Image]]:
    """Per row the picture of every view by its name, at the size of the training data."""
    tiler = Tiler(robot)
    streams = {view.name: camera_stream(episode, view.name) for view in robot.views}
    shown = dict.fromkeys(streams, -1)
    pictures: dict[str, Image] = {}
    for indices in rows.pictures[chosen].tolist():
        for (name, stream), index in zip(streams.items(), indices, strict=True):
            if index != shown[name]:
                pictures[name] = tiler.native(stream.picture(index), name)
                shown[name] = index
        yield dict(pictures)


def _table(rows: Rows, chosen: slice) -> pa.Table:
    """What the dataset will have of the rows, but for what only the whole dataset knows."""

    def vectors(values: np.ndarray) -> pa.Array:
        flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])

    return pa.table(
        {
            STATE: vectors(rows.states[chosen]),
            ACTION: vectors(rows.actions[chosen]),
            AGES: vectors(rows.view_ages_ns[chosen] / NS_PER_S),
            STAMP: pa.array(rows.instants_ns[chosen]),
            INSTRUCTION: pa.array(rows.instructions[chosen]).dictionary_encode(),
        }
    )


class _Colours:
    """Statistics of the channels of pictures, 0 to 1, exact: of how often each level comes."""

    def __init__(self) -> None:
        self._count = 0
        self._often = np.zeros((3, 256), dtype=np.int64)

    def add(self, picture: Image) -> None:
        self._count += 1
        for often, channel in zip(self._often, np.moveaxis(picture, -1, 0), strict=True):
            often += np.bincount(channel.ravel(), minlength=256)

    def entry(self) -> dict[str, list[float]]:
        levels = np.arange(256)
        there = [levels[often > 0] for often in self._often]
        pixels = self._often.sum(axis=1)
        mean = (self._often @ levels) / pixels
        variance = np.maximum((self._often @ levels**2) / pixels - mean**2, 0.0)
        values = {
            "min": np.array([found[0] for found in there]),
            "max": np.array([found[-1] for found in there]),
            "mean": mean,
            "std": np.sqrt(variance),
        }
        found = {name: (value / 255).tolist() for name, value in values.items()}
        return {**found, "count": [self._count]}
