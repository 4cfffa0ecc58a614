"""What is looked at besides the commands; each gives what was wrong, in words."""

from __future__ import annotations

import time
from collections.abc import Callable

from dreamzero_msgs import msg as dz

from dreamzero_bringup.faults.rig import Rig
from dreamzero_bringup.stand_ins.recorder import BROKEN
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.types import NS_PER_S

_SOON_S = 1.0

_LEASE_S = 22.0
"""Fast DDS forgets a process that was killed after 20 s: until then it is counted [s]."""


def policy_says_why(rig: Rig, at_ns: int) -> list[str]:
    """The policy lives on and names the rank, and takes no instruction."""
    found = [f"{name} died" for name in rig.nodes.died()]
    said = rig.probe.last("policy_status")
    if said.state != dz.PolicyStatus.FAILED or "rank 1" not in said.message:
        found.append(f"the policy says {said.state}: {said.message}")
    return found


def late_chunks_refused(rig: Rig, at_ns: int) -> list[str]:
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


def refuses_enable(rig: Rig, at_ns: int) -> list[str]:
    """With a stale pose an operator cannot enable motion."""
    rig.ask("disable")
    time.sleep(0.2)
    answer = rig.ask("enable")
    return ["motion could be enabled with a stale pose"] if answer.success else []


def estop_latches(rig: Rig, at_ns: int) -> list[str]:
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


def only_recorder_fails(rig: Rig, at_ns: int) -> list[str]:
    """The recording ended, and no process with it."""
    found = [f"{name} died" for name in rig.nodes.died()]
    if not any(BROKEN in line for line in rig.nodes.said("recorder")):
        found.append("the recorder did not say that its recording ended")
    return found


def no_canvas_after(
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


def no_jump(rig: Rig, at_ns: int) -> list[str]:
    """Where the driver comes to follow after all, the robot does not jump after the commands."""
    time.sleep(max(0.0, _LEASE_S - (time.time_ns() - at_ns) / NS_PER_S))
    speed = max(
        (max(map(abs, m.velocity)) for _, m in rig.probe.since("joint_states", at_ns)), default=0.0
    )
    most = 4.0 * rig.cruise
    return [f"the robot moved at {speed:.2f} /s, at most {most:.2f}"] if speed > most else []
