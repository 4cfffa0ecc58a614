"""The Franka arm (FER) of the DROID set-up: kinematics, limits, servos, gripper, cameras.

Frames are the maker's modified Denavit-Hartenberg frames, so a joint vector means what it means on
the arm. Position limits, speeds and torques are those of ``franka_description`` (design: robots.md
2.1). Shapes are primitives of about the arm's size. The hand sits square on link 7, as DROID's
gripper does: at the reset pose its fingers close along the base's y axis.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import mujoco

from dreamzero_policy.embodiments.droid import DROID
from dreamzero_policy.embodiments.embodiment import WireScale
from sim_driver.models.chain import LEAD_S, add_servo, couple
from sim_driver.models.description import SimArm, SimJoint, SimRobot, Table, views_of
from sim_driver.models.shapes import MOVING, SEEN_ONLY, box, capsule, cylinder, facing, finish


class _Link(NamedTuple):
    """A joint and the link it turns; angles in rad, lengths in m."""

    a: float  # from the previous joint axis along its x
    d: float  # along this joint's axis
    alpha: float  # twist from the previous axis to this one
    lower: float
    upper: float
    velocity: float  # rad/s
    torque: float  # Nm
    mass: float  # kg


_Q = math.pi / 2
_LINKS = (
    _Link(0.0, 0.333, 0.0, -2.8973, 2.8973, 2.175, 87.0, 3.5),
    _Link(0.0, 0.0, -_Q, -1.7628, 1.7628, 2.175, 87.0, 3.3),
    _Link(0.0, 0.316, _Q, -2.8973, 2.8973, 2.175, 87.0, 2.6),
    _Link(0.0825, 0.0, _Q, -3.0718, -0.0698, 2.175, 87.0, 2.6),
    _Link(-0.0825, 0.384, -_Q, -2.8973, 2.8973, 2.61, 12.0, 2.6),
    _Link(0.0, 0.0, _Q, -0.0175, 3.7525, 2.61, 12.0, 1.5),
    _Link(0.088, 0.0, _Q, -2.8973, 2.8973, 2.61, 12.0, 0.7),
)
_FLANGE_M = 0.107  # from frame 7 along its axis
_FINGER_M = 0.0584  # from the flange to where the fingers begin
TCP_M = 0.1034
"""From the flange to the point between the finger pads, along the hand's axis [m]."""

_STIFFNESS = (8000.0, 8000.0, 6000.0, 6000.0, 2000.0, 2000.0, 1200.0)  # Nm/rad
_ROTOR = (0.6, 0.6, 0.5, 0.5, 0.1, 0.1, 0.1)  # kg m^2, as seen at the joint

_FINGER_OPEN_M, _FINGER_SPEED = 0.04, 0.1  # per finger; the hand's default speed (m/s)
_FINGER_STIFFNESS, _FINGER_FORCE, _FINGER_LEAD_S = 4000.0, 80.0, 0.03  # N/m, N, s


def _add_arm(spec: mujoco.MjSpec) -> mujoco.MjsBody:
    """Adds base and seven links; returns link 7."""
    body = spec.worldbody.add_body(name="link0")
    _dress_base(body)
    dress = (_dress1, _dress2, _dress3, _dress4, _dress5, _dress6, _dress7)
    for number, link in enumerate(_LINKS, start=1):
        body = body.add_body(
            name=f"link{number}",
            pos=[link.a, -link.d * math.sin(link.alpha), link.d * math.cos(link.alpha)],
            quat=[math.cos(link.alpha / 2), math.sin(link.alpha / 2), 0, 0],
            gravcomp=1,  # the arm carries itself, as Franka's own controller does
        )
        name = f"panda_joint{number}"
        body.add_joint(
            name=name,
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=[0, 0, 1],
            range=[link.lower, link.upper],
            limited=True,
            armature=_ROTOR[number - 1],
            damping=[1.0, 0, 0],
        )
        dress[number - 1](body, link.mass)
        add_servo(
            spec,
            name,
            mujoco.mjtTrn.mjTRN_JOINT,
            name,
            stiffness=_STIFFNESS[number - 1],
            effort=link.torque,
            lead_s=LEAD_S,
        )
    return body


