"""How long the machine itself keeps a thread from running, whatever its priority.

A process for each core, of a higher priority than anything measured, does nothing but sleep to the
instants of a grid and note how late it was woken. What delays it (a hypervisor that gives the core
to somebody else, a kernel that does not let go) delays every program, so a figure of jitter is to
be read beside it.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import numpy as np

from dreamzero_policy.ros import realtime

PRIORITY = 20
PERIOD_NS = 2_000_000
NOTED_NS = 1_000_000
ROOM = 1 << 20


def play(core: int, path: Path) -> None:
    """Notes when it was woken late, until the file beside ``path`` says that it is enough."""
    os.sched_setaffinity(0, {core})
    if not realtime.prioritise(realtime.threads(), PRIORITY):
        print(realtime.ADVICE)
    gc.disable()
    enough, found, count = path.with_suffix(".end"), np.zeros((ROOM, 2), dtype=np.int64), 0
    due = looked = time.monotonic_ns()
    while count < ROOM:
        due += PERIOD_NS
        time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
        now = time.monotonic_ns()
        if now - due > NOTED_NS:
            found[count] = now, now - due
            count += 1
            due = now
        if now - looked > 500_000_000:
            looked = now
            if enough.exists():
                break
    np.save(path, found[:count])


class MachineStalls:
    """Looks while the context lasts.

    Attributes:
        found: afterwards, [M, 2] int64: when a stall of some core ended, on the monotonic clock,
            and how long it was [ns]; those of 1 ms and more, in time order.
    """

    def __init__(self) -> None:
        self.found = np.zeros((0, 2), dtype=np.int64)

    def __enter__(self) -> MachineStalls:
        """Starts a process for each core."""
        self._folder = tempfile.TemporaryDirectory()
        self._paths = [
            Path(self._folder.name) / f"{core}.npy" for core in sorted(os.sched_getaffinity(0))
        ]
        self._processes = [
            subprocess.Popen([sys.executable, __file__, path.stem, str(path)])
            for path in self._paths
        ]
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends them and gathers what they noted."""
        for path in self._paths:
            path.with_suffix(".end").touch()
        for process in self._processes:
            process.wait(20)
        rows = np.concatenate([np.load(path) for path in self._paths if path.exists()])
        self.found = rows[np.argsort(rows[:, 0])]
        self._folder.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("core", type=int)
    parser.add_argument("path", type=Path)
    given = parser.parse_args()
    play(given.core, given.path)
