"""The rows of the suite: every fault, what it must lead to, and where its deadline comes from."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dreamzero_msgs import msg as dz
from rosgraph_msgs.msg import Clock

from dreamzero_bringup.faults.rig import Rig
from dreamzero_bringup.faults.trial import Deadline, Fault
from dreamzero_bringup.stand_ins.recorder import BROKEN
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.types import NS_PER_S

_PAUSE_S = 3.0
_CLOCK_S = 0.3
_CHUNK_S = 2.6
"""Long enough to see the end of any chunk, and the hold."""

_SOON_S = 1.0

_LEASE_S = 22.0
"""Fast DDS forgets a process that was killed after 20 s: until then it is counted [s]."""

_DISCOVERY_S = 3.0
"""How often Fast DDS announces a participant at the least, should its first words be lost [s]."""

_RIVALS = ("second_publisher", "driver_holds")
"""A second publisher is noticed by whoever learns of it first: the controller, or the driver."""

_LOOK_S = 0.1
"""How often the controller counts the publishers of commands: ``_STATUS_S`` of its node [s]."""


_RANK = "dreamzero_policy.ranks.rank_process"
"""By which a process that shares the model is known."""


# When a hold is due


def _at_once(rig: Rig, at_ns: int) -> Deadline:
    return Deadline(at_ns, "at once")


def _after(node: str, parameter: str) -> Callable[[Rig, int], Deadline]:
    """A time after the fault that a node's parameter says."""

    def deadline(rig: Rig, at_ns: int) -> Deadline:
        value = float(rig.setting(node, parameter))
        return Deadline(at_ns + round(value * NS_PER_S), f"{parameter} {value:g} s")

    return deadline


def _chunk_end(rig: Rig, at_ns: int) -> Deadline:
    """The end of the chunk that was followed last."""
    return Deadline(rig.chunk_end_ns(), "end of the chunk in force")


def _command_timeout(rig: Rig, at_ns: int) -> Deadline:
    """The driver's own watchdog, from the last command on."""
    value = float(rig.setting("sim_driver", "command_timeout_s"))
    last = rig.probe.commands_since(0)[-1].received_ns
    return Deadline(
        max(at_ns, last) + round(value * NS_PER_S), f"driver's command_timeout_s {value:g} s"
    )


_STALE_STATE = _after("controller", "state_max_age_s")


# What is done


def _kill(node: str) -> Callable[[Rig], int]:
    return lambda rig: rig.nodes.kill(node)


def _pause(node: str) -> Callable[[Rig], int]:
    return lambda rig: rig.nodes.pause(node)


def _resume(node: str) -> Callable[[Rig], None]:
    return lambda rig: rig.nodes.resume(node) and None


def _chunk(mode: str) -> Callable[[Rig], int]:
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


def _order(node: str, **order: object) -> Callable[[Rig], int]:
    return lambda rig: rig.order(node, **order)


def _rank_pids(rig: Rig) -> list[int]:
    """Processes that share the policy's model."""
    policy = rig.nodes.pid("policy")
    found = []
    for task in Path(f"/proc/{policy}/task").iterdir():
        for child in (task / "children").read_text().split():
            if _RANK in Path(f"/proc/{child}/cmdline").read_text():
                found.append(int(child))
    return found


def _kill_rank(rig: Rig) -> int:
    (rank,) = _rank_pids(rig)
    at_ns = time.time_ns()
    os.kill(rank, signal.SIGKILL)
    return at_ns


def _policy_says_why(rig: Rig, at_ns: int) -> list[str]:
    """The policy lives on and names the rank, and takes no instruction."""
    found = [f"{name} died" for name in rig.nodes.died()]
    said = rig.probe.last("policy_status")
    if said.state != dz.PolicyStatus.FAILED or "rank 1" not in said.message:
        found.append(f"the policy says {said.state}: {said.message}")
    return found


def _idle(rig: Rig) -> int:
    ordered = rig.order("policy", mode="idle")
    idle = dz.PolicyStatus.IDLE
    return rig.probe.until("policy_status", lambda m: m.state == idle, 3.0, ordered)[0]


def _clear_order(node: str, **order: object) -> Callable[[Rig], None]:
    return lambda rig: rig.order(node, **order) and None


