"""Whether a joint did what it was told, and it alone; what is wrong where it did not.

Two things are asked of the same numbers. ``alarm`` looks at every new measurement while the robot
moves and says when to stop. ``judge`` looks at the whole trace afterwards and names the fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dreamzero_bringup.asking import remedies
from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped, warned
from dreamzero_bringup.walk.plan import STILL, Move, mirrored, still
from dreamzero_bringup.walk.trace import Trace
from dreamzero_policy.embodiments.embodiment import Joint
from dreamzero_policy.types import Float

FACTORS: dict[float, str] = {
    57.2958: "it takes degrees for radians?",
    1.0 / 57.2958: "it takes radians for degrees?",
    100.0: "metres where centimetres are meant, or shares where percent are?",
    0.01: "centimetres where metres are meant, or percent where shares are?",
    1000.0: "metres where millimetres are meant?",
    0.001: "millimetres where metres are meant?",
    2.0: "a width where half of it is meant?",
    0.5: "half of a width where all of it is meant?",
}
"""What a measured motion over the commanded one suggests."""

_SCALE = {"revolute": (0.7, 1.3), "prismatic": (0.7, 1.3), "gripper": (0.6, 1.4)}
_SLOW_S, _TOO_SLOW_S = 0.3, 1.0
_MOVED, _OVER, _LIKE = 0.1, 0.6, 0.15


@dataclass(frozen=True)
class Verdict:
    """What a motion showed.

    Attributes:
        name: one word: ``ok``, or the fault.
        finding: the line of the table.
        ratio: measured motion over the commanded one; None where that cannot be said.
        delay_s: of the measured motion behind the commanded one; None where that cannot be said.
    """

    name: str
    finding: Finding
    ratio: float | None = None
    delay_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the walk may go on."""
        return self.finding.level != "fail"


def alarm(
    names: Sequence[str], tolerance: Float, rest: Float, pose: Float, moving: Move | None,
    commanded: tuple[float, float],
) -> str:  # fmt: skip
    """Why to stop now; empty to go on.

    Args:
        names: [S] measured joints.
        tolerance: [S] what a joint may move that should stand still.
        rest: [S] the pose at rest.
        pose: [S] the newest one.
        moving: what the robot is doing; None while it should stand still.
        commanded: the least and the most that the moving joint was told lately.
    """
    away = np.abs(pose - rest)
    if moving is not None and moving.joint.name in names:
        column = names.index(moving.joint.name)
        over = max(tolerance[column], _OVER * abs(moving.amount))
        low, high = commanded
        if not low - over <= pose[column] <= high + over:
            return f"{names[column]} is at {pose[column]:.4g}, told {low:.4g} to {high:.4g}"
        away[column] = 0.0
    worst = int(np.argmax(away / tolerance))
    if not away[worst] <= tolerance[worst]:
        return f"{names[worst]} moved by {pose[worst] - rest[worst]:+.4g} and should stand still"
    return ""


def judge(move: Move, trace: Trace, joints: Sequence[Joint]) -> Verdict:
    """What a motion showed.

    Args:
        move: what was meant.
        trace: what happened.
        joints: the robot's.
    """
    by_name = {joint.name: joint for joint in joints}
    measured = tuple(by_name[name] for name in trace.names)
    if trace.idle is None:
        return _fault("state_silent", move, "no measurement came")
    onset = _moved(trace, measured, trace.idle, trace.enabled, 0.0)
    if onset and trace.ended is not None and trace.ended <= 0.0:
        return _moved_on_enable(move, trace, by_name, onset)
    others = _moved(trace, measured, trace.rest, 0.0, np.inf) if trace.rest is not None else {}
    others.pop(move.joint.name, None)
    own = None if move.joint.kind == "base" or trace.rest is None else _own(move, trace)
    if others and own is not None and not own.moved and len(others) == 1:
        return _exchanged(move, *others.popitem())
    if others:
        words = ", ".join(f"{name} by {_text(by_name[name], by)}" for name, by in others.items())
        return _fault("others_moved", move, f"{words} moved too")
    told = trace.trouble is not None and trace.trouble[0] != "alarm"
    if told and (own is None or not own.strange):
        return _fault(trace.trouble[0], move, trace.trouble[1])
    if own is None:
        why = "it was commanded; nothing measures a base, so only eyes can tell"
        return Verdict("ok", skipped(move.joint.name, why))
    return _judge_own(move, trace, own)


