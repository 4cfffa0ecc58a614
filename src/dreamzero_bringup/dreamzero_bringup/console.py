"""Output of several nodes on one terminal: each line with its node's name and colour."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

_COLOURS = ("36", "32", "35", "34", "33", "96", "92", "95")  # no red: that is for errors
_RED = "31"


def console(stream: TextIO, names: Sequence[str], colour: bool) -> Callable[[str, str], None]:
    """A sink that writes ``[node] line`` to a stream, whole lines from whichever thread.

    Args:
        stream: where to.
        names: the nodes, for the width of the prefix and their colours.
        colour: whether the stream understands ANSI colours.
    """
    width = max(map(len, [*names, "dreamzero"]))
    codes = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    lock = threading.Lock()

    def write(name: str, line: str) -> None:
        prefix = f"[{name}]".ljust(width + 2)
        if colour:
            prefix = f"\033[{codes.get(name, '1')}m{prefix}\033[0m"
            line = f"\033[{_RED}m{line}\033[0m" if is_alarming(line) else line
        with lock:
            stream.write(f"{prefix} {line}\n")
            stream.flush()

    return write


def log_files(folder: Path, names: Sequence[str]) -> Callable[[str, str], None]:
    """A sink that appends each node's lines to ``<folder>/<node>.log``; the files start empty.

    A line that a full disk has no room for is lost. The sink goes on: whoever stopped reading a
    node's output because of its log would stop the node, as soon as a pipe is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Without buffers: what could not be written must not be tried again with every later line.
    files = {name: (folder / f"{name}.log").open("wb", buffering=0) for name in names}

    def write(name: str, line: str) -> None:
        if name in files:
            with suppress(OSError):
                files[name].write(f"{line}\n".encode())

    return write


def is_alarming(line: str) -> bool:
    """Whether a line of a ROS log reports an error."""
    return line.startswith(("[ERROR]", "[FATAL]", "Traceback ("))
