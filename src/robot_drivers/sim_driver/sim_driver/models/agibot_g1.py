"""AgiBot G1: two arms and a head on a lifting, leaning waist over a wheeled base.

Axes, ranges, speeds, efforts and masses are those of the maker's simulator
(``G01_omnipicker.urdf``), where the head's pitch and the lift reach further than the robot's manual
lets them; shapes are primitives of about the robot's size. The OmniPicker's linkage is replaced by
two fingers that slide, of a travel of ours. The robot stands on the floor with its base's frame at
the scene's origin; x points ahead, to the table.

The wheels obey a velocity for a short while only: the maker's interface wants it again ten to
thirty times a second. How its arms behave when commands stop, no source says.
"""

from __future__ import annotations

import mujoco
import numpy as np

from dreamzero_policy.embodiments.agibot_g1 import AGIBOT_G1 as LAYOUT
from sim_driver.models.chain import LEAD_S, Axis, Brick, Jaws, Tube, add_chain, add_jaws, add_parts
from sim_driver.models.description import SimArm, SimBase, SimJoint, SimRobot, Table, views_of
from sim_driver.models.shapes import SEEN_ONLY, Vector, facing, finish

_FLOOR = -0.75  # m, below the table's top
_SHOULDER_Y = {"left": 0.2109, "right": -0.2130}
_TRAVEL = 0.05  # m, of a finger

_WHEEL_TIMEOUT_S = 0.2  # two of the slowest commands that the interface takes
_FREE = 1e3  # m or rad: wheels have no end
_WHEELS = tuple(
    Axis(
        name=name, at=(0, 0, 0), along=along, slides=slides,
        lower=-_FREE, upper=_FREE, velocity=1.0, effort=effort, stiffness=stiffness, rotor=0.0,
        mass=9.0, parts=parts,
    )
    for name, along, slides, effort, stiffness, parts in (
        ("base_x", (1, 0, 0), True, 400.0, 100000.0, ()),
        ("base_y", (0, 1, 0), True, 400.0, 100000.0, ()),
        ("base_turn", (0, 0, 1), False, 150.0, 12000.0, (
            Brick((0, 0, 0.17), (0.28, 0.215, 0.11), "body"),
            Brick((0, 0, 0.045), (0.25, 0.19, 0.02), "dark"),
            Brick((-0.12, 0, 0.68), (0.06, 0.11, 0.42), "body"),
        )),
    )
)  # fmt: skip
_LIFT = Axis(
    name="waist_lift_joint", at=(0, 0, 0.6485), along=(0, 0, 1), slides=True,
    lower=0.0, upper=0.55, velocity=0.1, effort=300.0, stiffness=60000.0, rotor=5.0, mass=3.3,
    parts=(
        Brick((-0.02, 0, 0.6485), (0.07, 0.075, 0.075), "dark"),
        Tube((0.05, 0, 0.6485), (0.131, 0, 0.6485), 0.06, "dark"),
    ),
)  # fmt: skip
_PITCH = Axis(
    name="waist_pitch_joint", at=(0.131, 0, 0.6485), along=(0, 1, 0),
    lower=0.0, upper=1.5708, velocity=0.5, effort=100.0, stiffness=20000.0, rotor=1.0, mass=7.5,
    parts=(
        Tube((0.131, -0.10, 0.6485), (0.131, 0.10, 0.6485), 0.085, "dark", flat=True),
        Brick((0.131, 0, 0.80), (0.075, 0.085, 0.10), "body"),
        Brick((0.131, 0, 0.955), (0.09, 0.145, 0.085), "body"),
        Brick((0.225, 0, 0.95), (0.008, 0.09, 0.045), "dark"),
        Tube((0.131, 0.145, 0.9535), (0.131, 0.175, 0.9535), 0.052, "dark", flat=True),
        Tube((0.131, -0.145, 0.9535), (0.131, -0.175, 0.9535), 0.052, "dark", flat=True),
    ),
)  # fmt: skip
_HEAD = (
    Axis(
        name="head_yaw_joint", at=(0.131, 0, 1.0895), along=(0, 0, 1),
        lower=-1.5708, upper=1.5708, velocity=1.0, effort=50.0, stiffness=400.0, rotor=0.05,
        mass=0.41,
        parts=(Tube((0.131, 0, 1.03), (0.150, 0, 1.13), 0.042, "dark"),),
    ),
    Axis(
        name="head_pitch_joint", at=(0.181238, 0, 1.149565), along=(0, 1, 0),
        lower=-0.3491, upper=0.5236, velocity=1.0, effort=50.0, stiffness=400.0, rotor=0.05,
        mass=0.71,
        parts=(
            Tube((0.175, -0.045, 1.185), (0.175, 0.045, 1.185), 0.075, "body"),
            Brick((0.243, 0, 1.185), (0.012, 0.075, 0.035), "dark"),
        ),
    ),
)  # fmt: skip

