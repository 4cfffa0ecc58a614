"""What a crew sees: answers, and on a terminal a status line that stays at the foot."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console

from dreamzero_bringup.record.status_text import line, table

_REDRAW_S, _REPEAT_S = 0.5, 10.0
_SAVE, _RESTORE, _CLEAR, _REVERSE, _PLAIN = "\0337", "\0338", "\033[2K", "\033[7m", "\033[0m"
_ALARMING = ("[WARN]", "[ERROR]", "[FATAL]", "Traceback", "Error")


class Screen:
    """Writes whole lines from whichever thread; use as a context manager.

    Args:
        out: where to. On a terminal its last line is kept for the status; elsewhere the status is
            a line whenever its state changes, and every 10 s.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._console = Console(file=out, highlight=False, soft_wrap=True)
        self._live, self._lock = out.isatty(), threading.Lock()
        self._size = (0, 0)
        self._state, self._next, self._repeat = "", 0.0, 0.0

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the last line back."""
        if self._live and self._size[0]:
            with self._lock:
                self._out.write(f"\033[r\033[{self._size[0]};1H{_CLEAR}")
                self._out.flush()

    def say(self, text: str) -> None:
        """Writes a line."""
        with self._lock:
            self._console.print(text, markup=False)

    def log(self, text: str) -> None:
        """Writes a line of the recorder's log, if a crew must see it."""
        if any(word in text for word in _ALARMING):
            self.say(text)

    def streams(self, status: Any) -> None:
        """Writes every stream of a status, if there is one."""
        if status is not None:
            with self._lock:
                self._console.print(table(status))

    def status(self, status: Any) -> None:
        """Shows the status, twice a second at most."""
        now = time.monotonic()
        if status is None or now < self._next:
            return
        self._next = now + _REDRAW_S
        text = line(status)
        if self._live:
            self._draw(text)
        elif text.partition(",")[0] != self._state or now >= self._repeat:
            self._state, self._repeat = text.partition(",")[0], now + _REPEAT_S
            self.say(text)

    def _draw(self, text: str) -> None:
        """Puts the status into the last line of the terminal; the rest scrolls above it."""
        columns, rows = os.get_terminal_size(self._out.fileno())
        with self._lock:
            if (rows, columns) != self._size:
                self._size = (rows, columns)
                self._out.write(f"\n{_SAVE}\033[1;{rows - 1}r{_RESTORE}\033[1A")
            shown = text[: columns - 1].ljust(columns - 1)
            self._out.write(f"{_SAVE}\033[{rows};1H{_REVERSE}{shown}{_PLAIN}{_RESTORE}")
            self._out.flush()
