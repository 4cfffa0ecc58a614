"""A rank above zero as a process; ``ranks.py`` starts it, ``rank_work.py`` is what it does.

It is tied to the process that started it before anything that takes time is imported. Signals that
are meant for the whole process group are rank 0's to obey.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection

_PR_SET_PDEATHSIG = 1


def _tie_to(parent: int) -> None:
    """Has the kernel end this process with the thread that started it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def main(argv: list[str]) -> int:
    """Runs a rank: its number, the process that started it, and the descriptor of its pipe."""
    rank, parent, descriptor = map(int, argv)
    _tie_to(parent)
    link = Connection(descriptor)
    try:
        from dreamzero_policy.ranks.rank_work import serve  # imports torch: seconds

        serve(rank, link)
    except EOFError:
        return 0  # rank 0 is gone
    except Exception as error:  # noqa: BLE001 - whatever it is, rank 0 must learn of it
        traceback.print_exc()
        with suppress(OSError):
            link.send(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
