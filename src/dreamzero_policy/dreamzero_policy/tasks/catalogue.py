"""Areas and tasks: adding, proposing, accepting, retiring, finding."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dreamzero_policy.tasks import records
from dreamzero_policy.tasks.records import Area, Status, Task
from dreamzero_policy.tasks.store import DEFAULTS, Store

SECONDS = 100.0
"""How long a task takes unless it is said."""

_LONGEST_S = 3600.0
_BOUNDS = {"retire_after": (1, 100_000), "tasks_per_episode": (1, 6), "episode_seconds": (10, 3600)}

_TASKS = """
SELECT task.*, area.name, area.prefix,
  (SELECT count(*) FROM episode_task JOIN episode ON episode.id = episode_id
   WHERE task_id = task.id AND NOT discarded) AS count
FROM task JOIN area ON area.id = area_id
"""


@dataclass(frozen=True)
class Rules:
    """How an installation records; settings of the file.

    Attributes:
        retire_after: episodes after which a task leaves the sheet.
        tasks_per_episode: tasks of one episode.
        episode_seconds: how long an episode is to be.
    """

    retire_after: int
    tasks_per_episode: int
    episode_seconds: int


def rules(store: Store) -> Rules:
    """The file's settings."""
    return Rules(**{name: int(store.setting(name)) for name in _BOUNDS})


