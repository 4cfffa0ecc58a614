"""One recording to its part of a dataset: a folder with the pieces, or with why there are none.

A part is made beside its place and moved there when it is complete, so that one whose making was
cut off is made again. Which part belongs to a recording and to settings is written in it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dreamzero_policy.conversion.part_picture import draw
from dreamzero_policy.conversion.pieces import Piece, pieces
from dreamzero_policy.conversion.resample import camera_stream, resample
from dreamzero_policy.conversion.rows import Rows
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.datasets.layout import ACTION, AGES, STAMP, STATE
from dreamzero_policy.datasets.video import VideoWriter
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.observation.views import Tiler
from dreamzero_policy.types import NS_PER_S, Image

PART, PICTURE, INSTRUCTION = "part.json", "picture.png", "instruction"

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


@dataclass(frozen=True)
class Part:
    """What a recording became.

    Attributes:
        name: of the recording's folder.
        source: that folder.
        fingerprint: of the recording's files and of the settings.
        rejected: why there is no piece; empty when there is one.
        kind: name of the error, such as ``TruncatedBagError``; empty without one.
        bug: whether it failed in a way that no recording should; such a part is made again.
        seconds: of rows, kept or not.
        pieces: what is kept.
        cuts: what is not: ``first_s``, ``seconds``, ``why`` each.
        marks: of the recorder's quality watch: ``first_s``, ``stream``, ``text`` each.
        facts: what the recording says of itself.
    """

    name: str
    source: str
    fingerprint: str
    rejected: str = ""
    kind: str = ""
    bug: bool = False
    seconds: float = 0.0
    pieces: list[PieceFacts] = field(default_factory=list)
    cuts: list[dict[str, Any]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Part | None:
        """The part of a folder; None where there is no complete one."""
        try:
            values = json.loads((folder / PART).read_text())
            values["pieces"] = [PieceFacts(**piece) for piece in values["pieces"]]
            return cls(**values)
        except (OSError, ValueError, TypeError, KeyError):
            return None


def fingerprint(source: Path, settings: ConversionSettings) -> str:
    """Of a recording's files and the settings; another one means that the part is to be made."""
    files = sorted(path for path in source.glob("*") if path.is_file()) if source.is_dir() else []
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return f"{settings.fingerprint}:{hash_text(repr(stats))}"


