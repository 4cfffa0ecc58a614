"""Talking with whoever stands at the robot: short questions, explicit answers."""

from __future__ import annotations

import sys
import termios
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

YES, SKIP, QUIT = "yes", "skip", "quit"


class Operator(Protocol):
    """Who is asked; a test has one of its own."""

    watches: bool
    """Whether somebody sees the robot."""

    def say(self, text: str) -> None:
        """Shows a line."""

    def ask(self, question: str, choices: Mapping[str, str]) -> str:
        """One of the choices' values, by its letter or word; ``QUIT`` where nobody answers."""


class Terminal:
    """Asks on this terminal.

    Args:
        say: shows a line.
        read: reads a line, with a prompt.
    """

    watches = True

    def __init__(self, say: Callable[[str], None], read: Callable[[str], str] = input) -> None:
        self.say, self._read = say, read

    def ask(self, question: str, choices: Mapping[str, str]) -> str:
        """Asks until one of the choices comes; the end of the input is ``QUIT``."""
        shown = " / ".join(f"{letter} {word}" for letter, word in choices.items())
        while True:
            _forget_typed()
            try:
                answer = self._read(f"  {question} [{shown}] ").strip().lower()
            except EOFError:
                return QUIT
            for letter, word in choices.items():
                if answer and answer in (letter, word):
                    return word
            self.say(f"  please answer with one of: {', '.join(choices)}")


class Agreeing:
    """Says yes to every motion and watches nothing: for the simulated robot only.

    Args:
        say: shows a line.
    """

    watches = False

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def ask(self, question: str, choices: Mapping[str, str]) -> str:
        """The first choice."""
        return next(iter(choices.values()))


def _forget_typed() -> None:
    """Drops what was typed before the question: no key that was hit twice moves a robot."""
    with suppress(OSError, ValueError, termios.error):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def require_terminal() -> None:
    """Refuses to ask where nobody can answer.

    Raises:
        ValueError: the input is no terminal.
    """
    if not sys.stdin.isatty():
        raise ValueError(
            "walk: expected a terminal to ask for confirmation on; --yes agrees to every motion, "
            "with the simulated robot only"
        )
