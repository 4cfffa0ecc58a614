"""A robot sketched from its embodiment alone, for robots without a scene of their own.

Names, ranges, speeds, home, wire scales and cameras are the robot's; its shape is not. Joints make
chains, each ending with its gripper, that stand side by side and turn about the vertical, the
sideways and the forward axis in turn; nothing touches anything. That is enough for the whole loop
to run and for every conversion to be exercised; what the robot does to the world it cannot show.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import mujoco
import numpy as np

from dreamzero_policy.embodiments.embodiment import BASE_AXES, Embodiment, Joint, WireScale
from sim_driver.models.chain import LEAD_S, Axis, Tube, add_chain, add_servo
from sim_driver.models.description import SimBase, SimJoint, SimRobot, Table, views_of
from sim_driver.models.shapes import SEEN_ONLY, Vector, box, facing, finish

_APART, _LENGTH = 0.45, 0.7  # m: between two chains, and of each
_FOOT = 0.05  # m, above the table
_TURNS = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
_SHIFTS = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
_SPARE = 1.25  # a motor is faster than its limit by this
_TRAVEL = 0.04  # m, of a finger
_JAW_STIFFNESS = 4000.0
_WHEEL_TIMEOUT_S, _FREE = 0.2, 1e3
_TABLE = Table(x=(-0.4, 0.9), y=(-0.8, 0.8), height=0.72, blocks_x=(0.3, 0.6), blocks_y=(-0.3, 0.3))
_EYE_DISTANCE, _EYE_HEIGHT, _LOOKED_AT = 1.5, 0.9, (0.2, 0.0, 0.35)

_Chain = tuple[tuple[Axis, ...], Joint | None]


def sketch(robot: Embodiment) -> SimRobot:
    """A simulated robot with the joints and cameras of ``robot`` and a shape of no robot.

    Raises:
        ValueError: a base joint that no driver could be told of, or a range or home that makes no
            sense; the message names the joint.
    """
    wheels = _wheels(robot)
    chains = tuple(_chains(robot))
    joints = [joint for axes, jaw in chains for joint in _reported(robot, axes, jaw)]

    def add_to(spec: mujoco.MjSpec) -> None:
        finish(spec, "sketch", (0.55, 0.60, 0.68), shine=0.2)
        finish(spec, "sketch_jaw", (0.20, 0.21, 0.23), shine=0.2)
        body = add_chain(spec, spec.worldbody, (0, 0, 0), wheels)
        for index, (axes, jaw) in enumerate(chains):
            foot = (0.0, _aside(index, len(chains)), _FOOT)
            last = add_chain(spec, body, (0, 0, 0), axes)
            if jaw is not None:
                _add_jaw(spec, last, axes[-1].at if axes else (0, 0, 0), jaw, _tip(foot, axes))
        for index, view in enumerate(robot.views):
            _add_camera(spec, view.name, index, len(robot.views))

    return SimRobot(
        name=robot.name,
        joints=tuple(joints),
        views=views_of(robot),
        table=_TABLE,
        add_to=add_to,
        base=_base(robot),
        note="no scene of its own: a sketch with its joints and cameras, not its shape",
    )


def _chains(robot: Embodiment) -> Iterator[_Chain]:
    """Joints in their order, cut behind every gripper."""
    runs: list[list[Joint]] = [[]]
    for joint in robot.joints:
        if joint.kind != "base":
            runs[-1].append(joint)
        if joint.kind == "gripper":
            runs.append([])
    runs = [run for run in runs if run]
    for index, run in enumerate(runs):
        jaw = run.pop() if run[-1].kind == "gripper" else None
        foot = (0.0, _aside(index, len(runs)), _FOOT)
        yield tuple(_axes(foot, run)), jaw


def _aside(index: int, count: int) -> float:
    """Where a chain stands, from the left to the right [m]."""
    return _APART * ((count - 1) / 2 - index)


def _axes(foot: Vector, run: Sequence[Joint]) -> Iterator[Axis]:
    """The motors of a chain that stands up from ``foot`` at the zero pose."""
    length = _LENGTH / max(len(run), 1)
    for index, joint in enumerate(run):
        low = np.add(foot, (0, 0, index * length))
        slides = joint.kind == "prismatic"
        motion = _SHIFTS if slides else _TURNS
        share = 1.0 - index / len(run)  # what is further out carries less
        yield Axis(
            name=joint.name,
            at=tuple(low),
            along=motion[index % len(motion)],
            lower=joint.lower,
            upper=joint.upper,
            velocity=_SPARE * joint.velocity,
            effort=4000.0 if slides else 100.0 + 900.0 * share,
            stiffness=60000.0 if slides else 1000.0 + 5000.0 * share,
            rotor=5.0 if slides else 0.3,
            mass=0.2 + share,
            parts=(Tube(tuple(low), tuple(np.add(low, (0, 0, length))), 0.04, "sketch"),),
            slides=slides,
        )


def _tip(foot: Vector, axes: Sequence[Axis]) -> Vector:
    """Where a chain ends at the zero pose [m]."""
    return (foot[0], foot[1], foot[2] + (_LENGTH if axes else 0.0))


def _reported(robot: Embodiment, axes: Sequence[Axis], jaw: Joint | None) -> Iterator[SimJoint]:
    """What the driver needs to know of a chain."""
    for axis in axes:
        yield axis.joint(robot)
    if jaw is not None:
        low, high = jaw.lower, jaw.upper
        per_unit = _TRAVEL / (high - low)
        yield SimJoint.of(
            robot,
            jaw.name,
            lower=0.0,
            upper=_TRAVEL,
            velocity=_SPARE * jaw.velocity * per_unit,
            lead_s=LEAD_S,
            scale=WireScale(-low * per_unit, (1.0 - low) * per_unit),
        )


def _add_jaw(
    spec: mujoco.MjSpec, hand: mujoco.MjsBody, origin: Vector, jaw: Joint, tip: Vector
) -> None:
    """Adds one finger that slides aside; ``hand``'s frame is at ``origin``."""
    finger = hand.add_body(name=f"{jaw.name}_finger", pos=np.subtract(tip, origin), gravcomp=1)
    finger.add_joint(
        name=jaw.name,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=[0, 1, 0],
        range=[0, _TRAVEL],
        limited=True,
        armature=0.2,
        damping=[5.0, 0, 0],
    )
    box(finger, "sketch_jaw", (0, 0.01, 0.04), (0.01, 0.01, 0.04), mass=0.1, **SEEN_ONLY)
    add_servo(
        spec,
        jaw.name,
        mujoco.mjtTrn.mjTRN_JOINT,
        jaw.name,
        stiffness=_JAW_STIFFNESS,
        effort=80.0,
        lead_s=LEAD_S,
    )


