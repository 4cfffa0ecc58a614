"""Which ROS domain a run has for itself, so that two runs on one machine or network never meet.

A run holds a lock on a file for each side of its domain for as long as its process lives; the
kernel lets go of it whatever ends the process. A domain on which any other DDS program of this
machine listens counts as taken too.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DOMAINS = range(1, 102)
"""Domain ids whose UDP ports (7400 + 250 * id) lie below those that Linux hands out."""

LARGEST = 232
"""The largest domain id whose ports exist at all."""

SIDES = ("robot", "policy")
"""What a domain can be divided into: one run may hold both, or two runs one each."""

_PATIENCE = 5  # looks, 20 ms apart


class DomainClaim:
    """A domain id, or one side of it, that belongs to this process until ``release``.

    The robot's and the policy's side of one graph may be two processes: each holds its half of the
    domain. A half is joined only by the other half of the same robot.

    Attributes:
        domain_id: the id.
    """

    def __init__(
        self,
        domain_id: int | None = None,
        folder: Path | None = None,
        side: str = "all",
        robot: str = "",
    ) -> None:
        """Claims a domain.

        Args:
            domain_id: the id asked for; None takes that of the only run of the same robot which
                lacks this side, or else a free one.
            folder: where the lock files lie; the system's temporary folder by default.
            side: ``robot``, ``policy`` or ``all``.
            robot: name of the embodiment; the two sides of one domain must agree on it.

        Raises:
            ValueError: the id does not exist, another run has it or this side of it, the other side
                is of another robot, or none is free.
        """
        folder = folder or lock_folder()
        halves = _Halves(folder, (side,) if side in SIDES else SIDES, robot)
        if domain_id is None:
            self.domain_id, self._files = _first_free(halves)
            return
        if not 0 <= domain_id <= LARGEST:
            raise ValueError(f"domain id: expected 0 to {LARGEST}, got {domain_id}")
        self.domain_id, self._files = domain_id, halves.take(domain_id)

    def release(self) -> None:
        """Gives the domain back; a second call does nothing."""
        while self._files:
            os.close(self._files.pop())


@dataclass(frozen=True)
class _Halves:
    """The sides of a domain that one run wants for a robot."""

    folder: Path
    wanted: tuple[str, ...]
    robot: str

    @property
    def others(self) -> tuple[str, ...]:
        """Sides that may be another process's."""
        return tuple(side for side in SIDES if side not in self.wanted)

    def take(self, domain_id: int) -> list[int]:
        """Locks the wanted sides.

        Raises:
            ValueError: one is held already, or the other side is of another robot.
        """
        files: list[int] = []
        try:
            for side in self.wanted:
                path = _path(self.folder, domain_id, side)
                file = _lock_patiently(path)
                if file is None:
                    part = "" if len(self.wanted) > 1 else f"the {side} side of "
                    raise ValueError(
                        f"{part}domain id {domain_id} belongs to another dreamzero run"
                        f"{_holder(path)}: stop it, or ask for another id"
                    )
                files.append(file)
                with suppress(OSError):  # another user's file can be locked, but not written
                    os.ftruncate(file, 0)
                    os.pwrite(file, f"{os.getpid()} {self.robot}".encode(), 0)
            for side in self.others:
                robot = _robot_of(_path(self.folder, domain_id, side))
                if robot is not None and robot != self.robot:
                    raise ValueError(
                        f"domain id {domain_id}: its {side} side runs {robot or 'another robot'}, "
                        f"not {self.robot}: ask for another id"
                    )
        except ValueError:
            for file in files:
                os.close(file)
            raise
        return files

    def joinable(self) -> list[int]:
        """Domains whose other side is a run of the same robot, while the wanted side is free."""
        found = []
        for domain_id in running(self.folder):
            free = not any(_held(_path(self.folder, domain_id, side)) for side in self.wanted)
            robots = {_robot_of(_path(self.folder, domain_id, side)) for side in self.others}
            if free and robots == {self.robot}:
                found.append(domain_id)
        return found


def lock_folder() -> Path:
    """Where the runs of this machine find each other's locks."""
    return Path(tempfile.gettempdir())


def running(folder: Path | None = None) -> list[int]:
    """Domain ids that runs on this machine hold now, whole or in part."""
    found = set()
    for path in (folder or lock_folder()).glob("dreamzero-domain-*.lock"):
        domain_id = path.stem.split("-")[2]
        if domain_id.isdigit() and _held(path):
            found.add(int(domain_id))
    return sorted(found)


def _first_free(halves: _Halves) -> tuple[int, list[int]]:
    """The domain of the run that lacks this half, else the first that nobody listens on.

    Raises:
        ValueError: several runs lack it, or no domain is free.
    """
    waiting = halves.joinable()
    if len(waiting) > 1:
        raise ValueError(
            f"runs of {halves.robot} without a {halves.wanted[0]} side are on domains "
            f"{', '.join(map(str, waiting))}: say which with --domain-id"
        )
    for domain_id in (*waiting, *DOMAINS):
        try:
            files = halves.take(domain_id)
        except ValueError:
            continue
        # The other half may have been started a moment ago: its nodes are no strangers.
        joins = any(_held(_path(halves.folder, domain_id, side)) for side in halves.others)
        if joins or not _ports_in_use(domain_id):
            return domain_id, files
        for file in files:
            os.close(file)
    raise ValueError(f"no free ROS domain id among {DOMAINS.start} to {DOMAINS.stop - 1}")


def _ports_in_use(domain_id: int) -> bool:
    """Whether a DDS participant listens on a discovery port of the domain."""
    base = 7400 + 250 * domain_id
    for port in (base, base + 10, base + 12):  # multicast, then the first two participants
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                return True
    return False


def _path(folder: Path, domain_id: int, side: str) -> Path:
    return folder / f"dreamzero-domain-{domain_id}-{side}.lock"


def _lock(path: Path) -> int | None:
    """An open, locked file, or None when another process holds it."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # another user's file: locking needs no more than reading
        file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _held(path: Path) -> bool:
    """Whether a process holds a lock file."""
    if not path.exists():
        return False
    file = _lock(path)
    if file is not None:
        os.close(file)
    return file is None


def _lock_patiently(path: Path) -> int | None:
    """As ``_lock``, but not put off by a look of ``_held`` from another process."""
    for _ in range(_PATIENCE):
        file = _lock(path)
        if file is not None:
            return file
        time.sleep(0.02)
    return None


def _note(path: Path) -> tuple[str, str]:
    """Process id and robot, as far as a lock file says."""
    try:
        pid, _, robot = path.read_text().partition(" ")
    except OSError:
        return "", ""
    return pid, robot


def _holder(path: Path) -> str:
    """Who holds a lock file, for an error message."""
    pid, _ = _note(path)
    return f" (process {pid})" if pid.isdigit() else ""


def _robot_of(path: Path) -> str | None:
    """Which robot the holder of a lock file runs; None where nobody holds it."""
    for _ in range(_PATIENCE):
        if not _held(path):
            return None
        pid, robot = _note(path)
        if pid:
            return robot
        time.sleep(0.02)  # locked a moment ago: the note comes next
    return ""