def _dress_base(body: mujoco.MjsBody) -> None:
    box(body, "arm_dark", (-0.055, 0, 0.012), (0.105, 0.095, 0.012), **SEEN_ONLY)
    box(body, "arm", (-0.075, 0, 0.075), (0.06, 0.055, 0.055), **SEEN_ONLY)
    cylinder(body, "arm", (0, 0, 0.02), (0, 0, 0.14), 0.075, **SEEN_ONLY)


def _dress1(body: mujoco.MjsBody, mass: float) -> None:
    cylinder(body, "arm_dark", (0, 0, -0.193), (0, 0, -0.178), 0.066, **SEEN_ONLY)
    capsule(body, "arm", (0, 0, -0.14), (0, 0, -0.02), 0.06, mass=mass, **SEEN_ONLY)
    cylinder(body, "arm", (0, -0.06, 0), (0, 0.06, 0), 0.064, **SEEN_ONLY)


def _dress2(body: mujoco.MjsBody, mass: float) -> None:
    cylinder(body, "arm_dark", (0, 0, -0.072), (0, 0, 0.072), 0.058, **SEEN_ONLY)
    capsule(body, "arm", (0, -0.03, 0), (0, -0.15, 0), 0.06, mass=mass, **MOVING)


def _dress3(body: mujoco.MjsBody, mass: float) -> None:
    cylinder(body, "arm_dark", (0, 0, -0.118), (0, 0, -0.106), 0.062, **SEEN_ONLY)
    capsule(body, "arm", (0, 0, -0.075), (0.02, 0, -0.02), 0.057, mass=mass, **MOVING)
    cylinder(body, "arm", (0.0825, -0.055, 0), (0.0825, 0.055, 0), 0.058, **MOVING)
    capsule(body, "arm", (0.02, 0, -0.02), (0.07, 0, 0), 0.05, **SEEN_ONLY)


def _dress4(body: mujoco.MjsBody, mass: float) -> None:
    cylinder(body, "arm_dark", (0, 0, -0.066), (0, 0, 0.066), 0.052, **SEEN_ONLY)
    capsule(body, "arm", (-0.01, 0.01, 0), (-0.0825, 0.075, 0), 0.054, **MOVING)
    capsule(body, "arm", (-0.0825, 0.07, 0), (-0.0825, 0.12, 0), 0.055, mass=mass, **MOVING)


def _dress5(body: mujoco.MjsBody, mass: float) -> None:
    cylinder(body, "arm_dark", (0, 0, -0.262), (0, 0, -0.25), 0.06, **SEEN_ONLY)
    capsule(body, "arm", (0, 0, -0.215), (0, 0.045, -0.11), 0.052, **MOVING)
    capsule(body, "arm", (0, 0.045, -0.11), (0, 0, -0.02), 0.048, mass=mass, **MOVING)
    cylinder(body, "arm", (0, -0.05, 0), (0, 0.05, 0), 0.05, **MOVING)


def _dress6(body: mujoco.MjsBody, mass: float) -> None:
    cylinder(body, "arm_dark", (0, 0, -0.06), (0, 0, 0.06), 0.044, **SEEN_ONLY)
    capsule(body, "arm", (0.01, 0, 0), (0.08, 0, 0), 0.047, mass=mass, **MOVING)
    cylinder(body, "arm", (0.088, -0.05, 0), (0.088, 0.045, 0), 0.05, **MOVING)


def _dress7(body: mujoco.MjsBody, mass: float) -> None:
    cylinder(body, "arm_dark", (0, 0, 0.05), (0, 0, 0.066), 0.046, **SEEN_ONLY)
    cylinder(body, "arm", (0, 0, 0.066), (0, 0, 0.107), 0.042, mass=mass, **MOVING)


