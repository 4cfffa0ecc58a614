"""A terminal whose keys come one by one, unechoed, and a status line that stays in its place."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty


class Terminal:
    """Standard input, key by key, for as long as the context lasts.

    Raises:
        ValueError: standard input is no terminal.
    """

    def __init__(self) -> None:
        if not sys.stdin.isatty():
            raise ValueError(
                "teleop needs a terminal for its keys and its status line: run it in one"
            )
        self._file = sys.stdin.fileno()
        self._line = ""

    def __enter__(self) -> Terminal:
        """Has keys come at once."""
        self._before = termios.tcgetattr(self._file)
        tty.setcbreak(self._file)
        return self

    def __exit__(self, *_: object) -> None:
        """Gives the terminal back as it was."""
        termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)
        sys.stdout.write("\n")
        sys.stdout.flush()

    def keys(self, wait_s: float) -> str:
        """What was typed, after waiting for at most ``wait_s`` seconds.

        Raises:
            EOFError: the terminal is gone.
        """
        if not select.select([self._file], [], [], max(wait_s, 0.0))[0]:
            return ""
        data = os.read(self._file, 1024)
        if not data:
            raise EOFError("the terminal is gone")
        return data.decode(errors="replace")

    def show(self, line: str) -> None:
        """Shows the status line."""
        if line != self._line:
            self._line = line
            width = os.get_terminal_size(self._file).columns or 80
            sys.stdout.write(f"\r\x1b[K{line[: width - 1]}")
            sys.stdout.flush()
