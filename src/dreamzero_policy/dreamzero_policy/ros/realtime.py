"""Real-time priority for single threads of this process.

A process can ask for it for all its threads at once; then the thread that draws pictures or runs a
network would hold up the one that moves the robot. So priority is given thread by thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ADVICE = (
    "no real-time priority: on a busy machine commands are a few ms late; to grant it add "
    "'<user> - rtprio 20' to /etc/security/limits.conf and log in again"
)
"""For the log of a node that asked for a priority and did not get it."""

LISTENING = 1
"""Priority with which a process that has no other takes messages."""


def threads() -> frozenset[int]:
    """Kernel identifiers of the threads that this process has now, the middleware's among them."""
    return frozenset(int(entry.name) for entry in Path("/proc/self/task").iterdir())


@contextmanager
def hastened() -> Iterator[bool]:
    """Threads that are started within it run before every ordinary thread of the machine.

    For making the node of any process that listens to one that has priority: within a host Fast DDS
    hands messages over under a lock of the listener. One that is pushed off its core while it holds
    that keeps the controller or a driver waiting: up to 140 ms were seen beside a recorder on a
    busy machine, 3 ms with this. What its threads do for a message is short. The calling thread has
    the priority meanwhile, and then what it had before.

    Yields:
        Whether the user may have it. If not, everything is as without.
    """
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(LISTENING))
    except PermissionError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setscheduler(0, *before)


def prioritise(thread_ids: Iterable[int], priority: int) -> bool:
    """Lets threads run before every ordinary thread of the machine.

    Threads that they start later are ordinary ones again.

    Args:
        thread_ids: of this process; one that has ended meanwhile is passed over.
        priority: 1 to 99.

    Returns:
        Whether the user may have it. If not, nothing has changed.

    Raises:
        ValueError: a priority outside 1 to 99.
    """
    if not 1 <= priority <= 99:
        raise ValueError(f"priority: expected 1 to 99, got {priority}")
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    for thread in thread_ids:
        with suppress(ProcessLookupError):
            try:
                os.sched_setscheduler(thread, policy, os.sched_param(priority))
            except PermissionError:
                return False
    return True
