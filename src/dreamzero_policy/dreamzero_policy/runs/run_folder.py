"""The folder of a run: whose it is, and that one process at a time trains in it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dreamzero_policy.runs.errors import TrainingError

RUN = "run.json"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """The folder, to nobody else.

    Raises:
        TrainingError: another process trains in it, it holds something else, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not (folder / RUN).is_file() and not _only_lock(folder):
            raise TrainingError(f"{folder}: expected a new folder or one of a run, got other files")
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise TrainingError(f"{folder}: {error.strerror or error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TrainingError(f"{folder}: another process trains in this folder") from None
        yield


def _only_lock(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == [".lock"]


def remember(folder: Path, settings: dict[str, Any]) -> None:
    """Writes down what a run is, or refuses to go on with another one.

    Args:
        folder: of the run.
        settings: what decides what it learns.

    Raises:
        TrainingError: the folder is of a run with other settings; all that differ are named.
    """
    path = folder / RUN
    plain = json.loads(json.dumps(settings, default=str))
    if path.is_file():
        try:
            known = json.loads(path.read_text())
        except ValueError as error:
            raise TrainingError(f"{path}: cannot be read: {error}") from error
        differ = [
            f"{name}: the run was begun with {known.get(name)!r}, got {plain.get(name)!r}"
            for name in sorted({*known, *plain})
            if known.get(name) != plain.get(name)
        ]
        if differ:
            raise TrainingError(
                f"{folder} holds a run with other settings; take another folder, or the same "
                "settings to go on with it:\n  " + "\n  ".join(differ)
            )
        return
    new = path.with_name(f".{RUN}.new")
    new.write_text(json.dumps(plain, indent=2) + "\n")
    os.replace(new, path)
