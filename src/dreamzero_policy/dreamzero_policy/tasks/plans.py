"""The day's episode plans of an area, kept in the file so that sheet, console and log agree."""

from __future__ import annotations

import uuid
import zlib

from dreamzero_policy.tasks import catalogue, planning, records
from dreamzero_policy.tasks.records import Area, Plan
from dreamzero_policy.tasks.store import Store


def plans(store: Store, area: Area, day: str) -> list[Plan]:
    """This station's plans of a day, in their order."""
    found = store.rows(
        "SELECT id, number, EXISTS (SELECT 1 FROM episode WHERE plan_id = plan.id AND NOT discarded"
        ") AS recorded FROM plan WHERE area_id = ? AND day = ? AND station = ? ORDER BY number",
        (area.id, records.day(day), store.setting("station")),
    )
    return [_plan(store, area, day, row) for row in found]


def find(store: Store, area: Area, day: str, number: int) -> Plan:
    """The plan of episode ``number`` on a day's sheet.

    Raises:
        ValueError: there is none.
    """
    for one in plans(store, area, day):
        if one.number == number:
            return one
    raise ValueError(f"no episode {number} is planned for {area.name} on {day}")


def make(
    store: Store, area: Area, day: str, episodes: int, now_ns: int, seed: int | None = None
) -> list[Plan]:
    """Plans more episodes of a day, after those that are planned already.

    Args:
        store: the file.
        area: where.
        day: local date.
        episodes: how many more.
        now_ns: since the epoch.
        seed: of what is left to chance; None takes one of day, area and number of plans.

    Returns:
        The new plans; fewer than asked for where the area's tasks run out.

    Raises:
        ValueError: no task of the area is open, or a number or day that cannot be.
    """
    if not 1 <= episodes <= 500:
        raise ValueError(f"episodes: expected 1 to 500, got {episodes}")
    records.day(day)
    with store.change():
        before = plans(store, area, day)
        waiting = [task.id for one in before if not one.recorded for task in one.tasks]
        candidates = [
            planning.Candidate(task.id, task.count + waiting.count(task.id), task.seconds)
            for task in catalogue.tasks(store, area)
            if task.open
        ]
        if seed is None:
            seed = zlib.crc32(f"{area.id} {day} {len(before)}".encode())
        chosen = planning.plan(candidates, episodes, catalogue.rules(store), seed)
        if not chosen:
            raise ValueError(
                f"{area.name} has no task left to plan: propose new ones "
                "(`dreamzero tasks propose`) and accept them"
            )
        for number, tasks in enumerate(chosen, start=len(before) + 1):
            identity = uuid.uuid4().hex
            store.insert(
                "plan", id=identity, area_id=area.id, day=day, station=store.setting("station"),
                number=number, made_ns=now_ns,
            )  # fmt: skip
            for position, task in enumerate(tasks):
                store.insert("plan_task", plan_id=identity, position=position, task_id=task)
        return plans(store, area, day)[len(before) :]


def _plan(store: Store, area: Area, day: str, row: dict) -> Plan:
    found = store.rows(
        "SELECT task_id FROM plan_task WHERE plan_id = ? ORDER BY position", (row["id"],)
    )
    tasks = tuple(catalogue.by_id(store, one[0]) for one in found)
    return Plan(row["id"], area, day, row["number"], tasks, bool(row["recorded"]))
