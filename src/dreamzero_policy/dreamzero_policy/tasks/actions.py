"""What ``dreamzero tasks`` does: one function per action, each with what there is to print."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from rich.console import Group, RenderableType

from dreamzero_policy.tasks import (
    catalogue,
    counting,
    daily_log,
    merging,
    plans,
    task_file,
    terminal,
)
from dreamzero_policy.tasks import sheet as sheets
from dreamzero_policy.tasks.page import write
from dreamzero_policy.tasks.records import Episode, Status
from dreamzero_policy.tasks.store import Store, open_store


def act(path: Path, action: str, **wanted: object) -> RenderableType:
    """Carries out one action on the database at ``path``.

    Args:
        path: of the database.
        action: a name of ``ACTIONS``, or ``init``.
        wanted: what the action takes.

    Raises:
        ValueError: what the user got wrong, or what is wrong with the file.
    """
    if action == "init":
        return _init(path, str(wanted["station"] or socket.gethostname()))
    with open_store(path, write=action not in _READ_ONLY) as store:
        return ACTIONS[action](store, **wanted)


def _init(path: Path, station: str) -> RenderableType:
    with open_store(path, create=True, station=station) as store:
        return f"{store.path}: tasks of station {store.setting('station')!r}"


def _load(store: Store, file: Path) -> RenderableType:
    new = task_file.load(store, file, time.time_ns())
    return terminal.tasks(new, f"{len(new)} new tasks")


def _add(
    store: Store,
    area: str,
    instruction: str,
    step: Sequence[str] | None,
    seconds: float | None,
    by: str,
    status: Status = "active",
) -> RenderableType:
    task, new = catalogue.add_task(
        store,
        area,
        instruction,
        time.time_ns(),
        steps=step or (),
        seconds=catalogue.SECONDS if seconds is None else seconds,
        status=status,
        person=by,
    )
    return terminal.tasks([task], "added" if new else "there already; nothing changed")


def _propose(store: Store, **wanted: object) -> RenderableType:
    return _add(store, **wanted, status="proposed")


def _decide(status: Status) -> Callable[..., RenderableType]:
    def decide(store: Store, task: Sequence[str], by: str) -> RenderableType:
        found = [catalogue.find(store, word) for word in task]
        told = [catalogue.decide(store, one, status, time.time_ns(), by) for one in found]
        return terminal.tasks(told, f"now {status}")

    return decide


def _revise(
    store: Store, task: str, step: Sequence[str] | None, seconds: float | None
) -> RenderableType:
    found = catalogue.find(store, task)
    told = catalogue.revise(store, found, time.time_ns(), steps=step, seconds=seconds)
    return terminal.tasks([told], "revised")


def _list(store: Store, area: str | None, status: str | None) -> RenderableType:
    place = catalogue.area(store, area) if area else None
    found = [one for one in catalogue.tasks(store, place) if status in (None, one.standing)]
    return terminal.tasks(found, f"{len(found)} tasks")


def _plan(store: Store, area: str, episodes: int, day: str | None) -> RenderableType:
    place, day = catalogue.area(store, area), day or _today()
    made = plans.make(store, place, day, episodes, time.time_ns())
    return terminal.plans(made, f"{place.name}, {day}: {len(made)} of {episodes} episodes planned")


def _sheet(store: Store, area: str, episodes: int, day: str | None, out: Path) -> RenderableType:
    place, day = catalogue.area(store, area), day or _today()
    planned = plans.plans(store, place, day)
    if not planned:
        planned = plans.make(store, place, day, episodes, time.time_ns())
    path = out / f"{place.name.lower().replace(' ', '-').replace('/', '-')}-{day}.html"
    listed = catalogue.tasks(store, place)
    write(path, sheets.sheet(place, day, store.setting("station"), planned, listed))
    return f"{path}: {len(planned)} episodes; open it in a browser and print it on A4"


def _count(
    store: Store,
    episode: str,
    task: Sequence[str],
    day: str | None,
    by: str,
    length: float,
    plan: int | None,
) -> RenderableType:
    now_ns, day = time.time_ns(), day or _today()
    found = counting.resolve(store, task)
    area = catalogue.by_id(store, found[0]).area
    planned = "" if plan is None else plans.find(store, area, day, plan).id
    one = Episode(episode, day, found, by, length, planned, now_ns)
    counted = counting.count_episode(store, one, now_ns)
    title = "counted" if counted.new else "counted before; nothing changed"
    full = [f"{one.code} has its {one.limit} episodes and retires" for one in counted.retired]
    return Group(terminal.tasks(counted.tasks, f"{episode}: {title}"), *full)


def _discard(store: Store, episode: str, undo: bool) -> RenderableType:
    counting.discard_episode(store, episode, time.time_ns(), discarded=not undo)
    return f"{episode} {'counts again' if undo else 'is counted no more'}"


def _counts(store: Store, day: str | None) -> RenderableType:
    return terminal.day(daily_log.read(store, day or _today()), counting.days(store))


def _log(store: Store, day: str | None, out: Path) -> RenderableType:
    return "\n".join(map(str, daily_log.export(store, day or _today(), out)))


def _merge(store: Store, file: Sequence[Path]) -> RenderableType:
    return Group(*map(terminal.merged, merging.merge(store, file)))


def _copy(store: Store, file: Path) -> RenderableType:
    store.copy_to(file)
    return f"{file}: everything in {store.path}"


def _set(store: Store, name: str, value: str) -> RenderableType:
    catalogue.change_setting(store, name, value)
    return f"{name} is {store.setting(name)}"


def _today() -> str:
    return date.today().isoformat()


_READ_ONLY = ("list", "counts", "log", "copy")

ACTIONS: dict[str, Callable[..., RenderableType]] = {
    "load": _load,
    "add": _add,
    "propose": _propose,
    "accept": _decide("active"),
    "reject": _decide("rejected"),
    "retire": _decide("retired"),
    "revise": _revise,
    "list": _list,
    "plan": _plan,
    "sheet": _sheet,
    "count": _count,
    "discard": _discard,
    "counts": _counts,
    "log": _log,
    "merge": _merge,
    "copy": _copy,
    "set": _set,
}
