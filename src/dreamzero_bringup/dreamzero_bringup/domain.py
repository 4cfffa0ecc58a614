"""Which ROS domain a run has for itself, so that two runs on one machine or network never meet.

A run holds a lock on a file per domain for as long as its process lives; the kernel lets go of it
whatever ends the process. A domain on which any other DDS program of this machine listens counts as
taken too.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

DOMAINS = range(1, 102)
"""Domain ids whose UDP ports (7400 + 250 * id) lie below those that Linux hands out."""

LARGEST = 232
"""The largest domain id whose ports exist at all."""


class DomainClaim:
    """A domain id that belongs to this process until ``release``.

    Attributes:
        domain_id: the id.
    """

    def __init__(self, domain_id: int | None = None, folder: Path | None = None) -> None:
        """Claims a domain.

        Args:
            domain_id: the id asked for; None takes a free one.
            folder: where the lock files lie; the system's temporary folder by default.

        Raises:
            ValueError: the id does not exist, another run has it, or none is free.
        """
        folder = folder or lock_folder()
        if domain_id is None:
            self.domain_id, self._file = _first_free(folder, DOMAINS)
            return
        if not 0 <= domain_id <= LARGEST:
            raise ValueError(f"domain id: expected 0 to {LARGEST}, got {domain_id}")
        file = _lock_patiently(folder, domain_id)
        if file is None:
            raise ValueError(
                f"domain id {domain_id} belongs to another dreamzero run"
                f"{_holder(folder, domain_id)}: stop it, or ask for another id"
            )
        self.domain_id, self._file = domain_id, file

    def release(self) -> None:
        """Gives the domain back; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def lock_folder() -> Path:
    """Where the runs of this machine find each other's locks."""
    return Path(tempfile.gettempdir())


def running(folder: Path | None = None) -> list[int]:
    """Domain ids that runs on this machine hold now."""
    folder = folder or lock_folder()
    found = []
    for path in folder.glob("dreamzero-domain-*.lock"):
        domain_id = path.stem.rpartition("-")[2]
        if domain_id.isdigit():
            file = _lock(folder, int(domain_id), note=False)
            if file is None:
                found.append(int(domain_id))
            else:
                os.close(file)
    return sorted(found)


def _first_free(folder: Path, candidates: Iterable[int]) -> tuple[int, int]:
    """The first domain that no run holds and whose ports nobody listens on, with its lock."""
    for domain_id in candidates:
        if _ports_in_use(domain_id):
            continue
        file = _lock(folder, domain_id)
        if file is not None:
            return domain_id, file
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


def _path(folder: Path, domain_id: int) -> Path:
    return folder / f"dreamzero-domain-{domain_id}.lock"


def _lock(folder: Path, domain_id: int, note: bool = True) -> int | None:
    """An open, locked file, or None when another process holds it."""
    path = _path(folder, domain_id)
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # another user's file: locking needs no more than reading
        file = os.open(path, os.O_RDONLY)
        note = False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    if note:
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
    return file


def _lock_patiently(folder: Path, domain_id: int) -> int | None:
    """As ``_lock``, but not put off by a look of ``running`` from another process."""
    for _ in range(5):
        file = _lock(folder, domain_id)
        if file is not None:
            return file
        time.sleep(0.02)
    return None


def _holder(folder: Path, domain_id: int) -> str:
    """Who holds a domain, as far as its lock file says."""
    try:
        return f" (process {int(_path(folder, domain_id).read_text())})"
    except (OSError, ValueError):
        return ""
