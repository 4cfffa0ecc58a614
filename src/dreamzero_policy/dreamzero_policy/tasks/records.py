"""What the tables hold, as frozen records, and the ids by which stations know the same thing.

An area's id is made of its name, a task's of its area and its instruction, whatever their case,
spacing and final stop. So two stations that write down the same task mean one task, and a merge
needs no table of who calls what how. Another instruction is another task.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Literal

Status = Literal["proposed", "active", "rejected", "retired"]

LONGEST = 400
"""Characters of an instruction, a step or a name."""


@dataclass(frozen=True)
class Area:
    """A place that has a sheet of its own, for example a kitchen.

    Attributes:
        id: stable, of the name.
        name: as written.
        prefix: capital letters before the numbers of its tasks.
    """

    id: str
    name: str
    prefix: str


@dataclass(frozen=True)
class Task:
    """Something to do in an area, with how often it was done.

    Attributes:
        id: stable, of the area and the instruction.
        area: where.
        number: within the area, in this file; never given to another task.
        instruction: what the model is told.
        steps: sub-task instructions, in order.
        seconds: how long it takes, roughly.
        status: what was decided; a task that reached its number of episodes stays active here and
            is ``done``.
        person: who proposed it or decided on it.
        count: episodes that hold it, without discarded ones.
        limit: episodes after which it leaves the sheet.
    """

    id: str
    area: Area
    number: int
    instruction: str
    steps: tuple[str, ...]
    seconds: float
    status: Status
    person: str
    count: int
    limit: int

    @property
    def code(self) -> str:
        """What it is called on paper, for example K07."""
        return f"{self.area.prefix}{self.number:02d}"

    @property
    def done(self) -> bool:
        """Whether enough episodes hold it."""
        return self.count >= self.limit

    @property
    def standing(self) -> Status:
        """Its status as a person sees it: a task with all its episodes is retired."""
        return "retired" if self.status == "active" and self.done else self.status

    @property
    def open(self) -> bool:
        """Whether it is on the sheet."""
        return self.standing == "active"


@dataclass(frozen=True)
class Episode:
    """A recorded episode as it is counted.

    Attributes:
        id: of the recording; no two recordings of any station may share it.
        day: local date, YYYY-MM-DD.
        tasks: ids of the tasks in it, in order, each once.
        operator: who recorded it.
        seconds: its length.
        plan: id of the plan that it followed, or nothing.
        recorded_ns: when, since the epoch.
    """

    id: str
    day: str
    tasks: tuple[str, ...]
    operator: str = ""
    seconds: float = 0.0
    plan: str = ""
    recorded_ns: int = 0


@dataclass(frozen=True)
class Plan:
    """The tasks of one episode to come.

    Attributes:
        id: random, so that it is never another station's.
        area: where.
        day: local date, YYYY-MM-DD.
        number: of the episode on that day's sheet.
        tasks: in order.
        recorded: whether an episode followed it.
    """

    id: str
    area: Area
    day: str
    number: int
    tasks: tuple[Task, ...]
    recorded: bool

    @property
    def seconds(self) -> float:
        """How long its tasks take together, roughly."""
        return sum(task.seconds for task in self.tasks)


def area_id(name: str) -> str:
    """The id of the area with this name."""
    return "a" + _digest(_plain(name))


def task_id(area: str, instruction: str) -> str:
    """The id of a task.

    Args:
        area: its area's id.
        instruction: in whatever case and spacing.
    """
    return "t" + _digest(area, _plain(instruction))


def text(what: str, value: str) -> str:
    """``value`` on one line, its spaces made single.

    Raises:
        ValueError: nothing is left, or it is too long to print.
    """
    line = " ".join(str(value).split())
    if not line or len(line) > LONGEST:
        raise ValueError(f"{what}: expected 1 to {LONGEST} characters, got {len(line)}: {line!r}")
    return line


def day(value: str) -> str:
    """``value`` if it is a date.

    Raises:
        ValueError: it is not.
    """
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise ValueError(f"day: expected YYYY-MM-DD, got {value!r}")


def _plain(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split()).rstrip(". ")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:15]