def _add_hand(spec: mujoco.MjSpec, link7: mujoco.MjsBody) -> mujoco.MjsBody:
    """Adds hand, two coupled fingers and their servo; returns the hand."""
    hand = link7.add_body(name="hand", pos=[0, 0, _FLANGE_M], gravcomp=1)
    box(hand, "arm_dark", (0, 0, 0.032), (0.03, 0.098, 0.03), mass=0.6, **MOVING)
    box(hand, "arm", (0, 0, 0.036), (0.033, 0.08, 0.02), **SEEN_ONLY)
    hand.add_site(name="tcp", pos=[0, 0, TCP_M], size=[0.004] * 3, group=4)
    for number, side in ((1, 1.0), (2, -1.0)):
        finger = hand.add_body(name=f"finger{number}", pos=[0, 0, _FINGER_M], gravcomp=1)
        finger.add_joint(
            name=f"panda_finger_joint{number}",
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=[0, side, 0],
            range=[0, _FINGER_OPEN_M],
            limited=True,
            armature=0.2,
            damping=[5.0, 0, 0],
        )
        grip = {"friction": [1.5, 0.02, 0.0005], "condim": 4, "priority": 1}
        box(finger, "finger", (0, side * 0.014, 0.016), (0.01, 0.008, 0.02), mass=0.05, **MOVING)
        box(finger, "finger", (0, side * 0.011, 0.035), (0.01, 0.005, 0.016), **SEEN_ONLY)
        box(
            finger,
            "pad",
            (0, side * 0.005, 0.0435),
            (0.0105, 0.005, 0.0105),
            mass=0.02,
            **(MOVING | grip),
        )
    couple(
        spec,
        "panda_finger_joint1",
        "panda_finger_joint2",
        stiffness=_FINGER_STIFFNESS,
        effort=_FINGER_FORCE,
        lead_s=_FINGER_LEAD_S,
    )
    return hand


def _add_cameras(spec: mujoco.MjSpec, hand: mujoco.MjsBody) -> None:
    """Adds two cameras that look at where the hand works, and one on the hand along its fingers."""
    for view, side in (("exterior_1", 1.0), ("exterior_2", -1.0)):
        eye, target = (1.0, side * 0.76, 0.70), (0.48, 0.0, 0.12)
        spec.worldbody.add_camera(name=view, pos=eye, quat=facing(eye, target, (0, 0, 1)), fovy=36)
    eye, target = (0.08, 0, 0.03), (0.025, 0, 0.2)
    box(hand, "arm_dark", (0.055, 0, 0.005), (0.025, 0.06, 0.012), **SEEN_ONLY)
    hand.add_camera(name="wrist", pos=eye, quat=facing(eye, target, (1, 0, 0)), fovy=76)


def _add_to(spec: mujoco.MjSpec) -> None:
    """Adds the whole robot, its base on the table's top at the origin."""
    finish(spec, "arm", (0.93, 0.93, 0.92), shine=0.35)
    finish(spec, "arm_dark", (0.20, 0.21, 0.23), shine=0.3)
    finish(spec, "finger", (0.45, 0.46, 0.48), shine=0.3)
    finish(spec, "pad", (0.12, 0.12, 0.13), shine=0.05)
    _add_cameras(spec, _add_hand(spec, _add_arm(spec)))


FRANKA = SimRobot(
    name=DROID.name,
    joints=(
        *(
            SimJoint.of(
                DROID,
                f"panda_joint{number}",
                lower=link.lower,
                upper=link.upper,
                velocity=link.velocity,
                lead_s=LEAD_S,
            )
            for number, link in enumerate(_LINKS, start=1)
        ),
        SimJoint.of(
            DROID,
            "panda_finger_joint1",
            lower=0.0,
            upper=_FINGER_OPEN_M,
            velocity=_FINGER_SPEED,
            lead_s=_FINGER_LEAD_S,
            scale=WireScale(zero=_FINGER_OPEN_M, one=0.0),
        ),
    ),
    views=views_of(DROID),
    table=Table(
        x=(-0.24, 0.88),
        y=(-0.62, 0.62),
        height=0.72,
        blocks_x=(0.38, 0.64),
        blocks_y=(-0.24, 0.24),
    ),
    add_to=_add_to,
    arms=(
        SimArm(
            name="",
            joints=tuple(f"panda_joint{number}" for number in range(1, len(_LINKS) + 1)),
            gripper="panda_finger_joint1",
            tcp="tcp",
            approach=(0.0, 0.0, 1.0),
            across=(0.0, 1.0, 0.0),
            tip=0.009,
            ready=DROID.home[: len(_LINKS)],
            x=(0.36, 0.66),
            y=(-0.24, 0.24),
        ),
    ),
)
