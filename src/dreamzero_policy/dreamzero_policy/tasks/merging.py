"""Other stations' files into this one: again and in any order, with nothing counted twice.

Areas, tasks, plans and episodes are known by ids that are the same everywhere (``records.py``), so
a merge adds what is missing. Where both files have a thing and differ in it, what was written last
is kept and the report names it. Codes on paper stay as they are here: a task that comes in under a
code that is taken gets the next free one, and the report says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dreamzero_policy.tasks import catalogue, counting
from dreamzero_policy.tasks.records import Episode
from dreamzero_policy.tasks.store import Store, TaskStoreError, open_store


@dataclass
class Report:
    """What one file brought.

    Attributes:
        path: of the file.
        added: rows by table.
        conflicts: what the two files say differently, and what is kept.
        notes: what is called differently in the two files.
    """

    path: Path
    added: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_ORDER, 0))
    conflicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def merge(store: Store, paths: Iterable[Path]) -> list[Report]:
    """Takes in other files, each wholly or, where it cannot be read, not at all.

    Raises:
        TaskStoreError: a file cannot be used; those before it are in.
    """
    reports = []
    for path in paths:
        path = Path(path).expanduser()
        if path.is_file() and path.samefile(store.path):
            raise TaskStoreError(f"{path} is the file that is merged into")
        with open_store(path, write=False) as source, store.change():
            report = Report(path)
            source.rows("BEGIN")  # one state of it, whoever is writing there
            for table, take in _ORDER.items():
                for row in source.rows(f"SELECT * FROM {table} ORDER BY rowid"):
                    report.added[table] += take(store, source, row, report)
            reports.append(report)
    return reports


def _take_area(store: Store, source: Store, theirs: sqlite3.Row, report: Report) -> bool:
    ours = _ours(store, "area", theirs)
    if ours is None:
        new = dict(theirs)
        if store.rows("SELECT 1 FROM area WHERE prefix = ?", (new["prefix"],)):
            new["prefix"] = catalogue.free_prefix(store, new["name"])
        store.insert("area", **new)
    prefix = ours["prefix"] if ours else new["prefix"]
    if prefix != theirs["prefix"]:
        report.notes.append(
            f"{theirs['name']}: codes begin with {theirs['prefix']} there, with {prefix} here"
        )
    return ours is None


def _take_task(store: Store, source: Store, theirs: sqlite3.Row, report: Report) -> bool:
    ours = _ours(store, "task", theirs)
    if ours is None:
        new = dict(theirs)
        place = theirs["area_id"]
        taken = store.rows(
            "SELECT 1 FROM task WHERE area_id = ? AND number = ?", (place, theirs["number"])
        )
        if taken:
            new["number"] = catalogue.next_number(store, place)
        store.insert("task", **new)
    else:
        new = _newer_task(store, ours, theirs, report)
    if new["number"] != theirs["number"]:
        there, here = (_code(s, r) for s, r in ((source, theirs), (store, new)))
        report.notes.append(f"{theirs['instruction']!r}: {there} there, {here} here")
    return ours is None


def _newer_task(store: Store, ours: sqlite3.Row, theirs: sqlite3.Row, report: Report) -> dict:
    """Keeps of two versions of a task, part by part, what was written last."""
    kept = dict(ours)
    for what, (told, columns) in _PARTS.items():
        mine, other = (tuple(row[name] for name in columns) for row in (ours, theirs))
        winner = (min if what == "wording" else max)(mine, other)
        kept |= dict(zip(columns, winner, strict=True))
        here, there = mine[1 : told + 1], other[1 : told + 1]
        if here != there:
            side = "ours" if winner == mine else "theirs"
            report.conflicts.append(
                f"{_code(store, ours)} {ours['instruction']!r}: {what} {_words(here)} here, "
                f"{_words(there)} there; kept {side}, written "
                f"{'first' if what == 'wording' else 'last'}"
            )
    if kept != dict(ours):
        columns = [name for _, part in _PARTS.values() for name in part]
        store.rows(
            f"UPDATE task SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?",
            (*(kept[name] for name in columns), ours["id"]),
        )
    return kept


_PARTS = {  # of a task: how much of it is told where it differs; when it was written, and what
    "wording": (1, ("created_ns", "instruction", "station")),
    "steps and time": (2, ("revised_ns", "steps", "seconds")),
    "decision": (1, ("decided_ns", "status", "person")),
}


def _words(part: tuple) -> str:
    """A part for a person: steps as a list, a time in seconds."""
    return ", ".join(f"{one:g} s" if isinstance(one, float) else str(one) for one in part)


def _take_plan(store: Store, source: Store, theirs: sqlite3.Row, report: Report) -> bool:
    if _ours(store, "plan", theirs) is not None:
        return False
    store.insert("plan", **dict(theirs))
    for row in source.rows("SELECT * FROM plan_task WHERE plan_id = ?", (theirs["id"],)):
        store.insert("plan_task", **dict(row))
    return True


def _take_episode(store: Store, source: Store, theirs: sqlite3.Row, report: Report) -> bool:
    ours = _ours(store, "episode", theirs)
    there = (_told(theirs), counting.tasks_of(source, theirs["id"]))
    here = (_told(ours), counting.tasks_of(store, theirs["id"])) if ours else None
    if there == here and theirs["revised_ns"] == ours["revised_ns"]:
        return False
    theirs_wins = here is None or (theirs["revised_ns"], *there) > (ours["revised_ns"], *here)
    if here is not None and there != here:
        kept = "theirs" if theirs_wins else "ours"
        differ = [
            f"{name} {a!r} here, {b!r} there"
            for name, a, b in zip((*_TOLD, "tasks"), (*here[0], here[1]), (*there[0], there[1]))
            if a != b
        ]
        report.conflicts.append(
            f"episode {theirs['id']}: {'; '.join(differ)}; kept {kept}, written last"
            + (": two recordings share this id" if ours["station"] != theirs["station"] else "")
        )
    if theirs_wins:
        day, station, operator, seconds, plan, recorded_ns, discarded = there[0]
        episode = Episode(theirs["id"], day, there[1], operator, seconds, plan, recorded_ns)
        counting.write_episode(store, episode, station, bool(discarded), theirs["revised_ns"])
    return here is None


_TOLD = ("day", "station", "operator", "seconds", "plan_id", "recorded_ns", "discarded")


def _told(row: sqlite3.Row) -> tuple:
    return tuple(row[name] for name in _TOLD)


def _ours(store: Store, table: str, theirs: sqlite3.Row) -> sqlite3.Row | None:
    found = store.rows(f"SELECT * FROM {table} WHERE id = ?", (theirs["id"],))
    return found[0] if found else None


def _code(store: Store, row: sqlite3.Row | dict) -> str:
    return catalogue.by_id(store, row["id"]).code


_ORDER = {"area": _take_area, "task": _take_task, "plan": _take_plan, "episode": _take_episode}
