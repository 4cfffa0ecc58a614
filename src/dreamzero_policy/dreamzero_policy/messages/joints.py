"""Joints as messages and back: what is measured, what is commanded, the velocity of a base.

Positions and velocities become float64 arrays, one value per name. What a message can get wrong
(names, counts) is a ``ValueError`` that says what was expected and what came.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from dreamzero_msgs import msg as dz
from geometry_msgs.msg import Twist
from sensor_msgs.msg import JointState

from dreamzero_policy.embodiments.embodiment import BASE_AXES, Embodiment
from dreamzero_policy.messages.times import duration_message, nanoseconds, time_message
from dreamzero_policy.types import Float


class Proprioception(NamedTuple):
    """The measured joint vector at one instant of the control grid.

    Attributes:
        stamp_ns: the instant.
        names: S joint names in state order.
        positions: [S] float64, model units.
        velocities: [S] float64, model units per s.
        ages_ns: age of the newest measurement of each source, by topic.
    """

    stamp_ns: int
    names: tuple[str, ...]
    positions: Float
    velocities: Float
    ages_ns: dict[str, int]


class JointPositions(NamedTuple):
    """Positions by joint name, in the units they came in.

    Attributes:
        stamp_ns: when they were measured or are due.
        names: joint names.
        positions: [len(names)] float64.
    """

    stamp_ns: int
    names: tuple[str, ...]
    positions: Float


def _vector(what: str, names: Sequence[str], values: Sequence[float] | Float) -> Float:
    """Values as float64, one per name.

    Raises:
        ValueError: the counts differ.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.shape != (len(names),):
        raise ValueError(
            f"{what}: expected {len(names)} values, one for each of "
            f"{', '.join(names) or 'no joints'}, "
            f"got {list(vector.shape)}"
        )
    return vector


def proprioception_message(state: Proprioception) -> dz.Proprioception:
    """The message of a state vector.

    Raises:
        ValueError: positions or velocities are not one per name.
    """
    positions = _vector("positions", state.names, state.positions)
    velocities = _vector("velocities", state.names, state.velocities)
    message = dz.Proprioception(
        names=list(state.names),
        positions=array("d", positions.tobytes()),
        velocities=array("d", velocities.tobytes()),
        sources=list(state.ages_ns),
        source_ages=[duration_message(age) for age in state.ages_ns.values()],
    )
    message.header.stamp = time_message(state.stamp_ns)
    return message


def proprioception_from_message(message: dz.Proprioception) -> Proprioception:
    """The state vector of a message.

    Raises:
        ValueError: positions, velocities or ages do not match the names.
    """
    names = tuple(message.names)
    if len(message.sources) != len(message.source_ages):
        raise ValueError(
            f"proprioception: expected one age per source, got {len(message.source_ages)} ages for "
            f"{len(message.sources)} sources"
        )
    return Proprioception(
        stamp_ns=nanoseconds(message.header.stamp),
        names=names,
        positions=_vector("proprioception positions", names, message.positions),
        velocities=_vector("proprioception velocities", names, message.velocities),
        ages_ns={
            source: nanoseconds(age)
            for source, age in zip(message.sources, message.source_ages, strict=True)
        },
    )


def joint_positions(message: JointState) -> JointPositions:
    """Names and positions of a ``JointState`` in the sender's units; the rest is ignored.

    Raises:
        ValueError: the number of positions is not the number of names, or a name stands twice.
    """
    names = tuple(message.name)
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"joint state: {', '.join(twice)} stands more than once in {list(names)}")
    return JointPositions(
        stamp_ns=nanoseconds(message.header.stamp),
        names=names,
        positions=_vector("joint state positions", names, message.position),
    )


def targets_from_message(embodiment: Embodiment, message: JointState) -> JointPositions:
    """Names and targets in model units of a command in the driver's units.

    Args:
        embodiment: names and wire scales.
        message: some or all joints, in any order.

    Raises:
        ValueError: a joint that the robot does not have, and what ``joint_positions`` refuses.
    """
    given = joint_positions(message)
    known = {joint.name: joint.command_wire for joint in embodiment.joints if joint.kind != "base"}
    unknown = [name for name in given.names if name not in known]
    if unknown:
        raise ValueError(
            f"joint targets: {', '.join(unknown)} unknown; expected joints of {', '.join(known)}"
        )
    pairs = zip(given.names, given.positions.tolist(), strict=True)
    return given._replace(
        positions=np.array([known[name].to_model(value) for name, value in pairs])
    )


def command_message(
    embodiment: Embodiment, stamp_ns: int, command: Float, session: int = 0
) -> JointState:
    """A position command by joint name in the driver's units.

    Args:
        embodiment: names, order and wire scales.
        stamp_ns: when the command is due.
        command: [A] model units. Base velocities are not positions: ``base_message`` has them.
        session: of the driver that may obey it; 0 where drivers have none.

    Raises:
        ValueError: not one value per joint.
    """
    values = _vector("command", embodiment.action_joints, command)
    placed = [
        (joint, value)
        for joint, value in zip(embodiment.joints, values.tolist(), strict=True)
        if joint.kind != "base"
    ]
    message = JointState(
        name=[joint.name for joint, _ in placed],
        position=array("d", [joint.command_wire.to_wire(value) for joint, value in placed]),
    )
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = str(session) if session else ""
    return message


def base_message(embodiment: Embodiment, command: Float) -> Twist | None:
    """The velocity of a robot's base; None for a robot that stands still.

    Args:
        embodiment: names and order.
        command: [A] model units: m/s and rad/s for the base.

    Raises:
        ValueError: not one value per joint, or a base joint without an axis in ``BASE_AXES``.
    """
    values = _vector("command", embodiment.action_joints, command)
    message = None
    for joint, value in zip(embodiment.joints, values.tolist(), strict=True):
        if joint.kind != "base":
            continue
        if joint.name not in BASE_AXES:
            raise ValueError(
                f"base joint {joint.name!r}: expected one of {', '.join(BASE_AXES)}, "
                "which have an axis of a Twist"
            )
        message = message or Twist()
        part, axis = BASE_AXES[joint.name]
        setattr(getattr(message, part), axis, value)
    return message


def base_velocities(embodiment: Embodiment, message: Twist) -> Float:
    """[A] the velocities of a robot's base in a twist, 0 for its joints: ``base_message`` undone.

    Args:
        embodiment: names and order.
        message: in the base's own frame; what no base joint stands for is ignored.
    """
    values = np.zeros(len(embodiment.joints))
    for column, joint in enumerate(embodiment.joints):
        if joint.kind == "base" and joint.name in BASE_AXES:
            part, axis = BASE_AXES[joint.name]
            values[column] = getattr(getattr(message, part), axis)
    return values
