"""Recorded episodes on the task sheets: what tasks an episode says it holds, counted once.

An episode names its tasks in ``EpisodeFacts.task`` as ``Area: instruction | Area: instruction``. A
task's id is made of these two, so every station counts them as the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.episodes.found import seconds_of
from dreamzero_policy.tasks import catalogue, counting, plans, records
from dreamzero_policy.tasks.counting import Counted
from dreamzero_policy.tasks.records import Task
from dreamzero_policy.tasks.store import Store
from dreamzero_policy.types import NS_PER_S

_BETWEEN = " | "


def task_text(store: Store, words: Sequence[str], area: str = "") -> str:
    """What an episode says of the tasks that a crew named.

    Args:
        store: of the station's tasks.
        words: codes, ids or whole instructions.
        area: of instructions that several areas have; empty for whichever has them.

    Raises:
        ValueError: a word is no task.
    """
    place = catalogue.area(store, area) if area else None
    found = []
    for word in words:
        named = records.task_id(place.id, word) if place else ""
        try:
            found.append(catalogue.by_id(store, named) if named else catalogue.find(store, word))
        except ValueError:
            found.append(catalogue.find(store, word))
    return _BETWEEN.join(f"{task.area.name}: {task.instruction}" for task in found)


def tasks_in(store: Store, text: str) -> list[Task]:
    """The tasks of ``EpisodeFacts.task``.

    Raises:
        ValueError: it names none, or one that the station does not know.
    """
    found = []
    for part in filter(None, map(str.strip, text.split(_BETWEEN.strip()))):
        area, colon, instruction = part.partition(": ")
        named = records.task_id(records.area_id(area), instruction) if colon else ""
        try:
            found.append(catalogue.by_id(store, named) if named else catalogue.find(store, part))
        except ValueError:
            found.append(catalogue.find(store, part))
    if not found:
        raise ValueError("it names no task")
    return found


def count(store: Store, folder: Path, now_ns: int) -> Counted:
    """Counts a complete episode once, under the day's plan that it followed.

    Args:
        store: of the station's tasks.
        folder: of the bag.
        now_ns: since the epoch.

    Raises:
        BagError: it cannot be opened.
        ValueError: it names no task or an unknown one, or is counted with others.
    """
    with Episode(folder) as episode:
        facts, seconds = episode.facts, seconds_of(episode)
    if origin := facts.extra.get("trimmed_from"):
        raise ValueError(f"it is what was kept of {origin}, which is counted")
    tasks = tasks_in(store, facts.task)
    ids = tuple(task.id for task in tasks)
    day = datetime.fromtimestamp(facts.started_ns / NS_PER_S).date().isoformat()
    planned = (
        one.id
        for one in plans.plans(store, tasks[0].area, day)
        if not one.recorded and {task.id for task in one.tasks} == set(ids)
    )
    one = records.Episode(
        facts.name, day, ids, facts.operator, seconds, next(planned, ""), facts.started_ns
    )
    return counting.count_episode(store, one, now_ns)