def change_setting(store: Store, name: str, value: str) -> None:
    """Sets one setting.

    Raises:
        ValueError: no such setting, or a value outside its bounds.
    """
    if name not in DEFAULTS:
        raise ValueError(f"no setting {name!r}; there are: {', '.join(DEFAULTS)}")
    if name in _BOUNDS:
        low, high = _BOUNDS[name]
        if not re.fullmatch(r"\d{1,9}", value) or not low <= int(value) <= high:
            raise ValueError(f"{name}: expected a whole number from {low} to {high}, got {value!r}")
    else:
        value = records.text(name, value)
    with store.change():
        store.rows("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))


def areas(store: Store) -> list[Area]:
    """Every area by name."""
    found = store.rows("SELECT id, name, prefix FROM area ORDER BY name")
    return [Area(*row) for row in found]


def area(store: Store, text: str) -> Area:
    """The area that a person means by its name or its prefix.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    known = areas(store)
    wanted = records.area_id(text)
    for one in known:
        if one.id == wanted or one.prefix == text.strip().upper():
            return one
    names = ", ".join(f"{one.name} ({one.prefix})" for one in known) or "none yet"
    raise ValueError(f"no area {text!r}; there are: {names}")


def add_area(store: Store, name: str, now_ns: int) -> Area:
    """Adds an area, or finds the one that has this name already."""
    name = records.text("area", name)
    with store.change():
        return _area_within(store, name, now_ns)


def add_task(
    store: Store,
    area_name: str,
    instruction: str,
    now_ns: int,
    *,
    steps: Sequence[str] = (),
    seconds: float = SECONDS,
    status: Status = "active",
    person: str = "",
) -> tuple[Task, bool]:
    """Adds or proposes a task, and its area where that is new.

    Args:
        store: the file.
        area_name: where.
        instruction: what the model will be told.
        now_ns: since the epoch.
        steps: sub-task instructions.
        seconds: how long it takes, roughly.
        status: active, or proposed.
        person: who adds it.

    Returns:
        The task, and whether it is new. One that is there already stays as it is.

    Raises:
        ValueError: a text or a number that cannot be.
    """
    area_name, instruction, told, lasts = check(area_name, instruction, steps, seconds)
    with store.change():
        place = _area_within(store, area_name, now_ns)
        wanted = records.task_id(place.id, instruction)
        new = not store.rows("SELECT 1 FROM task WHERE id = ?", (wanted,))
        if new:
            store.insert(
                "task",
                id=wanted,
                area_id=place.id,
                number=next_number(store, place.id),
                instruction=instruction,
                station=store.setting("station"),
                created_ns=now_ns,
                steps=told,
                seconds=lasts,
                revised_ns=now_ns,
                status=status,
                person=person,
                decided_ns=0 if status == "proposed" else now_ns,
            )
        return by_id(store, wanted), new


def check(
    area_name: str, instruction: str, steps: Sequence[str], seconds: float
) -> tuple[str, str, str, float]:
    """The parts of a task as the file takes them.

    Raises:
        ValueError: a text or a number that cannot be.
    """
    place, said = records.text("area", area_name), records.text("instruction", instruction)
    return place, said, _steps(steps), _seconds(seconds)


def revise(
    store: Store,
    task: Task,
    now_ns: int,
    *,
    steps: Sequence[str] | None = None,
    seconds: float | None = None,
) -> Task:
    """Changes a task's steps or its time; its instruction is what it is.

    Raises:
        ValueError: a text or a number that cannot be.
    """
    told = _steps(task.steps if steps is None else steps)
    lasts = _seconds(task.seconds if seconds is None else seconds)
    with store.change():
        store.rows(
            "UPDATE task SET steps = ?, seconds = ?, revised_ns = ? WHERE id = ?",
            (told, lasts, now_ns, task.id),
        )
    return by_id(store, task.id)


def decide(store: Store, task: Task, status: Status, now_ns: int, person: str = "") -> Task:
    """Accepts, rejects, retires or takes back a task; whoever proposed it stays named."""
    with store.change():
        store.rows(
            "UPDATE task SET status = ?, decided_ns = ?, person = ? WHERE id = ?",
            (status, now_ns, person or task.person, task.id),
        )
    return by_id(store, task.id)


def tasks(store: Store, place: Area | None = None) -> list[Task]:
    """Every task of an area, or of all, by code."""
    where, values = ("WHERE area_id = ?", (place.id,)) if place else ("", ())
    order = "ORDER BY area.prefix, task.number"
    limit = rules(store).retire_after
    return [_task(row, limit) for row in store.rows(f"{_TASKS} {where} {order}", values)]


def by_id(store: Store, wanted: str) -> Task:
    """The task with this id.

    Raises:
        ValueError: there is none.
    """
    found = store.rows(f"{_TASKS} WHERE task.id = ?", (wanted,))
    if not found:
        raise ValueError(f"no task with the id {wanted!r} in {store.path}")
    return _task(found[0], rules(store).retire_after)


def find(store: Store, text: str) -> Task:
    """The task that a person means by its code (K07, k7), its id or its whole instruction.

    Raises:
        ValueError: there is none, or several areas have that instruction.
    """
    wanted = text.strip()
    code = re.fullmatch(r"([A-Za-z]+)0*(\d+)", wanted)
    said = records.task_id("", wanted)
    found = [
        task
        for task in tasks(store)
        if task.id == wanted
        or (code and (task.area.prefix, str(task.number)) == (code[1].upper(), code[2]))
        or records.task_id("", task.instruction) == said
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{text!r} is {', '.join(t.code for t in found)}: say which by its code")
    raise ValueError(f"no task {text!r}: expected a code such as K07, see `dreamzero tasks list`")


def next_number(store: Store, place: str) -> int:
    """The first number that no task of an area ever had."""
    return store.rows("SELECT coalesce(max(number), 0) + 1 FROM task WHERE area_id = ?", (place,))[
        0
    ][0]


def free_prefix(store: Store, name: str) -> str:
    """Letters for a new area: its first one, its words' first ones, then more of its own."""
    taken = {row[0] for row in store.rows("SELECT prefix FROM area")}
    letters = re.sub("[^A-Z]", "", name.upper())
    initials = "".join(re.findall(r"\b[A-Z]", name.upper()))
    return next(word for word in _prefixes(letters, initials) if word not in taken)


def _prefixes(letters: str, initials: str) -> Iterable[str]:
    if letters[:1] not in ("", "I", "O"):  # before a digit they look like one
        yield letters[0]
    if len(initials) > 1:
        yield initials[:3]
    for end in range(2, min(len(letters), 4) + 1):
        yield letters[:end]
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    yield from alphabet
    yield from (a + b for a in alphabet for b in alphabet)
    yield from (a + b + c for a in alphabet for b in alphabet for c in alphabet)


def _area_within(store: Store, name: str, now_ns: int) -> Area:
    """The area of this name, made inside a transaction where it is new."""
    wanted = records.area_id(name)
    if not store.rows("SELECT 1 FROM area WHERE id = ?", (wanted,)):
        station = store.setting("station")
        prefix = free_prefix(store, name)
        store.insert(
            "area", id=wanted, name=name, prefix=prefix, station=station, created_ns=now_ns
        )
    return Area(*store.rows("SELECT id, name, prefix FROM area WHERE id = ?", (wanted,))[0])


def _task(row: dict, limit: int) -> Task:
    return Task(
        id=row["id"],
        area=Area(row["area_id"], row["name"], row["prefix"]),
        number=row["number"],
        instruction=row["instruction"],
        steps=tuple(json.loads(row["steps"])),
        seconds=row["seconds"],
        status=row["status"],
        person=row["person"],
        count=row["count"],
        limit=limit,
    )


def _steps(steps: Sequence[str]) -> str:
    return json.dumps([records.text("step", step) for step in steps], ensure_ascii=False)


def _seconds(seconds: float) -> float:
    if not (math.isfinite(seconds) and 0.0 < seconds <= _LONGEST_S):
        raise ValueError(f"seconds: expected more than 0, at most {_LONGEST_S:g}, got {seconds}")
    return float(seconds)