@dataclass(frozen=True)
class _Own:
    """How the moved joint itself moved: by how much, and over how much it was told."""

    by: float
    told: float
    noise: float

    @property
    def ratio(self) -> float | None:
        return self.by / self.told if self.told else None

    @property
    def moved(self) -> bool:
        """More than by noise, and more than a joint does that a neighbour shakes."""
        known = _factor(self.ratio) and abs(self.by) > 6.0 * self.noise
        return bool(known) or abs(self.by) > max(6.0 * self.noise, _MOVED * abs(self.told))

    @property
    def strange(self) -> bool:
        """Whether it moved another way or by far more than it was told."""
        ratio = self.ratio
        return self.moved and ratio is not None and not 0.0 <= ratio <= 1.0 + _OVER


def _own(move: Move, trace: Trace) -> _Own:
    """The moved joint far out; where the motion was given up, at the end of it."""
    column = trace.names.index(move.joint.name)
    start, end = move.turn
    window = (start + 0.5 * (end - start), end)
    if trace.ended is not None:
        window = (trace.ended, np.inf)
    rest, told = trace.rest[column], trace.commands(-0.5, 0.0)[:, column]
    rows, commands = trace.between(*window)[:, column], trace.commands(*window)[:, column]
    if not len(commands):
        commands = trace.commands(0.0, window[0])[-1:, column]
    return _Own(
        by=float(np.median(rows) - rest) if len(rows) else 0.0,
        told=float(commands.mean() - told.mean()) if len(commands) and len(told) else 0.0,
        noise=float(trace.noise[column]),
    )


def _judge_own(move: Move, trace: Trace, own: _Own) -> Verdict:
    """Sign, size and time of the moved joint's own motion; nothing else moved."""
    joint, ratio = move.joint, own.ratio
    low, high = _SCALE[joint.kind]
    far = f"{_text(joint, own.by)} for {_text(joint, own.told)} commanded"
    if ratio is None and trace.trouble is not None:
        return _fault(trace.trouble[0], move, trace.trouble[1])
    if not own.moved or ratio is None:
        return _fault("nothing_moved", move, f"nothing moved: {far}", ratio)
    if -1.5 <= ratio <= -0.5:
        return _fault("wrong_direction", move, f"the other way: {far}", ratio)
    if not low <= ratio <= high:
        hint = _factor(ratio)
        words = f"{far}, {ratio:.3g} times as much{f': {hint}' if hint else ''}"
        return _fault("wrong_scale", move, words, ratio)
    if trace.trouble is not None:
        return _fault(trace.trouble[0], move, trace.trouble[1], ratio)
    delay = _delay(move, trace)
    back = abs(_left(move, trace))
    found = f"{far}" + (f", {delay * 1e3:.0f} ms behind" if delay is not None else "")
    if delay is None or delay > _TOO_SLOW_S:
        late = "never half way out" if delay is None else f"{delay:.1f} s late"
        return _fault("too_slow", move, f"{late}: {far}", ratio, delay)
    for name, holds, words in (
        ("slow", delay > _SLOW_S, found),
        ("not_back", back > STILL[joint.kind], f"{found}; {_text(joint, back)} short of back"),
    ):
        if holds:
            finding = warned(joint.name, words, fix=remedies.REMEDIES[name])
            return Verdict(name, finding, ratio, delay)
    return Verdict("ok", passed(joint.name, found), ratio, delay)


