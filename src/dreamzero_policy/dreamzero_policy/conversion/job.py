"""A whole conversion: recordings to a dataset, however often it is cut off and begun again.

    OUT/          the dataset; it is there only when it is complete
    OUT.parts/    what every recording became, and whatever is in the making

Only the parts of recordings or settings that changed are made again, so a folder that grows every
day is converted again in the time that the new recordings take. OUT.parts may be deleted when no
more recordings are to come; videos share their space with OUT where the disk can.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dreamzero_policy.conversion import report
from dreamzero_policy.conversion.part import Part, fingerprint, hash_text, make_part
from dreamzero_policy.conversion.settings import VERSION, ConversionSettings
from dreamzero_policy.conversion.workers import Workers
from dreamzero_policy.conversion.workshop import (
    MADE_BY,
    MARK,
    mark_of,
    place,
    refuse_foreign,
    swap,
    workshop,
)
from dreamzero_policy.data.episode_store import TRASH
from dreamzero_policy.data.rosbag2_layout import METADATA
from dreamzero_policy.datasets import lerobot_v2, lerobot_v3, statistics
from dreamzero_policy.datasets.check import problems
from dreamzero_policy.datasets.errors import DatasetError, DiskFullError
from dreamzero_policy.datasets.files import write_json
from dreamzero_policy.datasets.metadata import write_gear
from dreamzero_policy.datasets.source_episode import SourceEpisode
from dreamzero_policy.embodiments.embodiment import Embodiment

_MAKING, _PREVIOUS = "dataset.making", "dataset.previous"

Tell = Callable[[str, int, int], None]
"""Called with a stage, how many of its steps are done, and how many there are."""


@dataclass(frozen=True)
class Outcome:
    """What a conversion made.

    Attributes:
        dataset: its folder; None where nothing could be used.
        report: the page about everything.
        parts: what every recording became.
        made: how many parts were made in this run; the others were there.
        episodes, rows: of the dataset.
        dead: columns that never moved.
    """

    dataset: Path | None
    report: Path
    parts: tuple[Part, ...]
    made: int
    episodes: int = 0
    rows: int = 0
    dead: tuple[str, ...] = ()

    @property
    def bugs(self) -> list[Part]:
        """Recordings that failed in a way that none should."""
        return [part for part in self.parts if part.bug]


def convert(
    sources: Sequence[Path],
    out: Path,
    settings: ConversionSettings,
    *,
    count: int = 1,
    ray_address: str = "",
    tell: Tell = lambda *_: None,
) -> Outcome:
    """Converts recordings.

    Args:
        sources: bags, or folders of bags.
        out: folder of the dataset.
        settings: how.
        count: processes.
        ray_address: of a Ray cluster that is to do it.
        tell: hears of the progress.

    Raises:
        ForeignFolderError: ``out`` holds something else.
        ValueError: no recordings, an unknown robot or view, a folder that cannot be written to.
        DiskFullError: what is done is kept.
    """
    robot = settings.embodiment
    views = [view.name for view in robot.views]
    if unknown := sorted(set(settings.still_views) - set(views)):
        raise ValueError(f"still views: {robot.name} has {', '.join(views)}, got {unknown}")
    found = recordings(sources)
    out = out.expanduser().resolve()
    refuse_foreign(out, settings)
    try:
        with workshop(out, settings) as shop, Workers(count, ray_address) as workers:
            parts, made = _make_parts(found, shop, settings, workers.run, tell)
            return _finished(robot, parts, made, out, shop, settings, workers.run, tell)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(
            f"{out}: no space is left on this disk; what is done is kept: make room, then run the "
            "same command again"
        ) from error


def _finished(
    robot: Embodiment,
    parts: dict[Path, Part],
    made: int,
    out: Path,
    shop: Path,
    settings: ConversionSettings,
    mapper: Callable,
    tell: Tell,
) -> Outcome:
    """The dataset of all parts; nothing is done where it is there already."""
    chosen = [one for folder, part in parts.items() for one in _episodes(folder, part)]
    every = tuple(parts.values())
    if not chosen:
        return Outcome(None, report.write(shop / "report", robot, settings, parts), every, made)
    marks = [part.fingerprint for part in every]
    state = hash_text(json.dumps([asdict(settings), VERSION, marks]))
    mark = mark_of(out)
    if mark is None or mark.get("state") != state:
        making = shop / _MAKING
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        dead = _assemble(making, robot, parts, chosen, settings, mapper, tell)
        mark = {
            "made_by": MADE_BY,
            "version": VERSION,
            "settings": asdict(settings),
            "state": state,
            "dead_columns": dead,
            "episodes": [episode.name for episode in chosen],
            "rejected": {part.name: part.rejected for part in every if part.rejected},
        }
        write_json(making / MARK, mark)
        swap(making, out, shop / _PREVIOUS)
    rows = sum(episode.rows for episode in chosen)
    page, dead = out / "report" / "index.html", tuple(mark["dead_columns"])
    return Outcome(out, page, every, made, len(chosen), rows, dead)


def _assemble(
    making: Path,
    robot: Embodiment,
    parts: dict[Path, Part],
    chosen: Sequence[SourceEpisode],
    settings: ConversionSettings,
    mapper: Callable,
    tell: Tell,
) -> list[str]:
    """Writes the dataset and looks whether it is right.

    Returns:
        Columns that never moved.
    """
    tables = [episode.table for episode in chosen]
    tell("statistics", 0, 2 * len(tables))
    stats = statistics.compute(robot, tables, _counted(mapper, tell, len(tables)))
    tell("writing", 0, len(chosen))
    if settings.format == "v2.1":
        lerobot_v2.write(making, robot, chosen, stats, place)
    else:
        lerobot_v3.write(making, robot, chosen, stats)
    dead = write_gear(making, robot, chosen, stats)
    if wrong := problems(making, robot):
        raise DatasetError(f"{making}: " + "; ".join(wrong))
    report.write(making / "report", robot, settings, parts, stats)
    tell("writing", len(chosen), len(chosen))
    return dead


def recordings(sources: Sequence[Path]) -> dict[str, Path]:
    """Folders of bags by a name of their own, sorted by name.

    Raises:
        ValueError: a source is no folder, or there is no bag in it.
    """
    found: list[Path] = []
    for source in (path.expanduser() for path in sources):
        if not source.is_dir():
            raise ValueError(f"{source}: expected a bag or a folder of bags, got no folder")
        inside = [source] if _is_bag(source) else sorted(filter(_is_bag, source.iterdir()))
        if not inside:
            raise ValueError(
                f"{source}: expected a bag or a folder of bags, got no {METADATA} or .mcap in it"
            )
        found += [path.resolve() for path in inside if path.name != TRASH]
    found = list(dict.fromkeys(found))
    names = [path.name for path in found]
    named = {
        path.name if names.count(path.name) == 1 else f"{path.name}~{hash_text(str(path))[:6]}":
        path
        for path in found
    }  # fmt: skip
    return dict(sorted(named.items()))


def _is_bag(path: Path) -> bool:
    return path.is_dir() and ((path / METADATA).is_file() or any(path.glob("*.mcap")))


def _make_parts(
    found: dict[str, Path],
    shop: Path,
    settings: ConversionSettings,
    mapper: Callable,
    tell: Tell,
) -> tuple[dict[Path, Part], int]:
    """Parts by folder, in the order of the recordings; and how many were made."""
    folders = {name: shop / "episodes" / name for name in found}
    parts: dict[str, Part] = {}
    for name, source in found.items():
        part = Part.read(folders[name])
        if part and not part.bug and part.fingerprint == fingerprint(source, settings):
            parts[name] = part
    items = [(name, found[name], folders[name], settings) for name in found if name not in parts]
    done = len(parts)
    tell("episodes", done, len(found))
    for item, part in mapper(_make, items):
        parts[item[0]] = part
        done += 1
        tell("episodes", done, len(found))
    return {folders[name]: parts[name] for name in found}, len(items)


def _make(item: tuple[str, Path, Path, ConversionSettings]) -> Part:
    _, source, folder, settings = item
    return make_part(source, folder, settings)


def _episodes(folder: Path, part: Part) -> Iterator[SourceEpisode]:
    for number, piece in enumerate(part.pieces):
        yield SourceEpisode(
            name=f"{part.name}#{number}",
            table=folder / piece.table,
            videos={key: folder / name for key, name in piece.videos.items()},
            rows=piece.rows,
            instructions=piece.instructions,
            outcome=part.facts.get("outcome", "unknown"),
            idle=piece.idle,
            colours=piece.colours,
        )


def _counted(mapper: Callable, tell: Tell, total: int) -> Callable:
    """The mapper, with its progress told; it is used twice."""
    done = 0

    def run(function: Callable, items: Sequence) -> Iterator:
        nonlocal done
        for result in mapper(function, items):
            done += 1
            tell("statistics", done, 2 * total)
            yield result

    return run
