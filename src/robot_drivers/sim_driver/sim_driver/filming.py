"""A thread that films the scene at a steady rate, so that rendering never delays the joints."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from dreamzero_policy.types import NS_PER_S, Image

from sim_driver.cameras import Cameras
from sim_driver.hardware import SimulatedRobot

_START_S = 20.0
_STOP_S = 3.0


class Filming:
    """Hands every picture to ``deliver``, all views of one instant with one stamp.

    The thread owns the OpenGL context. While it draws, Python is free for other threads. An
    instant that it came too late for is left out, never made up for.
    """

    def __init__(
        self,
        robot: SimulatedRobot,
        hz: float,
        stamp: Callable[[], int],
        wanted: Callable[[str], bool],
        deliver: Callable[[str, int, Image], None],
    ) -> None:
        """Prepares; ``start`` begins.

        Args:
            robot: whose scene is filmed.
            hz: pictures per second of every view.
            stamp: the instant for messages [ns], read when the scene is looked at.
            wanted: whether anyone watches a view; others are not drawn.
            deliver: takes view, stamp [ns] and picture [H, W, 3] uint8; called in the thread.
        """
        self._robot = robot
        self._period_ns = round(NS_PER_S / hz)
        self._stamp, self._wanted, self._deliver = stamp, wanted, deliver
        self._ready, self._ended = threading.Event(), threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="filming", daemon=True)

    @property
    def failure(self) -> Exception | None:
        """What ended the thread, if something did."""
        return self._failure

    def start(self) -> None:
        """Opens the cameras and begins.

        Raises:
            RenderingUnavailableError: the machine cannot render.
            RuntimeError: the cameras did not open in time.
        """
        self._thread.start()
        opened = self._ready.wait(_START_S)
        if self._failure is not None:
            raise self._failure
        if not opened:
            raise RuntimeError(f"the simulated cameras did not open within {_START_S:g} s")

    def stop(self) -> None:
        """Ends the thread; waits for it, but not for ever."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            cameras = Cameras(self._robot.model, self._robot.robot.views)
            try:
                self._ready.set()
                self._film(cameras)
            finally:
                cameras.close()
        except Exception as error:  # noqa: BLE001  # the owner must learn of it, whatever it is
            self._failure = error
        finally:
            self._ready.set()

    def _film(self, cameras: Cameras) -> None:
        due = time.monotonic_ns()
        while not self._ended.wait(max(0, due - time.monotonic_ns()) / NS_PER_S):
            views = [view.name for view in self._robot.robot.views if self._wanted(view.name)]
            if views:
                stamp = self._stamp()
                cameras.see(self._robot.scene_state())
                for view in views:
                    self._deliver(view, stamp, cameras.render(view))
            late = time.monotonic_ns() - due
            due += self._period_ns * (1 + max(0, late) // self._period_ns)
