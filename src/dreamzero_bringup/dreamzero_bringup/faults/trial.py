"""One fault: brought about twice, alone and with an emergency stop, and judged on the commands.

What is asked of every fault, whatever else it may do:

- every command that reached the driver keeps position, velocity, acceleration and jerk limits;
- the hold begins within two control periods after the deadline that the fault's row states, and is
  a brake to rest that is not left again;
- after an emergency stop nothing moves, also when the fault is over and good chunks come again;
- a fault that ends motion for good leaves the robot still until motion is enabled anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from dreamzero_msgs import msg as dz

from dreamzero_bringup.faults import commands as judge
from dreamzero_bringup.faults.rig import Layout, Rig
from dreamzero_policy.types import NS_PER_S

PERIODS = 2
"""Control periods that a hold may take after its deadline."""

_STILL = 2e-3
"""Most that a measured joint may move while the robot should stand [rad or m]."""

_SETTLE_S = 0.4
"""What a servo takes to come to rest after the last moving command [s]."""

_CHUNK_S = 15.0

_DISARM_S = 5.0

_PATIENCE_S = 12.0
"""Longest wait for a hold: a chunk may be played at a fifth of its speed [s]."""

_WATCH_S = 0.6
"""How long a robot that must not move is watched [s]."""

Effect = Literal["holds", "driver holds", "goes on", "copes"]
"""What a fault must lead to:

