"""The Franka Hand through franky, in a thread of its own: its calls block until it has moved.

From TimSchneider42/franky v2.0.0: ``move`` and ``grasp`` block and ``stop``, called meanwhile, ends
them (``doc/guide/gripper.md``); their ``*_async`` forms start at once and then wait for the command
before (``src/gripper.cpp`` setCurrentFuture), so that two would reach the hand together: not used.
``grasp`` is what keeps a force on an object; ``epsilon_outer=1.0`` makes any width a success.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from franka_driver.hardware import HardwareFaultError

_STATE_S = 1 / 15  # as often as franka_ros2's gripper node asks (config/franka_gripper_node.yaml)
_STOP_S = 1.0


class FrankyHand:
    """Moves to the newest width asked for; a command under way for another one is stopped."""

    def __init__(
        self, gripper: Any, *, speed: float, force: float, step: float, now_ns: Callable[[], int]
    ) -> None:
        """Starts the threads.

        Args:
            gripper: ``franky.Gripper``, connected.
            speed: m/s of the jaws.
            force: N with which a closed hand holds.
            step: share of the range; smaller changes are not worth a command.
            now_ns: the clock of ``read``.

        Raises:
            ValueError: the hand was not homed, so it knows no width.
        """
        self._gripper, self._speed, self._force, self._step = gripper, speed, force, step
        self._now_ns = now_ns
        self._width = float(gripper.max_width)
        if not self._width > 0:
            raise ValueError("the Franka Hand was not homed: run Homing in Desk and start again")
        self._changed = threading.Condition()
        self._wanted: float | None = None
        self._moving: float | None = None
        self._measured: tuple[float, int] | None = None
        self._trouble = ""
        self._ended = False
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("hand", self._run), ("hand state", self._watch))
        ]
        for thread in self._threads:
            thread.start()

    def read(self) -> tuple[float, int] | None:
        """The newest width as 0 open to 1 closed, and when."""
        with self._changed:
            return self._measured

    def make_for(self, closed: float) -> None:
        """Begins to move; takes over from a command that goes elsewhere."""
        with self._changed:
            if self._wanted is not None and abs(closed - self._wanted) < self._step:
                return
            self._wanted = closed
            elsewhere = self._moving is not None and abs(closed - self._moving) >= self._step
            self._changed.notify_all()
        if elsewhere:
            self._call(self._gripper.stop)

    def step(self, now_ns: int) -> None:
        """Says what a thread has met."""
        with self._changed:
            if self._trouble:
                raise HardwareFaultError(f"the Franka Hand: {self._trouble}")

    def recover(self) -> None:
        """Forgets a failure and what was wanted."""
        with self._changed:
            self._trouble, self._wanted = "", None

    def close(self) -> None:
        """Ends the threads; the hand keeps what it holds."""
        with self._changed:
            self._ended = True
            moving = self._moving is not None
            self._changed.notify_all()
        if moving:
            self._call(self._gripper.stop)
        for thread in self._threads:
            thread.join(_STOP_S)

    def _run(self) -> None:
        """Executes one command after the other, the newest wins."""
        done: float | None = None
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda done=done: (
                        self._ended or (self._wanted is not None and self._wanted != done)
                    )
                )
                if self._ended:
                    return
                done = self._moving = self._wanted
                here = self._measured[0] if self._measured else 0.0
            width = (1.0 - done) * self._width
            if done > here:
                # Held with a force wherever the jaws meet something.
                self._call(
                    lambda width=width: self._gripper.grasp(
                        width, self._speed, self._force, epsilon_inner=1.0, epsilon_outer=1.0
                    )
                )
            else:
                self._call(lambda width=width: self._gripper.move(width, self._speed))
            with self._changed:
                self._moving = None

    def _watch(self) -> None:
        """Reads the width; a failure ends it until ``recover``."""
        while not self._ended:
            state = self._call(lambda: self._gripper.state)
            if state is not None:
                with self._changed:
                    closed = 1.0 - float(state.width) / self._width
                    self._measured = (min(max(closed, 0.0), 1.0), self._now_ns())
            time.sleep(_STATE_S)

    def _call(self, what: Any) -> Any:
        """Result of a vendor's call; None where it failed, which is kept for ``step``.

        A command that was stopped, or met an object, is no failure: those throw CommandException.
        """
        try:
            return what()
        except Exception as error:  # noqa: BLE001  # whatever a vendor's library throws
            if type(error).__name__ != "CommandException":
                with self._changed:
                    self._trouble = self._trouble or " ".join(str(error).split())
            return None
