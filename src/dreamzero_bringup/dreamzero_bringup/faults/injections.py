"""How a fault is brought about, telling when it reached the robot [ns], and how it ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dreamzero_msgs import msg as dz
from rosgraph_msgs.msg import Clock

from dreamzero_bringup.faults.deadlines import LOOK_S
from dreamzero_bringup.faults.rig import Rig
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.types import NS_PER_S

RIVALS = ("second_publisher", "driver_holds")
"""A second publisher is noticed by whoever learns of it first: the controller, or the driver."""

_RANK = "dreamzero_policy.ranks.rank_process"
"""By which a process that shares the model is known."""


def kill(node: str) -> Callable[[Rig], int]:
    """SIGKILL to a node."""
    return lambda rig: rig.nodes.kill(node)


def pause(node: str) -> Callable[[Rig], int]:
    """SIGSTOP to a node."""
    return lambda rig: rig.nodes.pause(node)


def resume(node: str) -> Callable[[Rig], None]:
    """SIGCONT to a node that was stopped."""
    return lambda rig: rig.nodes.resume(node) and None


def end(node: str) -> Callable[[Rig], None]:
    """Ends a node."""
    return lambda rig: rig.nodes.end(node)


def order(node: str, **order: object) -> Callable[[Rig], int]:
    """Tells a stand-in what to do from now on."""
    return lambda rig: rig.order(node, **order)


def clear_order(node: str, **order: object) -> Callable[[Rig], None]:
    """The same at the end of a fault."""
    return lambda rig: rig.order(node, **order) and None


def chunk(mode: str) -> Callable[[Rig], int]:
    """Has the scripted policy send something bad; when the first of it reached the robot."""

    def inject(rig: Rig) -> int:
        ordered = rig.order("policy", mode=mode)
        # What was under way comes before the answer to the order.
        expected = _EXPECTED.get(mode, lambda chunk, last: True)
        _, last = rig.probe.since("action_chunk", 0, ordered)[-1]
        return rig.probe.until("action_chunk", lambda chunk: expected(chunk, last), 3.0, ordered)[0]

    return inject


_EXPECTED: dict[str, Callable[[dz.ActionChunk, dz.ActionChunk], bool]] = {
    "old_session": lambda chunk, last: chunk.session_id < last.session_id,
    "old_sequence": lambda chunk, last: chunk.sequence <= last.sequence,
    "restarted": lambda chunk, last: chunk.policy_id != last.policy_id,
}


def idle(rig: Rig) -> int:
    """Ends the instruction; when the policy said so."""
    ordered = rig.order("policy", mode="idle")
    idle = dz.PolicyStatus.IDLE
    return rig.probe.until("policy_status", lambda m: m.state == idle, 3.0, ordered)[0]


def kill_rank(rig: Rig) -> int:
    """SIGKILL to a process that shares the policy's model."""
    (rank,) = _rank_pids(rig)
    at_ns = time.time_ns()
    os.kill(rank, signal.SIGKILL)
    return at_ns


def _rank_pids(rig: Rig) -> list[int]:
    """Processes that share the policy's model."""
    policy = rig.nodes.pid("policy")
    found = []
    for task in Path(f"/proc/{policy}/task").iterdir():
        for child in (task / "children").read_text().split():
            if _RANK in Path(f"/proc/{child}/cmdline").read_text():
                found.append(int(child))
    return found


def restart_driver(rig: Rig) -> int:
    """The driver dies, and another one is started at once."""
    at_ns = rig.nodes.kill("sim_driver")
    rig.nodes.again("sim_driver")
    return at_ns


def second_controller(rig: Rig) -> int:
    """A second controller process; when anybody knew of both."""
    began = time.time_ns()
    rig.nodes.start(replace(rig.nodes.spec("controller"), name="controller_2"))
    seen = rig.seen_publishers(2)
    time.sleep(LOOK_S)
    known = [at for at, reason in rig.holds(began) if reason in RIVALS]
    known += [
        at
        for at, status in rig.probe.since("driver_status", began)
        if status.mode == dz.DriverStatus.HOLDING
    ]
    return min([seen, *known])


def new_controller_at_once(rig: Rig) -> int:
    """Another controller, enabled while the driver still counts the one that was killed."""
    rig.nodes.kill("controller")
    rig.nodes.again("controller")
    rig.bring_up("scripted")
    rig.instruct()
    rig.enable()
    enabled = rig.enabled_ns[-1]
    rig.probe.wait(lambda: bool(rig.probe.commands_since(enabled)), 3.0, "a command")
    return rig.probe.commands_since(enabled)[0].received_ns


def enable_again(rig: Rig) -> int:
    """A second enable."""
    at_ns = time.time_ns()
    rig.ask("enable")
    return at_ns


def estop(rig: Rig) -> int:
    """An emergency stop."""
    at_ns = time.time_ns()
    rig.ask("estop")
    return at_ns


def fill_disk(rig: Rig) -> int:
    """No byte is left on the disk, and everybody logs."""
    rig.disk.fill()
    at_ns = time.time_ns()
    for _ in range(20):  # everybody logs
        rig.ask("enable")
    return at_ns


def empty_disk(rig: Rig) -> None:
    """There is space again, and a recorder."""
    rig.disk.empty()
    rig.nodes.again("recorder")


def jump(step_s: float) -> Callable[[Rig], int]:
    """Sets the robot's clock, with no chunk to come that would end the hold."""

    def inject(rig: Rig) -> int:
        rig.order("policy", mode="silent")
        ordered = rig.order("shifted_clock", offset_s=step_s)
        return rig.probe.until("/clock", lambda m: _off(m, step_s), 3.0, ordered)[0]

    return inject


def _off(message: Clock, offset_s: float) -> bool:
    """Whether a clock is off the system's by about that much, rather than not at all."""
    off_s = (nanoseconds(message.clock) - time.time_ns()) / NS_PER_S
    return abs(off_s - offset_s) < abs(offset_s) / 2


def lose(rig: Rig) -> int:
    """Has the link lose three messages in ten and delay the others by 200 ms."""
    return rig.order("lossy_link", loss=0.3, delay_s=0.2)
