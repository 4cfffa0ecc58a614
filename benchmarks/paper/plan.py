"""What has to be made for some cells, what of it is there, and about how long the rest takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from paper.recipes import Recordings, Training
from paper.study import Cell
from paper.work import Work

Kind = Literal["data", "vae", "training", "trial"]


@dataclass(frozen=True)
class Rates:
    """How fast two CPU cores are, for an estimate of hours and nothing else.

    Seen in making small policies of droid; attempts are those of one that mostly does its task.

    Attributes:
        recorded: demonstrations, in times of real time, two processes.
        converted: rows to dataset, the same.
        encoded: windows a second.
        vae: steps of its training a second.
        alone: chunks a second in training without frames in the sequence.
        chunks: the same with video.
        tried: attempts, in times of real time, two processes.
        attempt_s: length of an attempt [s].
    """

    recorded: float = 9.0
    converted: float = 24.0
    encoded: float = 7.7
    vae: float = 4.4
    alone: float = 80.0
    chunks: float = 38.0
    tried: float = 3.8
    attempt_s: float = 4.0


@dataclass(frozen=True)
class Piece:
    """One thing that is made once, whoever needs it.

    Attributes:
        kind: what it is.
        name: of its folder.
        hours: that it takes, about; 0 where it is there.
    """

    kind: Kind
    name: str
    hours: float


def pieces(cells: Iterable[Cell], work: Work, rates: Rates, rollouts: int) -> list[Piece]:
    """Everything that the cells need, in the order in which it is made, each once."""
    found: dict[tuple[Kind, str], Piece] = {}
    for cell in cells:
        for piece in _pieces(cell, work, rates, rollouts):
            found.setdefault((piece.kind, piece.name), piece)
    return list(found.values())


def _pieces(cell: Cell, work: Work, rates: Rates, rollouts: int) -> Iterator[Piece]:
    size, trial, seed = work.world.size, cell.arm.trial, cell.seed
    chain = work.chain(trial.training)
    if any(one.after is None for one in chain) and work.encoders is None:
        for asked in (work.world.own, work.world.new):
            yield _data(asked, work, rates)
        hours = size.vae_steps / rates.vae / 3600
        yield Piece("vae", "vae", 0.0 if work.vae_checkpoint.is_dir() else hours)
    for one in chain:
        for part in one.parts:
            yield _data(part.recordings, work, rates)
        hours = _training_hours(one, rates)
        there = work.checkpoint_folder(one, seed).is_dir()
        yield Piece("training", work.training_folder(one, seed).name, 0.0 if there else hours)
    made = work.made(trial, seed)
    missing = sum(
        max(0, rollouts - sum(row.split == split for row in made)) for split in cell.study.splits
    )
    hours = missing * rates.attempt_s / rates.tried / 3600
    yield Piece("trial", work.trial_folder(trial, seed).name, hours)


def _data(asked: Recordings, work: Work, rates: Rates) -> Piece:
    hours = asked.minutes / 60 * (1 / rates.recorded + 1 / rates.converted)
    rows = 60 * asked.minutes * 15  # of a robot of 15 rows a second
    hours += rows / work.world.size.chunk_rows * 4 / rates.encoded / 3600
    there = work.is_given(asked) or (work.data_folder(asked) / "dataset").is_dir()
    return Piece("data", asked.name, 0.0 if there else hours)


def _training_hours(training: Training, rates: Rates) -> float:
    rate = rates.chunks if training.video and not training.start else rates.alone
    return training.steps * training.batch * training.chunks / rate / 3600


def state(cell: Cell, work: Work, rollouts: int) -> str:
    """How far a cell is, for people."""
    made = work.made(cell.arm.trial, cell.seed)
    counts = [sum(row.split == split for row in made) for split in cell.study.splits]
    if min(counts) >= rollouts:
        return "done"
    if sum(counts):
        return f"{' + '.join(map(str, counts))} of {rollouts} rollouts"
    if work.checkpoint_folder(cell.arm.trial.training, cell.seed).is_dir():
        return "trained"
    begun = work.training_folder(cell.arm.trial.training, cell.seed).is_dir()
    return "training" if begun else "not begun"


def lines(cells: Sequence[Cell], work: Work, rates: Rates, rollouts: int) -> list[tuple[str, ...]]:
    """Cells for a table: name, state, hours of what no cell before it makes."""
    seen: set[tuple[Kind, str]] = set()
    found = []
    for cell in cells:
        hours = 0.0
        for piece in _pieces(cell, work, rates, rollouts):
            if (piece.kind, piece.name) not in seen:
                seen.add((piece.kind, piece.name))
                hours += piece.hours
        found.append((cell.name, state(cell, work, rollouts), f"{hours:.1f}"))
    return found