# From the shoulder outwards, for the left arm: distance from the shoulder, along, lower, upper,
# effort, stiffness, rotor, mass, and the link's parts as (from, to, radius, material, flat).
_ARM = (
    (0.0, (0, 1, 0), -3.14, 3.14, 60.0, 2500.0, 0.3, 0.49,
     ((-0.036, 0.02, 0.053, "body", True),)),
    (0.0, (-1, 0, 0), -2.09, 1.48, 60.0, 2500.0, 0.3, 0.46,
     ((0.02, 0.12, 0.058, "body", False),)),
    (0.305, (0, 1, 0), -3.10, 3.10, 60.0, 2000.0, 0.25, 0.50,
     ((-0.185, -0.165, 0.066, "dark", True), (-0.13, 0.0, 0.051, "body", False))),
    (0.305, (0, 0, 1), -1.48, 1.48, 60.0, 2000.0, 0.25, 0.27,
     ((0.0, 0.06, 0.053, "body", False),)),
    (0.5025, (0, 1, 0), -3.10, 3.10, 30.0, 800.0, 0.08, 0.25,
     ((-0.135, -0.115, 0.057, "dark", True), (-0.095, 0.0, 0.044, "body", False))),
    (0.5025, (0, 0, -1), -1.74, 1.74, 30.0, 800.0, 0.08, 0.27,
     ((0.0, 0.125, 0.044, "body", False),)),
    (0.683, (0, 1, 0), -3.10, 3.10, 30.0, 500.0, 0.05, 0.30,
     ((-0.02, 0.012, 0.036, "dark", True),)),
)  # fmt: skip


def _point(side: str, out: float, x: float = 0.0, z: float = 0.0) -> Vector:
    """A point of an arm at the zero pose, ``out`` from the shoulder's centre [m]."""
    shoulder = _SHOULDER_Y[side]
    return (0.131 + x, shoulder + np.sign(shoulder) * out, 0.9535 + z)


def _outwards(side: str, along: Vector) -> Vector:
    """A direction of the left arm's, for ``side``: the right arm is its mirror image."""
    return (along[0], along[1] * np.sign(_SHOULDER_Y[side]), along[2])


def _arm(side: str) -> tuple[Axis, ...]:
    """The motors of one arm; a joint of the right arm has the mirrored range."""
    axes = []
    for number, row in enumerate(_ARM, start=1):
        out, along, lower, upper, effort, stiffness, rotor, mass, tubes = row
        parts: tuple[Tube | Brick, ...] = tuple(
            Tube(_point(side, out + start), _point(side, out + end), radius, material, flat)
            for start, end, radius, material, flat in tubes
        )
        if number == len(_ARM):
            parts = (*parts, *_palm(side))
        axes.append(
            Axis(
                name=f"{side}_arm_joint{number}",
                at=_point(side, out),
                along=_outwards(side, along),
                lower=lower if side == "left" else -upper,
                upper=upper if side == "left" else -lower,
                velocity=3.14,
                effort=effort,
                stiffness=stiffness,
                rotor=rotor,
                mass=mass,
                parts=parts,
            )
        )
    return tuple(axes)


def _palm(side: str) -> tuple[Brick, ...]:
    """The gripper's body and the camera on it."""
    return (
        Brick(_point(side, 0.720), (0.042, 0.026, 0.028), "dark"),
        Brick(_point(side, 0.716, z=0.04), (0.010, 0.010, 0.018), "dark"),
        Brick(_point(side, 0.718, z=0.072), (0.022, 0.012, 0.016), "camera"),
    )


def _jaws(side: str) -> Jaws:
    """The gripper of one arm."""
    return Jaws(
        name=f"{side}_gripper_joint1",
        root=_point(side, 0.683 + 0.058),
        along=_outwards(side, (0, 1, 0)),
        across=(1, 0, 0),
        length=0.105,
        travel=_TRAVEL,
        velocity=0.15,
        force=80.0,
        material="finger",
        pad="pad",
    )


