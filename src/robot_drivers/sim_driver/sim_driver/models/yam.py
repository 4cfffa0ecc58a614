"""Two YAM arms of I2RT with linear grippers on a table: kinematics, motors, cameras.

Axes, ranges and masses are those of the maker's ``yam.xml`` and ``linear_4310.xml``, the arms'
distance and the cameras' places those of its station (``yam_station_linear_4310_d405``), but for
the camera above, which hangs nearer; shapes are primitives of about the arms' size. An arm's base
is at the origin of its frame. The maker gives no speeds; the motors here go as fast as the
community driver's ``joint_limits.yaml`` has it.

The maker's package sends its last command again for ever and clips silently what is out of range.
A driver of ours does neither: it holds the pose when commands stop, and refuses by name.
"""

from __future__ import annotations

import mujoco
import numpy as np

from dreamzero_policy.embodiments.yam import YAM as LAYOUT
from sim_driver.models.chain import Axis, Brick, Jaws, Tube, add_chain, add_jaws, add_parts
from sim_driver.models.description import SimArm, SimRobot, Table, views_of
from sim_driver.models.shapes import SEEN_ONLY, facing, finish

_SIDES = {"left": 0.305, "right": -0.305}  # y of an arm's base [m]
_SPEED = 5.0  # rad/s
_STRONG, _WEAK = 28.0, 10.0  # Nm: DM4340 and DM4310
_TRAVEL = 0.048  # of a finger: half the gripper's 0.096 m
_ORIGIN = (0.0, 0.0, 0.0)
TCP = (0.2552, 0.0, 0.1735)
"""The point between the finger tips at the zero pose, in the frame of the arm's base [m]."""

# number: at, along, effort, stiffness, rotor, mass, parts. Folded at zero: the upper arm points
# back, the forearm lies on it and points forward.
_MOTORS = (
    (
        (0.0, 0.0, 0.068), (0.0, 0.0, 1.0), _STRONG, 2500.0, 0.3, 0.1,
        (
            Tube((0, 0, 0.058), (0, 0, 0.088), 0.044, "arm_dark", flat=True),
            Brick((0.015, 0, 0.108), (0.036, 0.034, 0.03), "arm"),
        ),
    ),
    (
        (0.02, 0.0, 0.1135), (0.0, 1.0, 0.0), _STRONG, 2500.0, 0.3, 1.47,
        (
            Tube((0.02, -0.05, 0.1135), (0.02, 0.05, 0.1135), 0.036, "arm_dark", flat=True),
            Tube((-0.01, 0, 0.1135), (-0.225, 0, 0.1135), 0.026, "arm"),
        ),
    ),
    (
        (-0.244, 0.0, 0.1135), (0.0, -1.0, 0.0), _STRONG, 2000.0, 0.25, 0.98,
        (
            Tube((-0.244, -0.05, 0.1135), (-0.244, 0.05, 0.1135), 0.034, "arm_dark", flat=True),
            Tube((-0.244, 0, 0.12), (-0.21, 0, 0.1735), 0.026, "arm"),
            Tube((-0.21, 0, 0.1735), (-0.025, 0, 0.1735), 0.025, "arm"),
        ),
    ),
    (
        (0.001, 0.0, 0.1735), (0.0, -1.0, 0.0), _WEAK, 800.0, 0.08, 0.46,
        (
            Tube((0.001, -0.042, 0.1735), (0.001, 0.042, 0.1735), 0.031, "arm_dark", flat=True),
            Tube((0.015, 0, 0.1735), (0.055, 0, 0.1735), 0.024, "arm"),
        ),
    ),
    (
        (0.075, 0.0, 0.1735), (0.0, 0.0, -1.0), _WEAK, 800.0, 0.08, 0.40,
        (
            Tube((0.075, 0, 0.138), (0.075, 0, 0.209), 0.029, "arm_dark", flat=True),
            Tube((0.09, 0, 0.1735), (0.1106, 0, 0.1735), 0.026, "arm", flat=True),
        ),
    ),
    (
        (0.1106, 0.0, 0.1735), (1.0, 0.0, 0.0), _WEAK, 500.0, 0.05, 0.55,
        (
            Tube((0.1106, 0, 0.1735), (0.128, 0, 0.1735), 0.031, "arm_dark", flat=True),
            Brick((0.148, 0, 0.1735), (0.021, 0.062, 0.024), "arm"),
            Brick((0.150, 0, 0.213), (0.008, 0.014, 0.018), "arm_dark"),
            Brick((0.168, 0, 0.243), (0.011, 0.021, 0.021), "camera"),
        ),
    ),
)  # fmt: skip


