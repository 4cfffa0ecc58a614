"""A thread that works at a steady rate.

rclpy's executor costs nearly a millisecond of CPU each time a timer wakes it, whatever the callback
does; at 100 Hz that is a tenth of a core. A thread that sleeps until the next instant costs next to
nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator

from dreamzero_policy.types import NS_PER_S

_START_S = 20.0
_STOP_S = 1.5


class PacedThread:
    """Runs a generator in a thread of its own, one round per period.

    What comes before the generator's first ``yield`` is preparation; each round runs from one
    ``yield`` to the next; what it has in ``finally`` runs in the thread when it ends. Rounds that
    come too late are left out, never made up for.
    """

    def __init__(
        self,
        name: str,
        hz: float,
        work: Generator[None, None, None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Prepares; ``start`` begins.

        Args:
            name: of the thread.
            hz: rounds per second.
            work: not started yet.
            failed: told, in the thread, of an exception that ended it after the preparation.
        """
        self._period_ns = round(NS_PER_S / hz)
        self._work, self._failed = work, failed
        self._ready, self._ended = threading.Event(), threading.Event()
        self._refusal: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Runs the preparation and begins; raises what the preparation raised.

        Raises:
            RuntimeError: the preparation takes too long.
        """
        self._thread.start()
        ready = self._ready.wait(_START_S)
        if self._refusal is not None:
            raise self._refusal
        if not ready:
            raise RuntimeError(f"{self._thread.name} was not ready within {_START_S:g} s")

    def stop(self) -> None:
        """Ends the thread; waits for it, but not for ever."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            next(self._work)
        except Exception as error:  # noqa: BLE001  # raised again in the thread that called start
            self._refusal = error
            return
        finally:
            self._ready.set()
        try:
            self._rounds()
            self._work.close()
        except Exception as error:  # noqa: BLE001  # the owner must learn of it, whatever it is
            self._failed(error)

    def _rounds(self) -> None:
        due = time.monotonic_ns()
        while not self._ended.wait(max(0, due - time.monotonic_ns()) / NS_PER_S):
            next(self._work)
            late = max(0, time.monotonic_ns() - due)
            due += self._period_ns * (1 + late // self._period_ns)
