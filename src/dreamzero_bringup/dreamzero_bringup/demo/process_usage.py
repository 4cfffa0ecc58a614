"""CPU and memory of a run's processes, sampled from outside."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

_MIB = 2**20


@dataclass(frozen=True)
class Usage:
    """One process over the measured time.

    Attributes:
        cpu_percent: mean share of one core.
        resident_mib: largest resident set seen.
        share_mib: its proportional share at the end (shared pages divided among their users).
    """

    cpu_percent: float
    resident_mib: float
    share_mib: float


class ProcessUsage:
    """Samples processes by name; a process that ends keeps its last figures."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes: dict[str, psutil.Process] = {}
        for name, pid in pids.items():
            with suppress(psutil.NoSuchProcess):
                self._processes[name] = psutil.Process(pid)
        self._resident = dict.fromkeys(self._processes, 0.0)
        self._share = dict.fromkeys(self._processes, 0.0)
        self._cpu_now = dict.fromkeys(self._processes, 0.0)
        self.begin()

    def begin(self) -> None:
        """Starts the measured time anew."""
        self.sample()
        self._began, self._cpu_began = time.monotonic(), dict(self._cpu_now)

    def sample(self, share: bool = False) -> None:
        """Takes one sample.

        Args:
            share: also the proportional share, which costs milliseconds per process.
        """
        self._sampled = time.monotonic()
        for name, process in self._processes.items():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info()
                self._cpu_now[name] = times.user + times.system
                self._resident[name] = max(self._resident[name], memory.rss / _MIB)
                if share:
                    self._share[name] = process.memory_full_info().pss / _MIB

    def result(self) -> dict[str, Usage]:
        """Figures by process name, up to the last sample."""
        elapsed = max(self._sampled - self._began, 1e-9)
        return {
            name: Usage(
                100 * (self._cpu_now[name] - self._cpu_began[name]) / elapsed,
                self._resident[name],
                self._share[name],
            )
            for name in self._processes
        }