_READY = (-0.07, -1.36, -0.16, -1.19, 0.28, 1.17, -1.65)  # left; the right arm is its mirror image


def tcp(side: str) -> Vector:
    """The point between the finger tips at the zero pose, in the base's frame [m]."""
    return _point(side, 0.683 + 0.14308)


def _add_arm(spec: mujoco.MjSpec, trunk: mujoco.MjsBody, side: str) -> None:
    """Adds one arm with gripper and wrist camera."""
    axes = _arm(side)
    hand, at = add_chain(spec, trunk, _PITCH.at, axes), axes[-1].at
    add_jaws(spec, hand, at, _jaws(side))
    hand.add_site(name=f"{side}_tcp", pos=np.subtract(tcp(side), at), size=[0.004] * 3, group=4)
    eye, target = _point(side, 0.732, z=0.072), _point(side, 0.87)
    quat = facing(eye, target, (0, 0, 1))
    hand.add_camera(name=f"hand_{side}", pos=np.subtract(eye, at), quat=quat, fovy=58)


def _add_to(spec: mujoco.MjSpec) -> None:
    """Adds the whole robot, standing on the floor."""
    finish(spec, "body", (0.90, 0.91, 0.92), shine=0.35)
    finish(spec, "dark", (0.17, 0.18, 0.20), shine=0.3)
    finish(spec, "camera", (0.06, 0.06, 0.07), shine=0.5)
    finish(spec, "finger", (0.93, 0.45, 0.12), shine=0.2)
    finish(spec, "pad", (0.12, 0.12, 0.13), shine=0.05)
    base = add_chain(spec, spec.worldbody, (0, 0, -_FLOOR), _WHEELS)
    wheels = tuple(
        Tube((x, y - 0.02, 0.06), (x, y + 0.02, 0.06), 0.06, "dark", flat=True)
        for x in (-0.18, 0.18)
        for y in (-0.19, 0.19)
    )
    add_parts(base, (0, 0, 0), wheels, 4.0, SEEN_ONLY)
    trunk = add_chain(spec, base, (0, 0, 0), (_LIFT, _PITCH))
    head, at = add_chain(spec, trunk, _PITCH.at, _HEAD), _HEAD[-1].at
    eye, target = (0.257, 0, 1.185), (1.257, 0, 1.185)
    quat = facing(eye, target, (0, 0, 1))
    head.add_camera(name="head", pos=np.subtract(eye, at), quat=quat, fovy=72)
    for side in _SHOULDER_Y:
        _add_arm(spec, trunk, side)


def _joints() -> tuple[SimJoint, ...]:
    """In the order in which the robot reports them."""
    arms = [axis.joint(LAYOUT) for side in _SHOULDER_Y for axis in _arm(side)]
    grippers = [_jaws(side).joint(LAYOUT, one_is_open=False) for side in _SHOULDER_Y]
    return (*arms, *grippers, *(axis.joint(LAYOUT) for axis in (*_HEAD, _PITCH, _LIFT)))


AGIBOT_G1 = SimRobot(
    name=LAYOUT.name,
    joints=_joints(),
    views=views_of(LAYOUT),
    table=Table(
        x=(0.42, 1.22), y=(-0.75, 0.75), height=-_FLOOR, blocks_x=(0.64, 0.9), blocks_y=(-0.3, 0.3)
    ),
    add_to=_add_to,
    arms=tuple(
        SimArm(
            name=side,
            joints=tuple(axis.name for axis in _arm(side)),
            gripper=_jaws(side).name,
            tcp=f"{side}_tcp",
            approach=_outwards(side, (0.0, 1.0, 0.0)),
            across=(1.0, 0.0, 0.0),
            tip=0.0199,
            ready=tuple(np.sign(y) * value for value in _READY),
            x=(0.66, 0.88),
            y=tuple(sorted((0.02 * np.sign(y), 0.29 * np.sign(y)))),
        )
        for side, y in _SHOULDER_Y.items()
    ),
    patience=2.0,
    base=SimBase(
        place=("base_x", "base_y", "base_turn"),
        forward=LAYOUT.joint("base_forward").upper,
        yaw=LAYOUT.joint("base_yaw").upper,
        timeout_s=_WHEEL_TIMEOUT_S,
        lead_s=LEAD_S,
    ),
)
