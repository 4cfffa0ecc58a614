"""Arms, trunks and grippers as chains of motors, for robots whose frames are ours.

At the zero pose every body's frame is parallel to the frame of the robot's base, and its origin
lies on its joint's axis. So a robot is a table of points in the base's frame at that pose: where
the axes run, and from where to where the tubes between them go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import mujoco
import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment, WireScale
from sim_driver.models.description import SimJoint
from sim_driver.models.shapes import MOVING, Vector, box, capsule, cylinder

LEAD_S = 0.05
"""Damping over stiffness of every motor's servo [s]: stiff and well damped over all poses. The
driver leads the set-point by it, so what remains is what effort and inertia ask for."""

_JAW_LEAD_S = 0.03


class Tube(NamedTuple):
    """A round part of a link between two points of the base's frame at the zero pose [m]."""

    start: Vector
    end: Vector
    radius: float
    material: str
    flat: bool = False  # with flat ends: a cylinder; otherwise a capsule


class Brick(NamedTuple):
    """A square part of a link: centre and half sizes in the base's frame at the zero pose [m]."""

    centre: Vector
    half: Vector
    material: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One motor and the link it moves; rad, m, kg, Nm or N.

    Attributes:
        name: of the joint, as in the embodiment; the servo has it too.
        at: a point on the axis at the zero pose.
        along: the direction of the axis there.
        lower, upper, velocity, effort: what the motor can do.
        stiffness: of its servo, per rad or m.
        rotor: the motor's inertia as seen at the joint.
        mass: of the link, shared by its parts.
        parts: what is seen and touched of the link.
        slides: whether it shifts its link instead of turning it.
    """

    name: str
    at: Vector
    along: Vector
    lower: float
    upper: float
    velocity: float
    effort: float
    stiffness: float
    rotor: float
    mass: float
    parts: tuple[Tube | Brick, ...] = ()
    slides: bool = False

    def joint(self, robot: Embodiment) -> SimJoint:
        """What the driver needs to know of it."""
        return SimJoint.of(
            robot,
            self.name,
            lower=self.lower,
            upper=self.upper,
            velocity=self.velocity,
            lead_s=LEAD_S,
        )


def add_chain(
    spec: mujoco.MjSpec, parent: mujoco.MjsBody, origin: Vector, axes: Iterable[Axis]
) -> mujoco.MjsBody:
    """Adds motors, one after the other; returns the last link.

    Args:
        spec: the model being built.
        parent: the body that carries the first.
        origin: where its frame is in the base's frame at the zero pose [m].
        axes: from the base outwards.
    """
    for axis in axes:
        parent = parent.add_body(
            name=f"{axis.name}_link",
            pos=np.subtract(axis.at, origin),
            gravcomp=1,  # motors carry their robot, as the makers' controllers have them do
        )
        slide, hinge = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
        parent.add_joint(
            name=axis.name,
            type=slide if axis.slides else hinge,
            axis=axis.along,
            range=[axis.lower, axis.upper],
            limited=True,
            armature=axis.rotor,
            damping=[1.0, 0, 0],
        )
        origin = axis.at
        if axis.parts:
            add_parts(parent, origin, axis.parts, axis.mass)
        else:
            parent.mass, parent.inertia, parent.explicitinertial = axis.mass, [0.1] * 3, True
        add_servo(
            spec,
            axis.name,
            mujoco.mjtTrn.mjTRN_JOINT,
            axis.name,
            stiffness=axis.stiffness,
            effort=axis.effort,
            lead_s=LEAD_S,
        )
    return parent


def add_parts(
    body: mujoco.MjsBody,
    origin: Vector,
    parts: Sequence[Tube | Brick],
    mass: float,
    touch: Mapping[str, Any] = MOVING,
) -> None:
    """Adds what is seen of a link.

    Args:
        body: the link.
        origin: where its frame is in the base's frame at the zero pose [m].
        parts: in the base's frame at the zero pose.
        mass: of all of them together [kg], each the same share.
        touch: how they collide.
    """
    for part in parts:
        share = {"mass": mass / len(parts)} | touch
        if isinstance(part, Brick):
            box(body, part.material, np.subtract(part.centre, origin), part.half, **share)
        else:
            ends = (np.subtract(part.start, origin), np.subtract(part.end, origin))
            (cylinder if part.flat else capsule)(body, part.material, *ends, part.radius, **share)


def add_servo(
    spec: mujoco.MjSpec,
    name: str,
    kind: mujoco.mjtTrn,
    target: str,
    *,
    stiffness: float,
    effort: float,
    lead_s: float,
) -> None:
    """Adds a position servo with damping.

    Args:
        spec: the model being built.
        name: of the servo.
        kind: of what it moves.
        target: what it moves.
        stiffness: per rad or m.
        effort: the most it pushes [Nm or N].
        lead_s: damping over stiffness [s].
    """
    servo = spec.add_actuator(name=name, trntype=kind, target=target)
    servo.set_to_position(kp=stiffness, kv=stiffness * lead_s)
    servo.forcerange = [-effort, effort]
    servo.forcelimited = True


def couple(spec: mujoco.MjSpec, first: str, second: str, **servo: float) -> None:
    """Couples two finger joints, so that they mirror one another, and adds their servo.

    Args:
        spec: the model being built.
        first: a joint; the servo has its name.
        second: the other joint.
        servo: as ``add_servo`` takes it.
    """
    both = spec.add_tendon(name=f"{first}_both")
    for joint in (first, second):
        both.wrap_joint(joint, 0.5)
    spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT,
        name1=first,
        name2=second,
        data=[0, 1] + [0] * 10,
        solref=[0.004, 1],
    )
    add_servo(spec, first, mujoco.mjtTrn.mjTRN_TENDON, f"{first}_both", **servo)


@dataclass(frozen=True, kw_only=True)
class Jaws:
    """Two fingers that slide apart; m, N.

    Attributes:
        name: of the joint, as in the embodiment.
        root: where the fingers begin, between them, in the base's frame at the zero pose.
        along: the axis direction in which they point there, a unit vector.
        across: the axis direction in which the first one opens there, a unit vector.
        length: of a finger.
        travel: of a finger, closed to open.
        velocity: per finger, per second.
        force: of both together.
        material, pad: what they are made of.
    """

    name: str
    root: Vector
    along: Vector
    across: Vector
    length: float
    travel: float
    velocity: float
    force: float
    material: str
    pad: str

    def joint(self, robot: Embodiment, *, one_is_open: bool) -> SimJoint:
        """What the driver needs to know of it.

        Args:
            robot: whose gripper it is.
            one_is_open: which way the model's 0 to 1 goes.
        """
        ends = (0.0, self.travel) if one_is_open else (self.travel, 0.0)
        return SimJoint.of(
            robot,
            self.name,
            lower=0.0,
            upper=self.travel,
            velocity=self.velocity,
            lead_s=_JAW_LEAD_S,
            scale=WireScale(*ends),
        )


def add_jaws(spec: mujoco.MjSpec, hand: mujoco.MjsBody, origin: Vector, jaws: Jaws) -> None:
    """Adds two coupled fingers and their servo to ``hand``, whose frame is at ``origin``."""
    along, across = np.asarray(jaws.along, float), np.asarray(jaws.across, float)
    third = np.cross(along, across)

    def half(forward: float, aside: float, up: float) -> np.ndarray:
        return np.abs(along * forward + across * aside + third * up)

    names = (jaws.name, f"{jaws.name}_mirror")
    grip = {"friction": [1.5, 0.02, 0.0005], "condim": 4, "priority": 1}
    for name, side in zip(names, (1.0, -1.0), strict=True):
        finger = hand.add_body(
            name=f"{name}_finger", pos=np.subtract(jaws.root, origin), gravcomp=1
        )
        finger.add_joint(
            name=name,
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=side * across,
            range=[0, jaws.travel],
            limited=True,
            armature=0.2,
            damping=[5.0, 0, 0],
        )
        stem, tip = 0.62 * jaws.length, 0.38 * jaws.length
        box(
            finger,
            jaws.material,
            along * stem / 2 + across * side * 0.016,
            half(stem / 2, 0.008, 0.010),
            mass=0.05,
            **MOVING,
        )
        box(
            finger,
            jaws.pad,
            along * (stem + tip / 2) + across * side * 0.006,
            half(tip / 2, 0.006, 0.011),
            mass=0.02,
            **(MOVING | grip),
        )
    couple(spec, *names, stiffness=4000.0, effort=jaws.force, lead_s=_JAW_LEAD_S)
