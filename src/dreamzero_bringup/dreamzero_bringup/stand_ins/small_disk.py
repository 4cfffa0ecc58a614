"""A disk of a few MiB that can be filled up: a tmpfs, which needs root."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

_MIB = 8
_BLOCK = bytes(64 * 1024)


class SmallDisk:
    """A folder with little room.

    Attributes:
        folder: where it is mounted.

    Raises:
        ValueError: it cannot be mounted.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dreamzero-small-disk-"))
        self._ballast = self.folder / "ballast"
        command = ["mount", "-t", "tmpfs", "-o", f"size={_MIB}m", "dreamzero", str(self.folder)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.folder.rmdir()
            reason = getattr(error, "stderr", "") or error
            raise ValueError(f"a full disk needs a tmpfs, which needs root: {reason}") from error

    def fill(self) -> None:
        """Takes all the room that is left."""
        file = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (len(_BLOCK), 512, 1):
                try:
                    while os.write(file, _BLOCK[:size]):
                        pass
                except OSError:  # no room for so much
                    continue
        finally:
            os.close(file)

    def empty(self) -> None:
        """Gives the room back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Takes the disk away; also while somebody still has files open there."""
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)
        self.folder.rmdir()
