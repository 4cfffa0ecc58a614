"""Saved episodes on the station's task sheets, as they are saved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from dreamzero_policy.episodes import counted
from dreamzero_policy.tasks.store import open_store


class TaskCounts:
    """Which tasks episodes are of, and the count of each that is saved.

    Args:
        db: the station's task database.
        words: codes, ids or instructions of the tasks; anything else is only written down.
        area: of the tasks; empty for whichever has them.

    Attributes:
        text: what an episode says of its tasks.
        problem: why nothing is counted; empty where it is, or where no task was named.
    """

    def __init__(self, db: Path, words: Sequence[str], area: str = "") -> None:
        self._db, self.problem = db, ""
        self.text = " | ".join(words)
        if not words:
            return
        try:
            with open_store(db, write=False) as store:
                self.text = counted.task_text(store, words, area)
        except ValueError as error:
            self.problem = f"episodes are not counted as tasks: {error}"

    def saved(self, folder: Path) -> str:
        """Counts a saved episode; what is to be said of it, nothing without a task."""
        if not self.text or self.problem:
            return ""
        try:
            with open_store(self._db) as store:
                done = counted.count(store, folder, time.time_ns())
        except (ValueError, OSError) as error:
            return f"not counted: {error}; `dreamzero episodes count` does it later"
        told = [f"{task.code} {task.count} of {task.limit}" for task in done.tasks]
        told += [f"{task.code} has its {task.limit} episodes and retires" for task in done.retired]
        return f"counted: {', '.join(told)}"
