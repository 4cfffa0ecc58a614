"""Whether joint states are those of the robot: names, order, units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dreamzero_bringup.doctor.finding import Finding, failed, passed, warned
from dreamzero_bringup.doctor.stream_checks import age, presence, rate, stamps
from dreamzero_bringup.facts.expected import Expected
from dreamzero_bringup.facts.live_facts import Joints
from dreamzero_policy.embodiments.embodiment import Joint

_SLACK = 0.05  # of a joint's range, by which a pose may lie outside of it without another cause
_LEAST_SHARE, _MOST_SHARE = -0.02, 1.02
_UNITS = {  # what a value may be in by mistake, and what it is then multiplied with
    "revolute": (("degrees", math.pi / 180),),
    "prismatic": (("cm", 0.01), ("mm", 0.001)),
    "gripper": (("cm", 0.01), ("mm", 0.001), ("percent", 0.01)),
}


def check(source: str, joints: Joints, expected: Expected) -> list[Finding]:
    """One row for a topic that is well, otherwise one for everything that is wrong."""
    problems = list(_problems(source, joints, expected))
    if problems:
        return problems
    found = (
        f"{len(joints.names)} joints as the layout has them, {joints.stream.rate_hz:.1f} Hz, "
        f"{age(joints.stream)}"
    )
    return [passed(source, found)]


def side_by_side(layout: Sequence[str], found: Sequence[str]) -> str:
    """Two lists of names beside each other by name, with a mark where they differ.

    A name that both have is in its place where the names that both have follow each other alike.
    """
    width = max(map(len, (*layout, "layout")))
    lines = [f"{'layout':<{width}}  topic"]
    there = [name for name in layout if name in found]
    moved = {a for a, b in zip(there, (name for name in found if name in layout)) if a != b}
    for name in layout:
        mark = "   < missing"
        if name in found:
            mark = f"   < number {found.index(name) + 1}" if name in moved else ""
        lines.append(f"{name:<{width}}  {name if name in found else '-'}{mark}")
    lines += [f"{'-':<{width}}  {name}   < unknown" for name in found if name not in layout]
    return "\n".join(lines)


def _problems(source: str, joints: Joints, expected: Expected) -> Iterator[Finding]:
    stream = joints.stream
    kind = "sensor_msgs/msg/JointState"
    absent = presence(source, stream, kind, source, joints.alternatives, expected)
    if absent:
        yield absent
        return
    yield from _names(source, joints, expected)
    yield from _units(source, joints, expected)
    # Below this a state cannot be brought to an instant without being stale.
    yield from rate(
        f"{source}: rate", stream, 1 / expected.state_max_age_s, expected.state_max_age_s
    )
    if 1 / expected.state_max_age_s <= stream.rate_hz < 0.95 * expected.state_hz:
        yield warned(
            f"{source}: rate",
            f"{stream.rate_hz:.1f} Hz",
            expected=f"{expected.state_hz:g} Hz or more, between them positions are interpolated",
            fix=f"raise the rate of {stream.publishers[0]}",
        )
    yield from stamps(
        f"{source}: stamps", stream, expected.state_max_age_s, expected.clock_tolerance_s
    )


def _names(source: str, joints: Joints, expected: Expected) -> Iterator[Finding]:
    """The layout's joints, each once, and nobody else's."""
    layout = expected.sources[source]
    names = [name for name in joints.names if name not in expected.ignored_joints]
    missing = [name for name in layout if name not in names]
    unknown = [name for name in names if name not in layout]
    twice = sorted({name for name in names if names.count(name) > 1})
    what = f"{source}: joints"
    table = f"\n{side_by_side(layout, names)}"
    if twice:
        yield failed(
            what,
            f"{', '.join(twice)} more than once{table}",
            fix=f"correct the joint names of {joints.stream.publishers[0]}",
        )
    elif missing or unknown:
        words = [f"missing: {', '.join(missing)}"] if missing else []
        words += [f"unknown: {', '.join(unknown)}"] if unknown else []
        ignore = f"proprioception.ignored_joints: [{', '.join(unknown)}]"
        name = f"correct the joint names of {joints.stream.publishers[0]}"
        yield failed(
            what,
            "; ".join(words) + table,
            fix=name if missing else f"{name}, or {ignore}",
        )
    elif names != list(layout):
        yield warned(
            what,
            f"in another order{table}",
            expected="the layout's order; positions are read by name, so only the driver's own "
            "table of names can be wrong",
            fix=f"move one joint by hand and watch its name: ros2 topic echo {joints.stream.topic}",
        )
    if len(joints.positions) != len(joints.names):
        yield failed(
            f"{source}: positions",
            f"{len(joints.positions)} positions for {len(joints.names)} names",
            fix=f"correct {joints.stream.publishers[0]}: one position per name",
        )


def _units(source: str, joints: Joints, expected: Expected) -> Iterator[Finding]:
    """Values against the range that the driver's units give it."""
    for name, value in zip(joints.names, joints.positions, strict=False):
        if name in expected.sources[source] and name in expected.robot.state_joints:
            joint = expected.robot.joint(name)
            if not math.isfinite(value):
                yield failed(
                    f"{source}: {name}",
                    f"{value}",
                    expected="a finite number",
                    fix=f"restart {joints.stream.publishers[0]}; home or calibrate that joint",
                )
            elif not _inside(joint, value):
                yield _outside(source, joint, value)


def _range(joint: Joint) -> tuple[float, float]:
    """Range of a joint as the driver reports it."""
    ends = joint.state_wire.to_wire(joint.lower), joint.state_wire.to_wire(joint.upper)
    return min(ends), max(ends)


def _inside(joint: Joint, wire: float) -> bool:
    low, high = _range(joint)
    slack = _SLACK * (high - low)
    return low - slack <= wire <= high + slack


def _outside(source: str, joint: Joint, wire: float) -> Finding:
    """Another unit where that explains the value, otherwise a joint beyond its range."""
    low, high = _range(joint)
    what, span = f"{source}: {joint.name}", f"{low:.4g} to {high:.4g} ({joint.kind})"
    unit = next((u for u, scale in _UNITS.get(joint.kind, ()) if _inside(joint, wire * scale)), "")
    if joint.kind == "gripper" and _LEAST_SHARE <= wire <= _MOST_SHARE:
        unit = "shares of 1"
    fix = f"let the driver convert it, or correct state_wire of {joint.name} in its embodiment"
    if joint.kind == "gripper":
        scale = f"in {unit}?" if unit else "another scale or polarity"
        return failed(what, f"{wire:.4g}: {scale}", expected=span, fix=fix)
    if unit:
        return failed(what, f"{wire:.4g}: in {unit}?", expected=span, fix=fix)
    return warned(
        what,
        f"{wire:.4g}: outside of its range",
        expected=span,
        fix="move the joint back inside by hand or with the maker's software; motion is refused "
        "until then",
    )
