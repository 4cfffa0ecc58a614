"""A whole conversion: recordings to a dataset, however often it is cut off and begun again.

    OUT/          the dataset; it is there only when it is complete
    OUT.parts/    what every recording became, and whatever is in the making

Only the parts of recordings or settings that changed are made again, so a folder that grows every
day is converted again in the time that the new recordings take. OUT.parts may be deleted when no
more recordings are to come; videos share their space with OUT where the disk can.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from dreamzero_policy import embodiments
from dreamzero_policy.conversion import report, workers
from dreamzero_policy.conversion.part import Part, fingerprint, hash_text, make_part
from dreamzero_policy.conversion.settings import VERSION, ConversionSettings
from dreamzero_policy.data.episode_store import TRASH
from dreamzero_policy.data.rosbag2_layout import METADATA
from dreamzero_policy.datasets import lerobot_v2, lerobot_v3, statistics
from dreamzero_policy.datasets.check import problems
from dreamzero_policy.datasets.errors import DatasetError, DiskFullError, ForeignFolderError
from dreamzero_policy.datasets.files import read_json, write_json
from dreamzero_policy.datasets.metadata import write_gear
from dreamzero_policy.datasets.source_episode import SourceEpisode
from dreamzero_policy.embodiments.embodiment import Embodiment

MARK = "meta/conversion.json"
_JOB, _LOCK, _MAKING, _PREVIOUS = "job.json", "lock", "dataset.making", "dataset.previous"

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
        ValueError: no recordings, an unknown robot, a folder that cannot be written to.
        DiskFullError: what is done is kept.
    """
    robot = embodiments.get(settings.robot)
    found = recordings(sources)
    out = out.expanduser().resolve()
    _refuse_foreign(out, settings)
    mapper = partial(workers.run, workers=count, ray_address=ray_address)
    try:
        with _workshop(out, settings) as shop:
            parts, made = _make_parts(found, shop, settings, mapper, tell)
            return _finished(robot, parts, made, out, shop, settings, mapper, tell)
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
    mark = _mark(out)
    if mark is None or mark.get("state") != state:
        making = shop / _MAKING
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        dead = _assemble(making, robot, parts, chosen, settings, mapper, tell)
        mark = {
            "made_by": "dreamzero convert",
            "version": VERSION,
            "settings": asdict(settings),
            "state": state,
            "dead_columns": dead,
            "episodes": [episode.name for episode in chosen],
            "rejected": {part.name: part.rejected for part in every if part.rejected},
        }
        write_json(making / MARK, mark)
        _swap(making, out, shop / _PREVIOUS)
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
        lerobot_v2.write(making, robot, chosen, stats, _place)
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


def _refuse_foreign(out: Path, settings: ConversionSettings) -> None:
    """Refuses a folder that this conversion did not make."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ForeignFolderError(f"{out}: expected a folder or nothing, got a file")
    mark = _mark(out)
    if mark is None:
        if any(out.iterdir()):
            raise ForeignFolderError(
                f"{out}: expected an empty folder or one that `dreamzero convert` made, got "
                f"{', '.join(sorted(p.name for p in out.iterdir())[:5])}: choose another folder"
            )
        return
    _refuse_other_settings(out, mark.get("settings", {}), settings)


def _refuse_other_settings(where: Path, before: dict, settings: ConversionSettings) -> None:
    now = json.loads(json.dumps(asdict(settings)))
    other = {name for name in {*before, *now} if before.get(name) != now.get(name)}
    if other:
        differences = ", ".join(
            f"{name} {before.get(name)!r} there and {now.get(name)!r} here"
            for name in sorted(other)
        )
        raise ForeignFolderError(
            f"{where}: it was made with other settings ({differences}): choose another folder"
        )


def _mark(out: Path) -> dict | None:
    try:
        mark = read_json(out / MARK)
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) and mark.get("made_by") == "dreamzero convert" else None


@contextmanager
def _workshop(out: Path, settings: ConversionSettings) -> Iterator[Path]:
    """The folder beside ``out`` in which everything is made, for one process at a time."""
    shop = out.with_name(f"{out.name}.parts")
    try:
        if shop.exists() and any(shop.iterdir()) and not (shop / _JOB).is_file():
            raise ForeignFolderError(f"{shop}: expected a folder of this command, got another one")
        shop.mkdir(parents=True, exist_ok=True)
        lock = open(shop / _LOCK, "a")  # noqa: SIM115  # held until the end
    except OSError as error:
        raise ValueError(
            f"{shop}: expected a folder that can be written to, got: {error.strerror}"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"{out}: another conversion into it is running") from error
        job = {"settings": asdict(settings)}
        if (shop / _JOB).is_file():
            before = read_json(shop / _JOB).get("settings", {})
            _refuse_other_settings(shop, before, settings)
        else:
            write_json(shop / _JOB, job)
        yield shop


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


def _place(made: Path, target: Path) -> None:
    """Has a file at another path too, without its space where the disk can."""
    try:
        os.link(made, target)
    except OSError:
        shutil.copyfile(made, target)


def _swap(making: Path, out: Path, previous: Path) -> None:
    """Puts the new dataset where the one before was; cut off in between, it is made again."""
    shutil.rmtree(previous, ignore_errors=True)
    if out.exists():
        os.rename(out, previous)
    os.rename(making, out)
    shutil.rmtree(previous, ignore_errors=True)