def _add_camera(spec: mujoco.MjSpec, name: str, index: int, count: int) -> None:
    """Cameras stand around the robot in front, so that no two show the same."""
    angle = math.pi * ((index + 0.5) / count - 0.5)
    eye = (
        _LOOKED_AT[0] + _EYE_DISTANCE * math.cos(angle),
        _EYE_DISTANCE * math.sin(angle),
        _EYE_HEIGHT,
    )
    quat = facing(eye, _LOOKED_AT, (0, 0, 1))
    spec.worldbody.add_camera(name=name, pos=eye, quat=quat, fovy=55)


def _base(robot: Embodiment) -> SimBase | None:
    """The wheels that a robot's base velocities drive."""
    driven = {joint.name: joint for joint in robot.joints if joint.kind == "base"}
    if not driven:
        return None
    if set(driven) != set(BASE_AXES):
        raise ValueError(
            f"{robot.name}: expected base joints {', '.join(BASE_AXES)}, got {', '.join(driven)}"
        )
    forward, yaw = (max(-driven[name].lower, driven[name].upper) for name in BASE_AXES)
    return SimBase(
        place=("base_x", "base_y", "base_turn"),
        forward=forward,
        yaw=yaw,
        timeout_s=_WHEEL_TIMEOUT_S,
        lead_s=LEAD_S,
    )


def _wheels(robot: Embodiment) -> tuple[Axis, ...]:
    """What shifts and turns the whole robot."""
    base = _base(robot)
    if base is None:
        return ()
    return tuple(
        Axis(
            name=name,
            at=(0, 0, 0),
            along=along,
            slides=slides,
            lower=-_FREE,
            upper=_FREE,
            velocity=1.0,
            effort=400.0,
            stiffness=stiffness,
            rotor=0.0,
            mass=9.0,
        )
        for name, along, slides, stiffness in zip(
            base.place,
            ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
            (True, True, False),
            (100000.0, 100000.0, 12000.0),
        )
    )