- holds: the controller holds.
- driver holds: the controller cannot say anything; the driver holds by itself.
- goes on: the fault must not be felt.
- copes: motion goes on as long as chunks last, and holds between them.
"""


@dataclass(frozen=True)
class Deadline:
    """When a hold is due.

    Attributes:
        at_ns: the instant, without the two control periods [ns, system clock].
        text: which parameter or fact it comes from.
    """

    at_ns: int
    text: str


@dataclass(frozen=True)
class Fault:
    """A row of the suite.

    Attributes:
        name: what happens.
        effect: what it must lead to.
        inject: brings it about; returns when it began [ns, system clock].
        deadline: of the hold, from the rig and when the fault began.
        watch_s: how long the fault lasts at least before anything is judged.
        reasons: hold reasons that the controller may give; empty for any.
        clear: ends the fault; after it every node of the layout must be able to run.
        check: what else must hold while the fault lasts, as sentences about what does not.
        after: the same, after it was cleared.
        layout: of the graph.
        disarms: whether the robot must stand still after the fault until motion is enabled anew.
        estop: whether the row is run with an emergency stop, too.
        restarts_robot: the simulated robot itself stops in time, or starts anew from home.
    """

    name: str
    effect: Effect
    inject: Callable[[Rig], int]
    deadline: Callable[[Rig, int], Deadline]
    watch_s: float
    reasons: tuple[str, ...] = ()
    clear: Callable[[Rig], None] = lambda rig: None
    check: Callable[[Rig, int], list[str]] = lambda rig, since_ns: []
    after: Callable[[Rig, int], list[str]] = lambda rig, since_ns: []
    layout: Layout = "scripted"
    disarms: bool = False
    estop: bool = True
    restarts_robot: bool = False


@dataclass
class Row:
    """What came of a fault.

    Attributes:
        name, effect: of the fault.
        deadline: what it comes from.
        deadline_s: from the fault to the deadline [s].
        hold_s: from the fault to the first command of the hold [s]; None where none was due.
        reason: that the controller or the driver gave.
        estop_s: from the call of the emergency stop to the first command of the hold [s].
        estop: what the emergency stop came to, in words.
        silence_s: longest time between two commands while the fault lasted [s].
        shares: largest share of each limit that the commands used.
        fastest: which joint used most of its velocity limit, and when.
        commands: how many commands were judged.
        said: mode, reason and newest refusal of the controller, at every change.
        failures: what did not hold; empty for a row that passed.
        skipped: why it was not run; empty for a row that was.
    """

    name: str
    effect: str
    deadline: str = ""
    deadline_s: float | None = None
    hold_s: float | None = None
    reason: str = ""
    estop_s: float | None = None
    estop: str = ""
    silence_s: float = 0.0
    shares: dict[str, float] = field(default_factory=dict)
    fastest: str = ""
    commands: int = 0
    said: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return not self.failures


def run(rig: Rig, fault: Fault) -> Row:
    """Brings a fault about, alone and with an emergency stop.

    Raises:
        ValueError: the graph does not come into motion, so that nothing can be said.
    """
    row = Row(fault.name, fault.effect)
    rig.forget()
    _alone(rig, fault, row)
    if fault.estop:
        rig.forget()
        _stopped(rig, fault, row)
    return row


def _alone(rig: Rig, fault: Fault, row: Row) -> None:
    """The fault alone: the hold in time, and still until enabled."""
    rig.begin(fault.layout)
    began = rig.enabled_ns[-1]
    at_ns = fault.inject(rig)
    time.sleep(max(0.0, fault.watch_s - judge.seconds(time.time_ns() - at_ns)))
    rested = None
    if fault.effect == "goes on":
        _judge_going_on(rig, row, at_ns, time.time_ns())
    elif fault.effect == "copes":
        _judge_coping(rig, row, at_ns, time.time_ns())
    else:
        rested = _judge_deadline(rig, fault, row, at_ns)
    seen = time.time_ns()
    row.failures += fault.check(rig, at_ns)
    row.said += rig.transitions(at_ns)
    fault.clear(rig)
    row.failures += fault.after(rig, at_ns)
    if fault.disarms:
        up = _all_up(rig, fault)
        if rested is not None:
            end = seen if fault.restarts_robot else up + round(_WATCH_S * NS_PER_S)
            _require_still(rig, row, "while disarmed", rested, end)
        _require_silence(rig, row, up)
        if rig.status().enabled:
            row.failures.append("the controller is enabled although nobody enabled it")
    _judge_limits(rig, row, began)


def _all_up(rig: Rig, fault: Fault) -> int:
    """Every node runs again, good chunks come, and a while has passed; from when on it was so."""
    rig.bring_up(fault.layout)
    rig.instruct()
    now = time.time_ns()
    rig.probe.until("action_chunk", lambda _: True, _CHUNK_S, now)
    if fault.disarms:
        with suppress(ValueError):  # with the first chunk that could be followed, at the latest
            rig.probe.until("controller_status", lambda m: not m.enabled, _DISARM_S, now)
    time.sleep(_SETTLE_S)
    up = time.time_ns()
    time.sleep(_WATCH_S)
    return up


def _judge_deadline(rig: Rig, fault: Fault, row: Row, at_ns: int) -> int | None:
    """Waits until the hold must be over, then looks; when the robot was at rest."""
    while True:
        deadline = fault.deadline(rig, at_ns)
        left = judge.seconds(deadline.at_ns - time.time_ns()) + _WATCH_S
        if left <= 0 or judge.seconds(time.time_ns() - at_ns) > _PATIENCE_S:
            break
        time.sleep(left)
    row.deadline, row.deadline_s = deadline.text, judge.seconds(deadline.at_ns - at_ns)
    return _judge_hold(rig, fault, row, at_ns, deadline.at_ns, time.time_ns())


def _judge_hold(
    rig: Rig, fault: Fault, row: Row, at_ns: int, due_ns: int, seen_ns: int
) -> int | None:
    """Whether the right thing happened in time; when the robot was at rest."""
    if fault.effect == "driver holds":
        said = [
            (received, message)
            for received, message in rig.probe.since("driver_status", at_ns, seen_ns)
            if message.mode == dz.DriverStatus.HOLDING
        ]
        if not said:
            row.failures.append("the driver did not hold")
            return None
        row.hold_s, row.reason = judge.seconds(said[0][0] - at_ns), said[0][1].message
        _require_in_time(rig, row, said[0][0], due_ns)
        return said[0][0] + round(_SETTLE_S * NS_PER_S)
    heard = rig.probe.commands_since(at_ns - NS_PER_S, seen_ns)
    held = judge.hold(heard, at_ns, seen_ns, rig.cruise if rig.steady else None, rig.period_s)
    if held is None:
        last = judge.speeds(heard, rig.period_s)[-3:]
        row.failures.append(f"no hold: the last commands move at {np.round(last, 3).tolist()} /s")
        return None
    row.hold_s = judge.seconds(held.began_ns - at_ns)
    arrivals = [command.received_ns for command in heard if command.received_ns >= at_ns]
    row.silence_s = judge.seconds(int(np.diff(arrivals).max(initial=0)))
    _require_in_time(rig, row, held.began_ns, due_ns)
    most = judge.braking_s(rig.limits, 1.5 * rig.cruise, rig.period_s)
    # Where it slows down before it has to, it may take until then.
    braking = judge.seconds(held.rested_ns - max(held.began_ns, due_ns))
    if braking > most:
        row.failures.append(f"braking took {braking:.3f} s, at most {most:.3f} s")
    said = [reason for _, reason in rig.holds(at_ns, seen_ns)]
    expected = [reason for reason in said if reason in fault.reasons]
    row.reason = next(iter(expected or said), "none given")
    if fault.reasons and not expected:
        row.failures.append(f"hold reason {row.reason!r}, expected {' or '.join(fault.reasons)}")
    return held.rested_ns + round(_SETTLE_S * NS_PER_S)


def _judge_going_on(rig: Rig, row: Row, at_ns: int, seen_ns: int) -> None:
    """Motion went on as if nothing had happened."""
    for _, reason in rig.holds(at_ns, seen_ns)[:1]:
        row.failures.append(f"the controller held: {reason}")
    times = [command.received_ns for command in rig.probe.commands_since(at_ns, seen_ns)]
    gap = max(np.diff([at_ns, *times, seen_ns]), default=0) / NS_PER_S
    if gap > (PERIODS + 1) * rig.period_s:
        row.failures.append(f"no command for {gap:.3f} s")


def _judge_coping(rig: Rig, row: Row, at_ns: int, seen_ns: int) -> None:
    """Whatever moved was covered by a chunk that had come; where one ended, a hold was in time."""
    row.deadline = "end of every chunk"
    chunks = rig.probe.since("action_chunk", 0, seen_ns)
    slowest = rig.playback(at_ns, seen_ns)
    heard = rig.probe.commands_since(at_ns, seen_ns)
    late = [
        judge.seconds(command.received_ns - max(ends))
        for command, speed in zip(heard, judge.speeds(heard, rig.period_s), strict=True)
        if speed > judge.SLOW * rig.cruise
        and (ends := [rig.end_ns(c, slowest) for at, c in chunks if at < command.received_ns])
    ]
    if not late:
        row.failures.append("nothing moved at all")
        return
    if max(late) > PERIODS * rig.period_s:
        row.failures.append(f"a command moved {max(late):.3f} s after the last chunk had ended")
    said = [reason for _, reason in rig.holds(at_ns, seen_ns)]
    row.reason = ", ".join(sorted(set(said))) or "no hold was needed"


def _require_in_time(rig: Rig, row: Row, held_ns: int, due_ns: int) -> None:
    late = judge.seconds(held_ns - due_ns)
    if late > PERIODS * rig.period_s:
        row.failures.append(
            f"the hold came {1e3 * late:.1f} ms after its deadline, "
            f"at most {1e3 * PERIODS * rig.period_s:.1f} ms"
        )


def _require_still(rig: Rig, row: Row, when: str, since_ns: int, until_ns: int) -> None:
    """The measured joints stay where they are."""
    pose = rig.measured(since_ns, until_ns)
    moved = float(np.ptp(pose, axis=0).max()) if len(pose) else 0.0
    if moved > _STILL:
        row.failures.append(f"{when} a joint moved by {moved:.4f}, at most {_STILL}")


def _require_silence(rig: Rig, row: Row, since_ns: int) -> None:
    """Nothing was commanded."""
    heard = rig.probe.commands_since(since_ns)
    if heard:
        row.failures.append(f"{len(heard)} commands although motion was not enabled")


def _stopped(rig: Rig, fault: Fault, row: Row) -> None:
    """The fault with an emergency stop at once: nothing moves any more, whatever comes."""
    rig.begin(fault.layout)
    began = rig.enabled_ns[-1]
    process = rig.nodes.pid("controller")
    at_ns = fault.inject(rig)
    pressed = time.time_ns()
    gone = "controller" in rig.nodes.silent()
    answer = rig.ask("estop", 0.5 if gone else 5.0)
    time.sleep(_WATCH_S)
    seen = time.time_ns()
    if gone:
        row.estop = "controller gone: the driver holds"
        due = pressed + round(float(rig.setting("sim_driver", "command_timeout_s")) * NS_PER_S)
        rested = due + round((PERIODS * rig.period_s + _SETTLE_S) * NS_PER_S)
    else:
        rested = _judge_stop(rig, row, began, pressed, seen)
        if not answer.success:
            row.failures.append(f"e-stop: {answer.message}")
    before_clear = time.time_ns()
    fault.clear(rig)
    if gone and rig.nodes.pid("controller") == process:  # it hears of the stop only now
        brake = judge.braking_s(rig.limits, 1.5 * rig.cruise, rig.period_s)
        later = PERIODS * rig.period_s + brake + _SETTLE_S
        rested = time.time_ns() + round(later * NS_PER_S)
    up = _all_up(rig, fault)
    if fault.restarts_robot:
        _require_still(rig, row, "after the e-stop", rested, before_clear)
        rested = up
    _require_still(rig, row, "after the e-stop", rested, time.time_ns())
    after = rig.probe.commands_since(rested)
    if (
        len(after)
        and np.ptp([command.positions for command in after], axis=0).max() > judge.ROUNDING
    ):
        row.failures.append("commands moved after the e-stop")
    status = rig.status()
    if rig.nodes.pid("controller") != process:
        _require_silence(rig, row, up)  # it knows of no e-stop, and comes up disarmed
    elif not status.estopped:
        row.failures.append(f"the e-stop is not latched: mode {status.mode}")
    elif rig.ask("enable").success:
        row.failures.append("motion could be enabled in spite of the e-stop")
    row.said += ["-- with an e-stop", *rig.transitions(at_ns)]
    _judge_limits(rig, row, began)


def _judge_stop(rig: Rig, row: Row, began: int, pressed: int, seen: int) -> int:
    """Whether the emergency stop held in time; when the robot was at rest."""
    heard = rig.probe.commands_since(began, seen)
    cruise = rig.cruise if rig.steady else None
    held = judge.hold(heard, pressed, seen, cruise, rig.period_s)
    if held is None:
        row.failures.append("e-stop: no hold")
        return pressed
    row.estop_s = max(judge.seconds(held.began_ns - pressed), 0.0)
    row.estop = "held"
    if row.estop_s > PERIODS * rig.period_s:
        row.failures.append(
            f"the e-stop held after {1e3 * row.estop_s:.1f} ms, "
            f"at most {1e3 * PERIODS * rig.period_s:.1f} ms"
        )
    return held.rested_ns + round(_SETTLE_S * NS_PER_S)


def _judge_limits(rig: Rig, row: Row, since_ns: int) -> None:
    """Every command since motion was enabled keeps the limits."""
    heard = rig.probe.commands_since(since_ns)
    used = judge.usage(judge.stretches(heard, rig.enabled_ns), rig.limits, rig.period_s)
    row.commands += used.commands
    if used.shares["velocity"] > row.shares.get("velocity", 0.0):
        name, instant = used.fastest
        row.fastest = f"{name}, {judge.seconds(instant - since_ns):.2f} s after motion was enabled"
    for name, share in used.shares.items():
        row.shares[name] = max(row.shares.get(name, 0.0), share)
    row.failures += [f"limits: {sentence}" for sentence in used.violations]