def _late_chunks_refused(rig: Rig, at_ns: int) -> list[str]:
    """After a pause: the chunk that was being made, whose time is over, is counted as refused."""
    before = rig.status().chunks_refused
    resumed = rig.nodes.resume("policy")
    time.sleep(_SOON_S)
    most = round(float(rig.setting("controller", "chunk_max_age_s")) * NS_PER_S)
    late = [
        chunk
        for received, chunk in rig.probe.since("action_chunk", resumed)
        if received - nanoseconds(chunk.observation_stamp) > most
        or received > rig.end_ns(chunk, 1.0)
    ]
    refused = rig.status().chunks_refused - before
    return [] if refused >= len(late) else [f"{len(late)} late chunks, {refused} refused"]


def _second_controller(rig: Rig) -> int:
    """A second controller process; when anybody knew of both."""
    began = time.time_ns()
    rig.nodes.start(replace(rig.nodes.spec("controller"), name="controller_2"))
    seen = rig.seen_publishers(2)
    time.sleep(_LOOK_S)
    known = [at for at, reason in rig.holds(began) if reason in _RIVALS]
    known += [
        at
        for at, status in rig.probe.since("driver_status", began)
        if status.mode == dz.DriverStatus.HOLDING
    ]
    return min([seen, *known])


def _new_controller_at_once(rig: Rig) -> int:
    """Another controller, enabled while the driver still counts the one that was killed."""
    rig.nodes.kill("controller")
    rig.nodes.again("controller")
    rig.bring_up("scripted")
    rig.instruct()
    rig.enable()
    enabled = rig.enabled_ns[-1]
    rig.probe.wait(lambda: bool(rig.probe.commands_since(enabled)), 3.0, "a command")
    return rig.probe.commands_since(enabled)[0].received_ns


def _no_jump(rig: Rig, at_ns: int) -> list[str]:
    """Where the driver comes to follow after all, the robot does not jump after the commands."""
    time.sleep(max(0.0, _LEASE_S - (time.time_ns() - at_ns) / NS_PER_S))
    speed = max(
        (max(map(abs, m.velocity)) for _, m in rig.probe.since("joint_states", at_ns)), default=0.0
    )
    most = 4.0 * rig.cruise
    return [f"the robot moved at {speed:.2f} /s, at most {most:.2f}"] if speed > most else []


def _end(node: str) -> Callable[[Rig], None]:
    return lambda rig: rig.nodes.end(node)


def _look_around(rig: Rig, at_ns: int) -> Deadline:
    """Both ends count publishers ten times a second, those that discovery has told them of."""
    due = at_ns + round((_DISCOVERY_S + _LOOK_S) * NS_PER_S)
    return Deadline(due, f"discovery {_DISCOVERY_S:g} s + look around {_LOOK_S:g} s")


def _restart_driver(rig: Rig) -> int:
    at_ns = rig.nodes.kill("sim_driver")
    rig.nodes.again("sim_driver")
    return at_ns


def _enable_again(rig: Rig) -> int:
    at_ns = time.time_ns()
    rig.ask("enable")
    return at_ns


def _refuses_enable(rig: Rig, at_ns: int) -> list[str]:
    """With a stale pose an operator cannot enable motion."""
    rig.ask("disable")
    time.sleep(0.2)
    answer = rig.ask("enable")
    return ["motion could be enabled with a stale pose"] if answer.success else []


def _estop(rig: Rig) -> int:
    at_ns = time.time_ns()
    rig.ask("estop")
    return at_ns


def _estop_latches(rig: Rig, at_ns: int) -> list[str]:
    """A second stop changes nothing, enable is refused, one reset ends it and enables nothing."""
    found = []
    if not rig.ask("estop").success or not rig.status().estopped:
        found.append("a second e-stop released the first")
    if rig.ask("enable").success:
        found.append("motion could be enabled in spite of the e-stop")
    if not rig.ask("reset-estop").success:
        found.append("the e-stop could not be reset")
    if rig.ask("reset-estop").success:
        found.append("a second reset found another e-stop")
    return found


def _no_canvas_after(
    node: str, parameter: str, grace_s: float = 0.0
) -> Callable[[Rig, int], list[str]]:
    """Checks that canvases, which chunks name as their observations, ended in time."""

    def check(rig: Rig, at_ns: int) -> list[str]:
        newest = max(
            nanoseconds(chunk.observation_stamp) for _, chunk in rig.probe.since("action_chunk", 0)
        )
        most = float(rig.setting(node, parameter)) + grace_s
        went_on = (newest - at_ns) / NS_PER_S
        return [f"canvases for {went_on:.2f} s more, at most {most:g} s"] if went_on > most else []

    return check


