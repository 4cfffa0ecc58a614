"""The folder where a station keeps its episodes: names, one recorder at a time, trash.

<root>/<episode>/        a bag each; complete once it has metadata.yaml
<root>/trash/<episode>/  what was discarded; nothing here deletes it
<root>/names.txt         every name ever given, so that none is given twice
<root>/recorder.lock     held by the one recorder that may write here
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from dreamzero_policy.data.errors import BagError, NotABagError
from dreamzero_policy.data.recovery import RECOVERED, is_being_recorded
from dreamzero_policy.data.rosbag2_layout import METADATA, sync_folder
from dreamzero_policy.types import NS_PER_S

TRASH, _NAMES, _LOCK = "trash", "names.txt", "recorder.lock"


@dataclass(frozen=True)
class Entry:
    """A folder of the store.

    Attributes:
        folder: of the bag.
        state: ``complete``, ``recording``, or ``interrupted`` for what can be recovered.
    """

    folder: Path
    state: str

    @property
    def name(self) -> str:
        """Of the episode."""
        return self.folder.name


class EpisodeStore:
    """Episodes of one folder; reading needs no lock.

    Args:
        root: the folder; made where it is not there.

    Raises:
        BagError: it cannot be made or is no folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).expanduser()
        self._lock: IO[str] | None = None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BagError(
                f"{self.root}: expected a folder for episodes, got: {error.strerror}"
            ) from error

    def acquire(self) -> None:
        """Becomes the one recorder of this folder, until ``release`` or the end of the process.

        Raises:
            BagError: another one is, or the folder cannot be written to.
        """
        path = self.root / _LOCK
        try:
            lock = open(path, "a+")  # noqa: SIM115  # held until release
        except OSError as error:
            raise BagError(
                f"{self.root}: expected a folder that can be written to, got: {error.strerror}"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            who = lock.read().strip() or "unknown"
            lock.close()
            raise BagError(
                f"{self.root}: expected no other recorder on this folder, got process {who}"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        """Lets another recorder have the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def new_folder(self, robot: str, now_ns: int) -> Path:
        """An empty folder with a name that was never given before.

        Args:
            robot: first part of the name.
            now_ns: ROS time; the second part, in UTC.

        Raises:
            BagError: the folder cannot be made.
        """
        stem = f"{robot}_{datetime.fromtimestamp(now_ns / NS_PER_S, UTC):%Y%m%d_%H%M%S}"
        given = self._given()
        candidates = (stem if number == 1 else f"{stem}_{number}" for number in range(1, 10_000))
        name = next(name for name in candidates if name not in given)
        try:
            self.note_name(name)
            (self.root / name).mkdir()
        except OSError as error:
            raise BagError(
                f"{self.root / name}: expected to make this folder, got: {error.strerror}"
            ) from error
        sync_folder(self.root)
        return self.root / name

    def entries(self) -> Iterator[Entry]:
        """Every episode by name, without those in the trash."""
        for folder in sorted(path for path in self.root.iterdir() if path.is_dir()):
            if folder.name == TRASH:
                continue
            if (folder / METADATA).is_file():
                yield Entry(folder, "complete")
                continue
            files = [one for one in folder.glob("*.mcap") if not one.name.endswith(RECOVERED)]
            if files:
                writing = any(map(is_being_recorded, files))
                yield Entry(folder, "recording" if writing else "interrupted")

    def discard(self, name: str) -> Path:
        """Moves an episode into the trash.

        Returns:
            Where it is now.

        Raises:
            NotABagError: there is none of that name.
            BagError: it is being recorded.
        """
        entry = next((one for one in self.entries() if one.name == name), None)
        if entry is None:
            raise NotABagError(f"{self.root}: expected an episode, got {name!r}, which is none")
        if entry.state == "recording":
            raise BagError(f"{entry.folder}: expected an episode that has ended")
        trash = self.root / TRASH
        trash.mkdir(exist_ok=True)
        os.rename(entry.folder, trash / name)  # names are never given twice
        sync_folder(trash)
        sync_folder(self.root)
        return trash / name

    def discarded(self) -> list[Path]:
        """Folders of the episodes in the trash, by name."""
        with suppress(FileNotFoundError):
            return sorted(path for path in (self.root / TRASH).iterdir() if path.is_dir())
        return []

    def restore(self, name: str) -> Path:
        """Moves an episode back out of the trash.

        Returns:
            Where it is now.

        Raises:
            NotABagError: there is none of that name in the trash.
            BagError: another episode has its place.
        """
        place = self.root / name
        if name not in {path.name for path in self.discarded()}:
            raise NotABagError(f"{self.root / TRASH}: expected an episode, got {name!r}")
        if place.exists():
            raise BagError(f"{place}: expected a free place for the episode, got another one")
        os.rename(self.root / TRASH / name, place)
        sync_folder(self.root)
        sync_folder(self.root / TRASH)
        return place

    def note_name(self, name: str) -> None:
        """Remembers a name that was given, so that it is never given again."""
        with open(self.root / _NAMES, "a") as file:
            file.write(f"{name}\n")
            file.flush()
            os.fsync(file.fileno())

    def _given(self) -> set[str]:
        """Every name that is or ever was in use."""
        given = {path.name for path in self.root.iterdir()}
        with suppress(FileNotFoundError):
            given |= {path.name for path in (self.root / TRASH).iterdir()}
        with suppress(FileNotFoundError):
            given |= set((self.root / _NAMES).read_text().split())
        return given
