#!/usr/bin/env python3
"""Whether a server lives: ``healthcheck_port.py 47100`` ends with 0 while it listens and accepts.

It looks at the kernel's table and connects to nothing: the AgiBot G1's bridge lends the robot to
one driver at a time, and a connection that only looks could be in that driver's place.
"""

from __future__ import annotations

import sys
from pathlib import Path

_LISTENING = "0A"


def complaint(port: int, tables: str) -> str:
    """What is wrong with the server of a port; empty where nothing is.

    Args:
        port: that it serves.
        tables: contents of /proc/net/tcp and /proc/net/tcp6. For a socket that listens the second
            number of the column of queues counts connections that nobody has accepted.
    """
    waiting = []
    for fields in map(str.split, tables.splitlines()):
        if len(fields) > 4 and fields[3] == _LISTENING and fields[1].endswith(f":{port:04X}"):
            waiting.append(int(fields[4].partition(":")[2], 16))
    if not waiting:
        return f"nobody listens on port {port}"
    return f"{max(waiting)} connections wait on port {port}" if max(waiting) else ""


def main() -> int:
    """0 when the server lives, else 1."""
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.stderr.write(f"expected one port, got {sys.argv[1:]}\n")
        return 2
    files = map(Path, ("/proc/net/tcp", "/proc/net/tcp6"))
    wrong = complaint(int(sys.argv[1]), "\n".join(p.read_text() for p in files if p.exists()))
    sys.stderr.write(f"{wrong}\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
