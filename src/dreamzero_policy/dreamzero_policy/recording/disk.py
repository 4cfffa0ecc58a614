"""How much room a recording has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

GIB = 1 << 30


class Room(NamedTuple):
    """The disk of a folder.

    Attributes:
        free_bytes: for this user.
        seconds_left: until it is as full as it may be, at the rate of late; -1 while not known.
    """

    free_bytes: int
    seconds_left: float


class DiskWatch:
    """Whether an episode may begin and go on.

    Args:
        folder: on the disk.
        start_bytes: an episode begins with at least so much free.
        stop_bytes: an episode ends before less is free.
    """

    def __init__(self, folder: Path, start_bytes: int, stop_bytes: int) -> None:
        self._folder, self._start, self._stop = folder, start_bytes, stop_bytes

    def room(self, bytes_per_s: float = 0.0) -> Room:
        """What is free now.

        Args:
            bytes_per_s: that are being written.
        """
        known = os.statvfs(self._folder)
        free = known.f_bavail * known.f_frsize
        left = max(0, free - self._stop) / bytes_per_s if bytes_per_s > 0 else -1.0
        return Room(free, left)

    def refusal(self) -> str:
        """Why no episode may begin, as a sentence; empty if one may."""
        free = self.room().free_bytes
        if free >= self._start:
            return ""
        return (
            f"{self._folder}: expected at least {self._start / GIB:.1f} GiB free to begin, got "
            f"{free / GIB:.1f} GiB"
        )

    def must_stop(self) -> str:
        """Why the episode must end now, as a sentence; empty if it need not."""
        free = self.room().free_bytes
        if free >= self._stop:
            return ""
        return (
            f"the disk is nearly full: {free / GIB:.1f} GiB are free, {self._stop / GIB:.1f} stay"
        )
