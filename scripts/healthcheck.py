#!/usr/bin/env python3
"""Whether nodes live: ``healthcheck.py controller proprioception`` ends with 0 once each was heard.

Every node says something of itself on /diagnostics once a second, from the thread that does its
work, so one that hangs falls silent. What it says is not judged: a robot in a fault is for a person
to look at, and a container that is restarted for it would help nobody.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable

PREFIX = "dreamzero/"


def speakers(names: Iterable[str]) -> set[str]:
    """Nodes that diagnostics are from, by the names of statuses: ``dreamzero/<node>: <part>``."""
    ours = (name for name in names if name.startswith(PREFIX))
    return {name.removeprefix(PREFIX).partition(":")[0] for name in ours}


def silent(nodes: Iterable[str], patience_s: float) -> set[str]:
    """Which of the nodes were not heard in time."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray

    missing = set(nodes)

    def hear(message: DiagnosticArray) -> None:
        missing.difference_update(speakers(status.name for status in message.status))

    rclpy.init()
    node = rclpy.create_node("healthcheck")
    node.create_subscription(DiagnosticArray, "/diagnostics", hear, 10)
    until = time.monotonic() + patience_s
    while missing and time.monotonic() < until:
        rclpy.spin_once(node, timeout_sec=0.1)
    node.destroy_node()
    rclpy.try_shutdown()
    return missing


def main() -> int:
    """Listens; 0 when every node was heard, else 1 with the silent ones by name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nodes", nargs="+", help="names of nodes")
    parser.add_argument("--patience", type=float, default=8.0, help="seconds to listen")
    said = parser.parse_args()
    missing = silent(said.nodes, said.patience)
    if missing:
        heard_not = ", ".join(sorted(missing))
        sys.stderr.write(f"nothing on /diagnostics in {said.patience:g} s from: {heard_not}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
