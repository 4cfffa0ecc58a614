"""The panel of a group of joints: what was measured, and what was commanded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.embodiments.embodiment import BASE_AXES, Embodiment, Joint
from dreamzero_policy.episodes.panels import Clock, ending, say, sources
from dreamzero_policy.types import NS_PER_S, Float

_POINTS = 4000


@dataclass(frozen=True)
class Group:
    """Joints that share a panel.

    Attributes:
        title: of the panel.
        names: of the joints.
    """

    title: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Lines:
    """Joints of a topic: seconds [N], positions [N, J] of J names, or why there are none."""

    seconds: Float
    names: tuple[str, ...] = ()
    positions: Float | None = None
    problem: str = ""


@dataclass(frozen=True)
class Motion:
    """What moved and what was commanded, read once for all panels."""

    measured: tuple[_Lines, ...]
    commanded: tuple[_Lines, ...]


def motion(episode: Episode, robot: Embodiment | None, clock: Clock) -> Motion:
    """The joints, commands and the base's of an episode."""
    measured = tuple(_series(episode, name, clock) for name in sources(episode, robot))
    commanded = [_series(episode, "joint_commands", clock)]
    base = [joint.name for joint in robot.joints if joint.kind == "base"] if robot else []
    if base:
        commanded.append(_base(episode, base, clock))
    return Motion(measured, tuple(commanded))


def joint_groups(robot: Embodiment | None, moved: Motion) -> list[Group]:
    """One panel per key of the action; one for all where the robot is not known."""
    if robot is None:
        return [Group("joints", moved.measured[0].names)]
    groups, at = [], 0
    for key in robot.action_keys:
        groups.append(Group(key.name, robot.action_joints[at : at + key.width]))
        at += key.width
    return groups


def joints(axis: Axes, moved: Motion, robot: Embodiment | None, group: Group) -> None:
    """Measured joints as lines, commands dotted, in model units where the robot is known."""
    kinds = {joint.name: joint for joint in robot.joints} if robot else {}
    for number, name in enumerate(group.names):
        colour, joint = f"C{number % 10}", kinds.get(name)
        axis.plot([], [], color=colour, lw=1.3, label=ending(_short(name, group.names)))
        for all_lines, style, wire in (
            (moved.measured, {"lw": 1.3}, joint and joint.state_wire),
            (moved.commanded, {"lw": 0.9, "ls": (0, (1, 1.5))}, joint and joint.command_wire),
        ):
            for lines in all_lines:
                if lines.positions is None or name not in lines.names:
                    continue
                values = lines.positions[:, lines.names.index(name)]
                values = wire.to_model(values) if wire else values
                step = max(1, len(values) // _POINTS)
                axis.plot(lines.seconds[::step], values[::step], color=colour, **style)
    problems = [
        lines.problem
        for lines in (*moved.measured, *moved.commanded)
        if lines.problem and (not lines.names or set(lines.names) & set(group.names))
    ]
    if problems:
        say(axis, problems[0])
    title = group.title.replace("_position", "").replace("_", " ")
    here = [kinds[name] for name in group.names if name in kinds]
    axis.set_ylabel(f"{title}\n[{_unit(here)}]", fontsize=8)
    if here and all(joint.kind == "gripper" for joint in here):
        axis.set_ylim(-0.08, 1.08)
    axis.grid(True, lw=0.3, color="0.85")
    axis.tick_params(labelsize=8)
    if group.names:
        axis.legend(
            loc="center left", bbox_to_anchor=(1.005, 0.5), fontsize=7.5, frameon=False,
            labelspacing=0.15, handlelength=1.2, borderaxespad=0.0,
        )  # fmt: skip


def explain_lines(axis: Axes) -> None:
    """What full and dotted lines are."""
    text = "— measured   ··· commanded"
    axis.text(1.0, 1.02, text, transform=axis.transAxes, ha="right", va="bottom", fontsize=8)


def _series(episode: Episode, topic: str, clock: Clock) -> _Lines:
    try:
        stream = episode.stream(topic)
        found = stream.joints()
        seconds = (stream.log_ns - clock.began_ns) / NS_PER_S
        return _Lines(seconds, found.names, found.positions)
    except BagError as error:
        return _Lines(np.zeros(0), problem=f"{topic}: {error}".replace(f"{episode.folder}: ", ""))


def _base(episode: Episode, names: Sequence[str], clock: Clock) -> _Lines:
    """What a base was told."""
    try:
        stream = episode.stream("base_command", "geometry_msgs/msg/Twist")
        axes = [BASE_AXES[name] for name in names]
        speeds = [[getattr(getattr(told, part), axis) for part, axis in axes] for told in stream]
    except (BagError, KeyError) as error:
        return _Lines(np.zeros(0), tuple(names), problem=f"base_command: {error}")
    return _Lines((stream.log_ns - clock.began_ns) / NS_PER_S, tuple(names), np.array(speeds))


def _unit(joints: Sequence[Joint]) -> str:
    """Of a panel's joints; for a gripper which end is open."""
    units = {"revolute": "rad", "prismatic": "m", "base": "m/s, rad/s"}
    found = dict.fromkeys(units.get(joint.kind, "") for joint in joints)
    for joint in joints:
        if joint.kind == "gripper":
            known = joint.open_at is not None
            found[f"{joint.open_at:g} open" if known else "gripper"] = None
    return ", ".join(filter(None, found)) or "as recorded"


def _short(name: str, names: Sequence[str]) -> str:
    """A joint's name without what all of the panel's have in common."""
    if len(names) < 2:
        return name
    words = [one.split("_") for one in names]
    common = 0
    while all(len(one) > common + 1 and one[common] == words[0][common] for one in words):
        common += 1
    return "_".join(name.split("_")[common:])