def _axes(side: str) -> tuple[Axis, ...]:
    """The motors of one arm; ranges are the embodiment's, which are those of the model files."""
    joints = [LAYOUT.joint(f"{side}_joint{number}") for number in range(1, 7)]
    return tuple(
        Axis(
            name=joint.name,
            at=at,
            along=along,
            lower=joint.lower,
            upper=joint.upper,
            velocity=_SPEED,
            effort=effort,
            stiffness=stiffness,
            rotor=rotor,
            mass=mass,
            parts=parts,
        )
        for joint, (at, along, effort, stiffness, rotor, mass, parts) in zip(
            joints, _MOTORS, strict=True
        )
    )


def _jaws(side: str) -> Jaws:
    """The gripper of one arm."""
    return Jaws(
        name=f"{side}_gripper",
        root=(0.165, 0.0, 0.1735),
        along=(1.0, 0.0, 0.0),
        across=(0.0, 1.0, 0.0),
        length=0.105,
        travel=_TRAVEL,
        velocity=0.15,
        force=80.0,
        material="finger",
        pad="pad",
    )


def _add_arm(spec: mujoco.MjSpec, side: str) -> None:
    """Adds one arm with gripper and wrist camera."""
    base = spec.worldbody.add_body(name=f"{side}_base", pos=[0.0, _SIDES[side], 0.0])
    stand = (
        Brick((0, 0, 0.006), (0.075, 0.06, 0.006), "arm_dark"),
        Tube((0, 0, 0.012), (0, 0, 0.058), 0.048, "arm", flat=True),
    )
    add_parts(base, _ORIGIN, stand, 0.9, SEEN_ONLY)
    axes = _axes(side)
    hand, at = add_chain(spec, base, _ORIGIN, axes), axes[-1].at
    add_jaws(spec, hand, at, _jaws(side))
    hand.add_site(name=f"{side}_tcp", pos=np.subtract(TCP, at), size=[0.004] * 3, group=4)
    eye, target = (0.1876, 0.0, 0.2439), (0.3386, 0.0, 0.1735)  # 25 degrees downwards
    hand.add_camera(
        name=side,
        pos=np.subtract(eye, at),
        quat=facing(eye, target, (0, 0, 1)),
        fovy=58,  # the D405's
    )


def _add_to(spec: mujoco.MjSpec) -> None:
    """Adds both arms and the camera above them."""
    finish(spec, "arm", (0.30, 0.31, 0.34), shine=0.35)
    finish(spec, "arm_dark", (0.13, 0.13, 0.15), shine=0.3)
    finish(spec, "camera", (0.70, 0.71, 0.73), shine=0.4)
    finish(spec, "finger", (0.52, 0.53, 0.55), shine=0.3)
    finish(spec, "pad", (0.16, 0.16, 0.17), shine=0.05)
    for side in _SIDES:
        _add_arm(spec, side)
    # Along the station camera's line of sight, 60 degrees downwards, but 0.61 m from the table, not
    # 1.10 m: from there a block is four pixels wide on the canvas of a small model.
    eye, target = (0.08, 0.0, 0.5274), (0.3845, 0.0, 0.0)
    quat = facing(eye, target, (0, 0, 1))
    spec.worldbody.add_camera(name="top", pos=eye, quat=quat, fovy=58)


YAM = SimRobot(
    name=LAYOUT.name,
    joints=tuple(
        joint
        for side in _SIDES
        for joint in (
            *(axis.joint(LAYOUT) for axis in _axes(side)),
            _jaws(side).joint(LAYOUT, one_is_open=True),
        )
    ),
    views=views_of(LAYOUT),
    table=Table(
        x=(-0.28, 0.78), y=(-0.70, 0.70), height=0.75, blocks_x=(0.28, 0.50), blocks_y=(-0.3, 0.3)
    ),
    add_to=_add_to,
    arms=tuple(
        SimArm(
            name=side,
            joints=tuple(axis.name for axis in _axes(side)),
            gripper=_jaws(side).name,
            tcp=f"{side}_tcp",
            approach=(1.0, 0.0, 0.0),
            across=(0.0, 1.0, 0.0),
            tip=0.0148,
            ready=(0.0, 1.7, 1.45, -1.06, 0.0, 0.0),
            x=(0.24, 0.48),
            y=tuple(sorted((0.0, 0.27 * np.sign(y)))),
        )
        for side, y in _SIDES.items()
    ),
)
