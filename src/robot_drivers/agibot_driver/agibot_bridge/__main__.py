"""Starts the bridge: ``python3 -m agibot_bridge --head-reads degrees``.

Ends with 0 after Ctrl-C, with 2 where something has to be put right first.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading

from agibot_bridge.machine import Machine
from agibot_bridge.sdk import G1, HEAD_UNITS, SdkError
from agibot_bridge.server import CYCLE_HZ, Server


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="agibot_bridge", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1", help="address to serve on")
    parser.add_argument("--port", type=int, default=47100, help="port to serve on; 0 for any")
    parser.add_argument(
        "--head-reads",
        choices=sorted(HEAD_UNITS),
        required=True,
        help="unit of head_joint_states: look at it with the head tilted (README.md)",
    )
    parser.add_argument(
        "--hold-after", type=float, default=0.25, help="silence that ends motion, in seconds"
    )
    parser.add_argument(
        "--ignore-status",
        action="append",
        default=[],
        metavar="FLAG",
        help="flag of whole_body_status that does not end motion; may be repeated",
    )
    parsed = parser.parse_args(words)
    if not 0.05 <= parsed.hold_after <= 1.0:
        parser.error(f"--hold-after: expected 0.05 to 1, got {parsed.hold_after}")
    return parsed


def main() -> int:
    """Runs until a signal ends it."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s agibot_bridge %(message)s"
    )
    said, ended = arguments(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        listener = socket.create_server((said.listen, said.port), backlog=4)
    except OSError as error:
        logging.error("cannot serve on %s:%s: %s", said.listen, said.port, error)
        return 2
    try:
        robot = G1(said.head_reads, tuple(said.ignore_status))
    except SdkError as error:
        logging.error("%s", error)
        return 2
    if not robot.sees_stops:
        logging.warning("this SDK has no whole_body_status: the emergency stop cannot be seen")
    logging.info("serving on %s:%d", *listener.getsockname()[:2])
    told = {
        "cycle_hz": CYCLE_HZ,
        "hold_after_s": said.hold_after,
        "head_reads": said.head_reads,
        "sees_stops": robot.sees_stops,
    }
    try:
        Server(robot, listener, Machine(said.hold_after), told).run(ended)
    finally:
        listener.close()
        try:
            robot.close()
        except SdkError as error:
            logging.error("%s", error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
