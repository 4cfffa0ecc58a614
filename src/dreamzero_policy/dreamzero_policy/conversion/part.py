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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dreamzero_policy.conversion.part_picture import draw
from dreamzero_policy.conversion.piece_files import PieceFacts, write_piece
from dreamzero_policy.conversion.pieces import pieces
from dreamzero_policy.conversion.resample import resample
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.types import NS_PER_S

PART, PICTURE = "part.json", "picture.png"


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
        robot = settings.embodiment
        rows = resample(episode, settings)
        kept, cuts = pieces(robot, rows, settings)
        start = int(rows.instants_ns[0])
        facts = [
            write_piece(episode, robot, rows, piece, number, folder, settings)
            for number, piece in enumerate(kept)
        ]
        draw(episode, robot, rows, kept, cuts, folder / PICTURE)
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
    wanted, given = settings.embodiment.name, Path(episode.facts.robot).name.removesuffix(".py")
    if given != wanted:
        given = episode.embodiment.name  # an unknown robot says so
        raise ValueError(f"expected a recording of robot {wanted}, got one of {given}")
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
