"""Shared memory that killed processes left: what Fast DDS made in /dev/shm and nobody has open.

A process that is killed leaves the segment that it sent from and the ports that it listened at.
Where a day of killed processes had left 1250 of these files, nodes heard nothing of each other for
over ten seconds after one of them was killed, in two of five runs; in none of five once the files
were gone.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

SHARED = Path("/dev/shm")
_PROCESSES = Path("/proc")
_OURS = re.compile(r"(?:sem\.)?(fastrtps_(?:port\d+|[0-9a-f]{16}))(?:_el|_sl|_mutex)?")
_LOCKS = ("_el", "_sl")
_YOUNG_S = 10.0
"""What is younger may be of a process that is about to open it [s]."""


class Swept(NamedTuple):
    """What was removed: how many files, and of what size together [bytes]."""

    files: int
    size: int

    @property
    def text(self) -> str:
        """For people."""
        return (
            f"removed {self.files} files ({self.size / 1e6:.1f} MB) of shared memory that killed "
            "processes had left"
        )


def sweep(folder: Path = SHARED) -> Swept:
    """Removes what this user's processes left, where no process has it open and no lock is held.

    A segment goes with its lock, a port with its locks and its mutex, or none of it.
    """
    parts: dict[str, list[Path]] = defaultdict(list)
    with suppress(OSError):
        for path in folder.iterdir():
            if found := _OURS.fullmatch(path.name):
                parts[found[1]].append(path)
    if not parts:
        return Swept(0, 0)
    used = set(_used(folder))
    gone = [_size(path) for paths in parts.values() if _left(paths, used) for path in paths]
    return Swept(len(gone), sum(gone))


def _used(folder: Path) -> Iterator[str]:
    """Names in a folder of what a process has mapped or open, as far as that may be seen."""
    prefix = f"{folder}/"
    for process in _PROCESSES.glob("[0-9]*"):
        with suppress(OSError):
            for line in (process / "maps").read_text(errors="replace").splitlines():
                if (at := line.find(prefix)) >= 0:
                    yield line[at + len(prefix) :]
        with suppress(OSError):
            for link in (process / "fd").iterdir():
                with suppress(OSError):
                    target = os.readlink(link)
                    if target.startswith(prefix):
                        yield target[len(prefix) :]


def _left(paths: list[Path], used: set[str]) -> bool:
    """Whether all that belongs together is this user's, old enough, and nobody's."""
    try:
        about = [path.stat() for path in paths]
    except OSError:  # gone meanwhile
        return False
    if any(path.name in used for path in paths):
        return False
    if any(one.st_uid != os.getuid() or time.time() - one.st_mtime < _YOUNG_S for one in about):
        return False
    return not any(path.name.endswith(_LOCKS) and _locked(path) for path in paths)


def _locked(path: Path) -> bool:
    """Whether somebody holds the lock of a file, one in another container, too."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _size(path: Path) -> int:
    """Removes a file; its size before."""
    try:
        size = path.stat().st_size
        path.unlink()
    except OSError:
        return 0
    return size