def hash_text(text: str) -> str:
    """A short hash of a text."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:16]


def make_part(source: Path, folder: Path, settings: ConversionSettings) -> Part:
    """Converts a recording, whatever is wrong with it.

    Args:
        source: folder of the bag.
        folder: of the part; what is there already is replaced.
        settings: how.

    Returns:
        What it became.

    Raises:
        OSError: the disk is full.
    """
    mark = fingerprint(source, settings)
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    try:
        making.mkdir(parents=True)
        part = _converted(source, making, settings, mark)
    except (BagError, ValueError) as error:
        part = Part(source.name, str(source), mark, str(error), type(error).__name__)
    except Exception as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            shutil.rmtree(making, ignore_errors=True)
            raise OSError(errno.ENOSPC, f"no space left for {folder}") from error
        text = traceback.format_exc(limit=-4)
        part = Part(source.name, str(source), mark, text, type(error).__name__, bug=True)
    if part.rejected:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
    (making / PART).write_text(json.dumps(asdict(part), indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(making, folder)
    return part


def _converted(source: Path, folder: Path, settings: ConversionSettings, mark: str) -> Part:
    with Episode(source) as episode:
        _refuse_unwanted(episode, settings)
        robot = episode.embodiment
        rows = resample(episode, settings)
        kept, cuts = pieces(robot, rows, settings)
        start = int(rows.instants_ns[0])
        facts = [
            _write(episode, robot, rows, piece, number, folder, settings)
            for number, piece in enumerate(kept)
        ]
        draw(episode, rows, kept, cuts, folder / PICTURE)
        return Part(
            name=source.name,
            source=str(source),
            fingerprint=mark,
            rejected="" if kept else _nothing_left(cuts),
            seconds=round((int(rows.instants_ns[-1]) - start) / NS_PER_S, 3),
            pieces=facts,
            cuts=[asdict(cut) for cut in cuts],
            marks=[
                {
                    "first_s": round((event.stamp_ns - start) / NS_PER_S, 3),
                    "stream": event.stream,
                    "text": event.text,
                }
                for event in episode.events
                if event.kind == "quality"
            ],
            facts={
                "prompt": episode.facts.prompt,
                "task": episode.facts.task,
                "operator": episode.facts.operator,
                "place": episode.facts.place,
                "checkpoint": episode.facts.checkpoint,
                "software": episode.facts.software,
                "outcome": _outcome(episode),
            },
        )


def _refuse_unwanted(episode: Episode, settings: ConversionSettings) -> None:
    """Raises what speaks against an episode as a whole."""
    robot = episode.embodiment  # an unknown robot says so
    if robot.name != settings.robot:
        raise ValueError(f"expected a recording of robot {settings.robot}, got one of {robot.name}")
    outcome = _outcome(episode)
    if outcome not in settings.outcomes:
        wanted = ", ".join(settings.outcomes)
        raise ValueError(f"expected an outcome of {wanted}, got {outcome}")


def _outcome(episode: Episode) -> str:
    """How an episode went, what was noted later before what was said at its end."""
    noted = episode.custom.get("dreamzero.outcome")
    return str(noted or (episode.ending.outcome if episode.ending else "unknown"))


def _nothing_left(cuts: list) -> str:
    """The reasons, the longest first."""
    by_reason: dict[str, float] = {}
    for cut in cuts:
        by_reason[cut.why] = by_reason.get(cut.why, 0.0) + cut.seconds
    longest = sorted(by_reason.items(), key=lambda item: -item[1])[:3]
    return "no row is left: " + "; ".join(f"{why} ({s:.1f} s)" for why, s in longest)


def _write(
    episode: Episode,
    robot: Embodiment,
    rows: Rows,
    piece: Piece,
    number: int,
    folder: Path,
    settings: ConversionSettings,
) -> PieceFacts:
    """A piece's table and videos."""
    stem, chosen = f"piece_{number:03d}", slice(piece.first, piece.behind)
    instructions = rows.instructions[chosen]
    pq.write_table(_table(rows, chosen), folder / f"{stem}.parquet")
    videos = {view.key: f"{stem}_{view.name}.mp4" for view in robot.views}
    colours = {view.key: _Colours() for view in robot.views}
    fps = robot.time_base.control_hz
    with ExitStack() as open_files:
        writers = {
            key: open_files.enter_context(
                VideoWriter(folder / name, robot.native_size, fps, settings.crf)
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
    """Statistics of the channels of pictures, 0 to 1."""

    def __init__(self) -> None:
        self._count, self._pixels = 0, 0
        self._sum, self._squares = np.zeros(3), np.zeros(3)
        self._low, self._high = np.full(3, 255), np.zeros(3)

    def add(self, picture: Image) -> None:
        pixels = picture.reshape(-1, 3).astype(np.float64)
        self._count, self._pixels = self._count + 1, self._pixels + len(pixels)
        self._sum += pixels.sum(axis=0)
        self._squares += np.square(pixels).sum(axis=0)
        self._low = np.minimum(self._low, pixels.min(axis=0))
        self._high = np.maximum(self._high, pixels.max(axis=0))

    def entry(self) -> dict[str, list[float]]:
        mean = self._sum / self._pixels
        variance = np.maximum(self._squares / self._pixels - mean**2, 0.0)
        values = {"min": self._low, "max": self._high, "mean": mean, "std": np.sqrt(variance)}
        found = {name: (value / 255).tolist() for name, value in values.items()}
        return {**found, "count": [self._count]}