def _fill_disk(rig: Rig) -> int:
    rig.disk.fill()
    at_ns = time.time_ns()
    for _ in range(20):  # everybody logs
        rig.ask("enable")
    return at_ns


def _only_recorder_fails(rig: Rig, at_ns: int) -> list[str]:
    """The recording ended, and no process with it."""
    found = [f"{name} died" for name in rig.nodes.died()]
    if not any(BROKEN in line for line in rig.nodes.said("recorder")):
        found.append("the recorder did not say that its recording ended")
    return found


def _empty_disk(rig: Rig) -> None:
    rig.disk.empty()
    rig.nodes.again("recorder")


def _jump(step_s: float) -> Callable[[Rig], int]:
    """Sets the robot's clock, with no chunk to come that would end the hold."""

    def inject(rig: Rig) -> int:
        rig.order("policy", mode="silent")
        ordered = rig.order("shifted_clock", offset_s=step_s)
        return rig.probe.until("/clock", lambda m: _off(m, step_s), 3.0, ordered)[0]

    return inject


def _off(message: Clock, offset_s: float) -> bool:
    """Whether a clock is off the system's by about that much."""
    return abs((nanoseconds(message.clock) - time.time_ns()) / NS_PER_S - offset_s) < _CLOCK_S / 2


def _lose(rig: Rig) -> int:
    return rig.order("lossy_link", loss=0.3, delay_s=0.2)


