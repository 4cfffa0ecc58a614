"""Compressed canvases to pixels in a thread of their own, so that no callback waits for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from dreamzero_msgs import msg as dz

from dreamzero_policy.messages.images import Canvas, canvas_from_message

_WAITING = 10
"""Canvases that may wait; the oldest is dropped for one more."""


class CanvasDecoder:
    """A thread that decodes in the order of arrival.

    Args:
        ready: called in that thread when ``take`` has something.
    """

    def __init__(self, ready: Callable[[], None]) -> None:
        self._ready = ready
        self._changed = threading.Condition()
        self._messages: deque[dz.Canvas] = deque(maxlen=_WAITING)
        self._decoded: deque[Canvas | ValueError] = deque(maxlen=_WAITING)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="canvas-decoder", daemon=True)
        self._thread.start()

    def submit(self, message: dz.Canvas) -> None:
        """Takes a canvas; returns at once."""
        with self._changed:
            self._messages.append(message)
            self._changed.notify()

    def take(self) -> Canvas | ValueError | None:
        """The oldest result: a canvas, or why there is none; None where nothing is ready."""
        return self._decoded.popleft() if self._decoded else None

    def stop(self, timeout: float) -> None:
        """Decodes nothing more, and waits for the thread so long at most [s]."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._messages or self._stopping)
                if self._stopping:
                    return
                message = self._messages.popleft()
            try:
                self._decoded.append(canvas_from_message(message))
            except ValueError as error:
                self._decoded.append(error)
            self._ready()