def _delay(move: Move, trace: Trace) -> float | None:
    """Between command and measurement, each half way out [s]."""
    column = trace.names.index(move.joint.name)
    passed_at = []
    for at, rows in (
        (trace.commanded_at, trace.commanded), (trace.measured_at, trace.measured),
    ):  # fmt: skip
        on_the_way = (at >= 0.0) & (at <= move.turn[1])
        away = (rows[on_the_way, column] - trace.rest[column]) * np.sign(move.amount)
        there = np.flatnonzero(away >= 0.5 * abs(move.amount))
        if not len(there):
            return None
        passed_at.append(float(at[on_the_way][there[0]]))
    return passed_at[1] - passed_at[0]


def _left(move: Move, trace: Trace) -> float:
    """How far the joint is from where it began, at the end."""
    column = trace.names.index(move.joint.name)
    return float(trace.measured[-1, column] - trace.rest[column])


def _moved(
    trace: Trace, joints: Sequence[Joint], rest: Float, start: float, end: float
) -> dict[str, float]:
    """By how much each joint moved that moved more than a still one may."""
    rows = trace.between(start, end)
    if not len(rows):
        return {}
    away = rows - rest
    most = away[np.argmax(np.abs(away), axis=0), np.arange(away.shape[1])]
    over = np.abs(most) > still(tuple(joints))
    return {name: float(by) for name, by, far in zip(trace.names, most, over, strict=True) if far}


def _moved_on_enable(
    move: Move, trace: Trace, joints: dict[str, Joint], moved: dict[str, float]
) -> Verdict:
    """A robot that is told to stand where it stands, and does not."""
    words = [f"{name} moved by {_text(joints[name], by)}" for name, by in moved.items()]
    worst = max(moved, key=lambda name: abs(moved[name]) / STILL[joints[name].kind])
    column, joint = trace.names.index(worst), joints[worst]
    sent = joint.command_wire.to_wire(float(trace.idle[column]))
    reached = joint.command_wire.to_wire(float(trace.measured[-1, column]))
    hint = ""
    if sent and abs(reached - sent) > 1e-9:
        hint = _factor(reached / sent)
        if not hint and reached / sent < -0.5:
            hint = "as if the sign were the other one"
    words.append(f"{worst} was told {sent:.4g} and went to {reached:.4g} (driver's units)")
    if all(_towards_other_arm(trace, name, by) for name, by in moved.items()):
        hint = "towards where the other arm stands: are the arms exchanged?"
    words += [hint] if hint else []
    return _fault("moved_on_enable", move, "told to stand still: " + "; ".join(words))


def _towards_other_arm(trace: Trace, name: str, by: float) -> bool:
    """Whether a joint moved towards where its twin of the other arm stood."""
    other = mirrored(name)
    if other == name or other not in trace.names:
        return False
    gap = trace.idle[trace.names.index(other)] - trace.idle[trace.names.index(name)]
    return bool(gap * by > 0.0)


def _exchanged(move: Move, other: str, by: float) -> Verdict:
    """Another joint moved in the place of the one that was told to."""
    name = move.joint.name
    arms = mirrored(name) == other != name
    words = f"{other} moved in its place, by {by:+.3g}"
    return _fault("arms_swapped" if arms else "joints_swapped", move, words)


def _fault(
    name: str, move: Move, words: str, ratio: float | None = None, delay: float | None = None
) -> Verdict:
    fix = remedies.REMEDIES[name]
    return Verdict(name, failed(move.joint.name, f"{name}: {words}", fix=fix), ratio, delay)


def _factor(ratio: float | None) -> str:
    """What unit a ratio suggests; nothing for one that suggests none."""
    if not ratio:
        return ""
    for factor, words in FACTORS.items():
        if abs(ratio / factor - 1.0) < _LIKE:
            return words
    return ""


def _text(joint: Joint, value: float) -> str:
    """A motion with its unit, as people read it."""
    if joint.kind == "revolute":
        return f"{np.degrees(value):+.2f} deg"
    if joint.kind == "prismatic":
        return f"{1e3 * value:+.1f} mm"
    return f"{100.0 * value / (joint.upper - joint.lower):+.0f} %"
