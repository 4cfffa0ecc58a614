"""Counting episodes: each once by its id, its tasks once each, and never again.

``count_episode`` is what a recorder calls when an episode is saved. It may call it again for the
same episode, after a crash or from a recovered file: nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dreamzero_policy.tasks import catalogue, records
from dreamzero_policy.tasks.records import Episode, Task
from dreamzero_policy.tasks.store import Store


@dataclass(frozen=True)
class Counted:
    """What a count changed.

    Attributes:
        new: False where the episode was counted already.
        tasks: of the episode, with their counts now.
    """

    new: bool
    tasks: tuple[Task, ...]

    @property
    def retired(self) -> tuple[Task, ...]:
        """Tasks that reached their number of episodes by this one."""
        return tuple(task for task in self.tasks if self.new and task.count == task.limit)


def count_episode(store: Store, episode: Episode, now_ns: int) -> Counted:
    """Counts an episode once.

    A task that is retired, proposed or rejected is counted too: it was recorded.

    Args:
        store: the file.
        episode: what was saved.
        now_ns: since the epoch.

    Raises:
        ValueError: an empty id, no task, a task twice or unknown, a day that is none, or an episode
            that is counted already with other tasks; nothing is then changed.
    """
    if not episode.id.strip():
        raise ValueError("episode: expected an id, got nothing")
    if not episode.tasks or len(set(episode.tasks)) != len(episode.tasks):
        raise ValueError(
            f"episode {episode.id}: expected at least one task, each once, got {episode.tasks}"
        )
    records.day(episode.day)
    with store.change():
        known = [catalogue.by_id(store, task) for task in episode.tasks]
        before = tasks_of(store, episode.id)
        if before and before != episode.tasks:
            codes = [catalogue.by_id(store, task).code for task in before]
            raise ValueError(
                f"episode {episode.id} is counted with {', '.join(codes)}, now it comes with "
                f"{', '.join(task.code for task in known)}: discard it first if that was wrong"
            )
        if not before:
            write_episode(store, episode, store.setting("station"), False, now_ns)
        return Counted(not before, tuple(catalogue.by_id(store, t) for t in episode.tasks))


def discard_episode(store: Store, episode_id: str, now_ns: int, *, discarded: bool = True) -> None:
    """Takes an episode out of every count, or back in; its row stays.

    Raises:
        ValueError: no episode has this id.
    """
    with store.change():
        if not tasks_of(store, episode_id):
            raise ValueError(f"no episode {episode_id!r} is counted in {store.path}")
        store.rows(
            "UPDATE episode SET discarded = ?, revised_ns = ? WHERE id = ? AND discarded != ?",
            (int(discarded), now_ns, episode_id, int(discarded)),
        )


def tasks_of(store: Store, episode_id: str) -> tuple[str, ...]:
    """Ids of the tasks that an episode is counted with; none where it is not counted."""
    order = "ORDER BY position"
    found = store.rows(
        f"SELECT task_id FROM episode_task WHERE episode_id = ? {order}", (episode_id,)
    )
    return tuple(row[0] for row in found)


def episodes(store: Store, day: str) -> list[tuple[Episode, str]]:
    """Every episode of a day that counts, oldest first, with its station."""
    found = store.rows(
        "SELECT * FROM episode WHERE day = ? AND NOT discarded ORDER BY recorded_ns, id",
        (records.day(day),),
    )
    return [
        (
            Episode(
                row["id"], row["day"], tasks_of(store, row["id"]), row["operator"],
                row["seconds"], row["plan_id"], row["recorded_ns"],
            ),
            row["station"],
        )
        for row in found
    ]  # fmt: skip


def counts_of_day(store: Store, day: str) -> dict[str, int]:
    """Episodes of a day by task id; tasks without one are left out."""
    found = store.rows(
        "SELECT task_id, count(*) FROM episode_task JOIN episode ON episode.id = episode_id "
        "WHERE day = ? AND NOT discarded GROUP BY task_id",
        (records.day(day),),
    )
    return {row[0]: row[1] for row in found}


def days(store: Store) -> list[tuple[str, int, float]]:
    """Every day with its episodes and their seconds, oldest first."""
    found = store.rows(
        "SELECT day, count(*), sum(seconds) FROM episode WHERE NOT discarded GROUP BY day "
        "ORDER BY day"
    )
    return [tuple(row) for row in found]


def write_episode(
    store: Store, episode: Episode, station: str, discarded: bool, revised_ns: int
) -> None:
    """Writes the rows of an episode inside a transaction, in place of those of its id."""
    store.rows("DELETE FROM episode_task WHERE episode_id = ?", (episode.id,))
    store.rows("DELETE FROM episode WHERE id = ?", (episode.id,))
    store.insert(
        "episode",
        id=episode.id,
        day=episode.day,
        station=station,
        operator=episode.operator,
        seconds=float(episode.seconds),
        plan_id=episode.plan,
        recorded_ns=episode.recorded_ns,
        discarded=int(discarded),
        revised_ns=revised_ns,
    )
    for position, task in enumerate(episode.tasks):
        store.insert("episode_task", episode_id=episode.id, position=position, task_id=task)


def resolve(store: Store, words: Sequence[str]) -> tuple[str, ...]:
    """Ids of the tasks that a person means by codes, ids or instructions."""
    return tuple(catalogue.find(store, word).id for word in words)
