"""A YAML file of areas and their tasks, as somebody writes it before the first day.

::

    Kitchen:
      - instruction: Clear the dishes from the table
        seconds: 110
        steps:
          - Pick up the plate with the left hand
          - Put it into the sink
      - Wipe the table
"""

from __future__ import annotations

from pathlib import Path

import yaml

from dreamzero_policy.tasks import catalogue
from dreamzero_policy.tasks.records import Task
from dreamzero_policy.tasks.store import Store

_KEYS = {"instruction", "seconds", "steps"}


def load(store: Store, path: Path, now_ns: int) -> list[Task]:
    """Adds every task of a file that is not there yet.

    Returns:
        The new ones.

    Raises:
        ValueError: the file is not laid out so; the message says where. Nothing is then added.
    """
    entries = _entries(Path(path).expanduser())
    new = []
    for area, task in entries:
        added, is_new = catalogue.add_task(store, area, now_ns=now_ns, **task)
        new += [added] if is_new else []
    return new


def _entries(path: Path) -> list[tuple[str, dict]]:
    """Areas and arguments of ``add_task``, checked."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(
            f"{path}: expected a YAML file of areas and tasks, got: {error}"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected 'area: [tasks]', got {type(content).__name__}")
    found = []
    for area, tasks in content.items():
        if not isinstance(area, str) or not isinstance(tasks, list):
            raise ValueError(f"{path}: area {area!r}: expected a list of tasks, got {tasks!r}")
        found += [(area, _task(path, area, entry)) for entry in tasks]
    return found


def _task(path: Path, area: str, entry: object) -> dict:
    task = {"instruction": entry} if isinstance(entry, str) else entry
    if not isinstance(task, dict) or not isinstance(task.get("instruction"), str):
        raise ValueError(f"{path}: {area}: expected an instruction, got {entry!r}")
    where = f"{path}: {area}: {task['instruction']!r}"
    if set(task) - _KEYS:
        raise ValueError(f"{where}: expected {', '.join(sorted(_KEYS))}, got {', '.join(task)}")
    steps = task.get("steps", [])
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise ValueError(f"{where}: steps: expected a list of texts, got {steps!r}")
    seconds = task.get("seconds", catalogue.SECONDS)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise ValueError(f"{where}: seconds: expected a number, got {seconds!r}")
    try:
        catalogue.check(area, task["instruction"], steps, seconds)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return task
