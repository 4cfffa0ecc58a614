"""Every thread of the controller runs before ordinary ones: any may hold the interpreter.

Of the nodes that listen to it, those threads do that take what it sends.
"""

import os
import threading
import time
from pathlib import Path

import pytest

from dreamzero_policy.ros import realtime

pytestmark = pytest.mark.ros


def granted() -> bool:
    """Whether this user may have real-time priority, tried in a thread that ends at once."""
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(realtime.prioritise([threading.get_native_id()], 10))
    )
    thread.start()
    thread.join()
    return answers[0]


@pytest.mark.skipif(not granted(), reason="the user may not have real-time priority")
def test_all_threads_have_priority_and_the_control_thread_one_more(start):
    process = start("controller_node", robot="droid", realtime_priority=10)
    end = time.monotonic() + 60.0
    while "disarmed" not in process.log:
        assert process.child.poll() is None, process.log
        assert time.monotonic() < end, process.log
        time.sleep(0.1)
    threads = [int(entry.name) for entry in Path(f"/proc/{process.child.pid}/task").iterdir()]
    priorities = sorted(os.sched_getparam(thread).sched_priority for thread in threads)
    assert priorities[-1] == 10
    assert set(priorities[:-1]) == {9}
    assert process.stop() == 0


@pytest.mark.skipif(not granted(), reason="the user may not have real-time priority")
@pytest.mark.parametrize("node", ["proprioception_node", "recorder_node"])
def test_whoever_listens_takes_messages_before_ordinary_threads(start, tmp_path, node):
    """A listener that is pushed aside while it holds the middleware's lock holds the sender up.

    The recorder's executor, which holds locks of it for each message, is hastened as well.
    """
    folder = {"folder": tmp_path / "episodes"} if node == "recorder_node" else {}
    process = start(node, robot="droid", **folder)
    tasks, main = Path(f"/proc/{process.child.pid}/task"), process.child.pid
    end = time.monotonic() + 60.0
    own = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK if node == "recorder_node" else os.SCHED_OTHER
    taking = []
    while not taking or os.sched_getscheduler(main) != own:
        assert process.child.poll() is None, process.log
        assert time.monotonic() < end, process.log
        time.sleep(0.05)
        names = {int(entry.name): (entry / "comm").read_text() for entry in tasks.iterdir()}
        taking = [thread for thread, name in names.items() if name.startswith("dds.")]
    priorities = {os.sched_getparam(thread).sched_priority for thread in taking}
    assert priorities == {realtime.LISTENING}