FAULTS: tuple[Fault, ...] = (
    # Nodes that die
    Fault("kill -9 driver", "holds", _kill("sim_driver"),
          _STALE_STATE, _SOON_S,
          ("stale_state", "stale_driver"), disarms=True, restarts_robot=True),
    Fault("kill -9 camera_tiler", "holds", _kill("camera_tiler"), _chunk_end, _CHUNK_S,
          ("stale_chunk",)),
    Fault("kill -9 proprioception", "holds", _kill("proprioception"),
          _STALE_STATE, _SOON_S, ("stale_state",)),
    Fault("kill -9 policy", "holds", _kill("policy"), _chunk_end, _CHUNK_S, ("stale_chunk",),
          disarms=True),
    Fault("driver restarts", "holds", _restart_driver, _STALE_STATE, 6.0,
          ("stale_state", "stale_driver", "driver_restarted"), disarms=True, estop=True,
          restarts_robot=True),
    # Nodes that hang
    Fault("SIGSTOP policy for 3 s", "holds", _pause("policy"), _chunk_end, _PAUSE_S,
          ("stale_chunk",), after=_late_chunks_refused),
    Fault("SIGSTOP proprioception (stale joint state)", "holds", _pause("proprioception"),
          _STALE_STATE, _SOON_S, ("stale_state",),
          clear=_resume("proprioception")),
    Fault("SIGSTOP driver for 1 s", "holds", _pause("sim_driver"), _STALE_STATE, _SOON_S,
          ("stale_state", "stale_driver"), clear=_resume("sim_driver"), restarts_robot=True),
    # Chunks
    *(
        Fault(f"chunk: {what}", "holds", _chunk(mode), _at_once, _SOON_S, (reason,))
        for mode, what, reason in (
            ("nan", "NaN", "non_finite"),
            ("infinite", "infinite", "non_finite"),
            ("wrong_names", "joints of another robot", "wrong_joints"),
            ("wrong_order", "joints in another order", "wrong_joints"),
            ("reversed_rows", "rows reversed", "first_row_too_far"),
            ("early_start", "due before its observation", "bad_timing"),
            ("far", "far from the pose", "first_row_too_far"),
            ("out_of_range", "outside the range", "out_of_range"),
            ("outlier", "one row an outlier", "outlier"),
            ("wrong_shape", "too few values", "malformed"),
            ("reversed_time", "negative time step", "malformed"),
        )
    ),
    *(
        Fault(f"chunks: {what}", "holds", _chunk(mode), _chunk_end, _CHUNK_S, reasons)
        for mode, what, reasons in (
            ("late", "3 s late, then none", ("stale_chunk",)),
            ("old_session", "of an old session", ("old_session", "stale_chunk")),
            ("old_sequence", "out of order", ("out_of_order", "stale_chunk")),
        )
    ),
    *(
        Fault(f"policy's clock 300 ms {way}", "goes on", _chunk(way), _at_once, 2.0)
        for way in ("ahead", "behind")
    ),
    Fault("chunk of a restarted policy", "holds", _chunk("restarted"), _at_once, _SOON_S,
          ("policy_restarted",), disarms=True),
    Fault("instruction ends", "holds", _idle, _at_once, _SOON_S, ("no_instruction",)),
    # Operators
    Fault("enable twice", "goes on", _enable_again, _at_once, _SOON_S),
    Fault("enable with a stale joint state", "holds", _pause("proprioception"),
          _STALE_STATE, _SOON_S, ("stale_state",),
          check=_refuses_enable, clear=_resume("proprioception"), disarms=True, estop=False),
    Fault("e-stop, and a second one", "holds", _estop, _at_once, _SOON_S, ("estopped",),
          check=_estop_latches, disarms=True, estop=False),
    Fault("two controllers", "holds", _second_controller, _look_around, _SOON_S,
          _RIVALS, clear=_end("controller_2"), disarms=True),
    Fault("a stranger commands the driver", "holds", lambda rig: rig.strange_commands(_SOON_S),
          _look_around, _SOON_S, _RIVALS,
          clear=lambda rig: rig.end_strange_commands(), disarms=True),
    Fault("SIGSTOP controller for 1 s", "driver holds", _pause("controller"), _command_timeout,
          _SOON_S, clear=_resume("controller")),
    Fault("kill -9 controller", "driver holds", _kill("controller"), _command_timeout, _SOON_S,
          disarms=True),
    Fault("kill -9 controller, a new one enabled at once", "holds", _new_controller_at_once,
          _after("controller", "driver_max_age_s"), 1.5, ("driver_holds",), check=_no_jump,
          disarms=True, estop=False),
    # Sensors
    Fault("frozen camera", "holds", _order("sensor_relay", freeze="wrist"), _chunk_end, 5.0,
          ("stale_chunk",), check=_no_canvas_after("camera_tiler", "frozen_after_s", 0.4),
          clear=_clear_order("sensor_relay"), layout="relayed"),
    Fault("swapped cameras", "holds",
          _order("sensor_relay", swap=["exterior_1", "exterior_2"]), _chunk_end, 3.5,
          ("stale_chunk",), check=_no_canvas_after("camera_tiler", "max_image_age_s"),
          clear=_clear_order("sensor_relay"), layout="relayed"),
    Fault("joint states with an old stamp", "holds", _order("sensor_relay", repeat=True),
          _STALE_STATE, _SOON_S, ("stale_state",), clear=_clear_order("sensor_relay"),
          layout="relayed"),
    # A disk
    Fault("full disk under recorder and logs", "goes on", _fill_disk, _at_once, 3.0,
          check=_only_recorder_fails, clear=_empty_disk, layout="recorded"),
    # A network
    Fault("30 % loss and 200 ms delay", "copes", _lose, _chunk_end, 8.0, layout="far",
          clear=_clear_order("lossy_link", loss=0.0, delay_s=0.0)),
    # A clock that is set
    *(
        Fault(f"robot's clock jumps by {1000 * step:+.0f} ms", "holds",
              _jump(step), _at_once, _SOON_S, ("clock_jump",),
              clear=_clear_order("shifted_clock", offset_s=0.0), layout="clock")
        for step in (_CLOCK_S, -_CLOCK_S)
    ),
    # The real policy, with random weights
    Fault("kill -9 untrained policy", "holds", _kill("policy"), _chunk_end, _CHUNK_S,
          ("stale_chunk",), disarms=True, layout="untrained"),
    Fault("SIGSTOP untrained policy for 3 s", "holds", _pause("policy"), _chunk_end, _PAUSE_S,
          ("stale_chunk",), after=_late_chunks_refused, layout="untrained"),
    Fault("kill -9 a rank of the policy", "holds", _kill_rank, _chunk_end, _CHUNK_S,
          ("stale_chunk",), check=_policy_says_why, clear=_end("policy"),
          disarms=True, layout="ranks"),
)  # fmt: skip
"""Every row, those of one layout together."""
