"""A thread that ticks at a steady rate and measures how well it does.

Why a thread: measured at 30 Hz on two cores, an rclpy timer comes late by whatever callback runs
before it, up to 34 ms, and costs a third of a millisecond more per wake-up; and with the wheels of
Jazzy ``EventsExecutor`` ran no timer at all and kept a core busy.

Why real-time priority: with both cores busy an ordinary thread waits for its neighbours' time
slices. Priority for this thread alone is not enough: another thread of the process that is pushed
off its core while it holds the interpreter keeps this one waiting for it. So whoever runs a ticker
gives the process's other threads priority as well, one less. On two cores with a dozen busy
processes the 99th percentile of a tick's deviation was hundreds of milliseconds without priority,
32 ms with it for this thread alone, 0.7 ms with it for all (``benchmarks/jitter.py``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from dreamzero_policy.ros import realtime
from dreamzero_policy.types import NS_PER_S


class Timing(NamedTuple):
    """How the last second's ticks went.

    Attributes:
        period_mean_s: mean time between two ticks; 0 before the second one.
        period_worst_s: largest deviation from the nominal period.
        cpu_s: mean CPU time of a tick.
    """

    period_mean_s: float
    period_worst_s: float
    cpu_s: float


class Ticker:
    """Calls a function at every instant of a grid of the monotonic clock.

    An instant that passed while a tick ran is left out, never made up for.

    Args:
        name: of the thread.
        period_ns: from one instant to the next.
        tick: called in the thread.
        failed: told, in the thread, of an exception that ended it.
        realtime_priority: 1 to 99 to run before every ordinary thread of the machine, where the
            user may; 0 not to ask.

    Attributes:
        realtime: whether the priority was granted; settled once ``start`` has returned.
    """

    def __init__(
        self,
        name: str,
        period_ns: int,
        tick: Callable[[], None],
        failed: Callable[[Exception], None],
        realtime_priority: int = 0,
    ) -> None:
        self._period_ns = period_ns
        self._tick, self._failed = tick, failed
        self.realtime = False
        self._priority = realtime_priority
        self._begun, self._ended = threading.Event(), threading.Event()
        self._record: deque[tuple[int, int]] = deque(maxlen=max(2, NS_PER_S // period_ns))
        self._due_ns = time.monotonic_ns()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread; once."""
        self._thread.start()
        self._begun.wait()

    def stop(self, timeout_s: float) -> bool:
        """Ends the thread after the tick that is running.

        Args:
            timeout_s: how long to wait at most.

        Returns:
            Whether it has ended.
        """
        self._ended.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def left_ns(self) -> int:
        """Until the next tick is due; 0 or less while one runs, or is late. From any thread."""
        return self._due_ns - time.monotonic_ns()

    def wait_until(self, after_ns: int) -> None:
        """Within a tick: sleeps until so long after its instant, not at all where that has passed.

        What is done then is done at the same lag in every tick, however long computing took.
        """
        time.sleep(max(0, after_ns + self.left_ns()) / NS_PER_S)

    def timing(self) -> Timing:
        """Figures of the last second; callable from any thread."""
        record = list(self._record)
        if len(record) < 2:
            return Timing(0.0, 0.0, 0.0)
        began = [start for start, _ in record]
        periods = [later - earlier for earlier, later in pairwise(began)]
        return Timing(
            period_mean_s=sum(periods) / len(periods) / NS_PER_S,
            period_worst_s=max(abs(period - self._period_ns) for period in periods) / NS_PER_S,
            cpu_s=sum(cpu for _, cpu in record) / len(record) / NS_PER_S,
        )

    def _run(self) -> None:
        if self._priority:
            self.realtime = realtime.prioritise([threading.get_native_id()], self._priority)
        self._begun.set()
        self._due_ns = time.monotonic_ns() + self._period_ns
        try:
            while not self._ended.is_set():
                # Event.wait sleeps less exactly than the clock itself.
                time.sleep(max(0, self.left_ns()) / NS_PER_S)
                if self._ended.is_set():
                    break
                start, cpu = time.monotonic_ns(), time.thread_time_ns()
                self._tick()
                self._record.append((start, time.thread_time_ns() - cpu))
                late = -self.left_ns()
                self._due_ns += self._period_ns * (1 + max(0, late) // self._period_ns)
        except Exception as error:  # noqa: BLE001  # the owner must learn of it, whatever it is
            self._failed(error)
