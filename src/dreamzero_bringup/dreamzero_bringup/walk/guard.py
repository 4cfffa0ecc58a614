"""A process of its own that disables motion when the walk can no longer do so itself.

It hears lines on its standard input: ``armed`` again and again while motion is enabled, ``safe``
when it is not. When it was told ``armed`` and then hears nothing for ``SILENCE_S``, or the input
ends (the walk was killed, its terminal closed), it has the controller disable motion.
"""

from __future__ import annotations

import argparse
import os
import select
import subprocess
import sys
import time
from contextlib import suppress

SILENCE_S = 1.5
_READY_S, _TRIES = 15.0, 5


class Guard:
    """Starts the guard and feeds it.

    Args:
        domain_id: where the controller is.

    Raises:
        ValueError: it does not find a controller.
    """

    def __init__(self, domain_id: int) -> None:
        command = [sys.executable, "-m", __name__, "--domain-id", str(domain_id)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C and a closed terminal are not for it
        )
        ready, _, _ = select.select([self._process.stdout], [], [], _READY_S + 10.0)
        if not ready or self._process.stdout.readline().strip() != b"ready":
            self.close()
            raise ValueError(
                f"walk: expected a controller to answer within {_READY_S:g} s, none is there"
            )

    def tell(self, word: str) -> bool:
        """Says ``armed`` or ``safe``; whether anybody heard."""
        try:
            self._process.stdin.write(word.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return False
        return self._process.poll() is None

    def close(self) -> None:
        """Ends it, which disables motion where ``safe`` was not said."""
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def watch(read_fd: int) -> bool:
    """Listens until the input ends or falls silent; whether motion must be disabled."""
    armed, text = False, b""
    while True:
        heard, _, _ = select.select([read_fd], [], [], SILENCE_S if armed else None)
        if not heard:
            return True
        came = os.read(read_fd, 4096)
        if not came:
            return armed
        *lines, text = (text + came).split(b"\n")
        if lines:
            armed = lines[-1].strip() == b"armed"


def main() -> int:
    """Waits, and disables motion where it must."""
    from dreamzero_bringup.operator_client import OperatorClient, spinning

    parser = argparse.ArgumentParser()
    parser.add_argument("--domain-id", type=int, required=True)
    domain_id = parser.parse_args().domain_id
    with spinning(f"walk_guard_{os.getpid()}", domain_id) as node:
        client = OperatorClient(node)
        deadline = time.monotonic() + _READY_S
        while not node.count_services("controller/enable") and time.monotonic() < deadline:
            time.sleep(0.05)
        if time.monotonic() >= deadline:
            return 1
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if not watch(sys.stdin.fileno()):
            return 0
        for _ in range(_TRIES):
            try:
                if client.motion("disable").success:
                    return 0
            except ValueError:
                time.sleep(0.2)
    return 1


if __name__ == "__main__":
    sys.exit(main())
