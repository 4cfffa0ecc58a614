"""What a simulated robot is, as frozen dataclasses: the driver knows these and no robot by name.

Positions and velocities here are MuJoCo's: rad, m, per second. What they are called on the wire is
in the embodiment, once, and is taken from there for what is read and what is commanded apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import mujoco

from dreamzero_policy.embodiments.embodiment import IDENTITY, Embodiment, WireScale


@dataclass(frozen=True)
class SimJoint:
    """One joint as the driver reports and commands it.

    Attributes:
        name: on the wire; the position servo (a MuJoCo actuator) has the same name.
        measured: name of the MuJoCo joint whose position is reported.
        lower, upper: hardware range; a command outside is refused.
        velocity: fastest that the servo's set-point moves, per second.
        home: pose to start from.
        lead_s: damping over stiffness of the servo [s]; a set-point that moves is led by this
            much, so that damping does not make the joint trail it.
        grips: on hold it keeps its target instead of the measured position, so that it does not
            drop what it holds.
        reported: what is read on the wire at MuJoCo's positions 0 and 1.
        commanded: what is commanded on the wire for MuJoCo's positions 0 and 1.
    """

    name: str
    measured: str
    lower: float
    upper: float
    velocity: float
    home: float
    lead_s: float
    grips: bool = False
    reported: WireScale = IDENTITY
    commanded: WireScale = IDENTITY

    def __post_init__(self) -> None:
        """Refuses a range, speed or home that makes no sense."""
        numbers = (self.lower, self.upper, self.velocity, self.home, self.lead_s)
        if not all(map(math.isfinite, numbers)) or self.velocity <= 0 or self.lead_s < 0:
            raise ValueError(
                f"{self.name}: expected finite numbers and a positive velocity: {self}"
            )
        if not self.lower <= self.home <= self.upper:
            raise ValueError(
                f"{self.name}: home {self.home} is outside [{self.lower}, {self.upper}]"
            )

    @classmethod
    def of(
        cls,
        robot: Embodiment,
        name: str,
        *,
        lower: float,
        upper: float,
        velocity: float,
        lead_s: float,
        scale: WireScale = IDENTITY,
    ) -> SimJoint:
        """The embodiment's joint ``name``, with its home and both of its wire scales.

        Args:
            robot: whose joint it is; it has the same name in MuJoCo.
            name: of the joint.
            lower: as the attribute.
            upper: as the attribute.
            velocity: as the attribute.
            lead_s: as the attribute.
            scale: MuJoCo's positions at model values 0 and 1, where they are not those themselves.

        Raises:
            ValueError: the embodiment has no such joint, or ``__post_init__`` refuses it.
        """
        joint = robot.joint(name)
        return cls(
            name=name,
            measured=name,
            lower=lower,
            upper=upper,
            velocity=velocity,
            home=scale.to_wire(robot.home[robot.action_joints.index(name)]),
            lead_s=lead_s,
            grips=joint.kind == "gripper",
            reported=_through(joint.state_wire, scale),
            commanded=_through(joint.command_wire, scale),
        )


def _through(wire: WireScale, scale: WireScale) -> WireScale:
    """``wire`` over MuJoCo's positions instead of model values."""
    return WireScale(*(wire.to_wire(scale.to_model(position)) for position in (0.0, 1.0)))


@dataclass(frozen=True)
class SimView:
    """One camera: its topic's name, also the MuJoCo camera's, and its native size [px]."""

    name: str
    width: int
    height: int


def views_of(robot: Embodiment) -> tuple[SimView, ...]:
    """The embodiment's cameras at the size of its training data."""
    height, width = robot.native_size
    return tuple(SimView(view.name, width, height) for view in robot.views)


@dataclass(frozen=True)
class Table:
    """The table that a robot works at [m]; its top is z = 0.

    Attributes:
        x, y: from where to where it reaches.
        height: above the floor.
        blocks_x, blocks_y: from where to where blocks lie.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    height: float
    blocks_x: tuple[float, float]
    blocks_y: tuple[float, float]


@dataclass(frozen=True)
class SimBase:
    """A wheeled base; its velocities are on the wire as they are here.

    Attributes:
        place: names of the MuJoCo joints, and of their servos, that shift it along the scene's x
            and y and turn it.
        forward: fastest ahead and back [m/s].
        yaw: fastest turn [rad/s].
        timeout_s: silence after which it brakes [s].
        lead_s: as of a ``SimJoint``.
    """

    place: tuple[str, str, str]
    forward: float
    yaw: float
    timeout_s: float
    lead_s: float

    def __post_init__(self) -> None:
        """Refuses a base that could not move or would not stop."""
        numbers = (self.forward, self.yaw, self.timeout_s)
        if not all(math.isfinite(number) and number > 0 for number in numbers):
            raise ValueError(f"a base needs speeds and a timeout above 0, got {self}")


@dataclass(frozen=True)
class SimArm:
    """An arm with a gripper, as whoever moves it by its hand needs it.

    Attributes:
        name: of the arm; empty for a robot that has one.
        joints: from the base outwards, names of MuJoCo joints; the gripper is not among them.
        gripper: its joint; 0 is closed, in m of a finger's travel.
        tcp: MuJoCo site between the finger tips.
        approach, across: where the fingers point and open, unit vectors in the site's frame.
        tip: from the site to the end of the fingers [m].
        ready: joint positions with the fingers down over the table, from which the arm reaches all
            of its part of the table without turning a joint round, and hides nothing that lies
            there from the robot's overview.
        x, y: its part of the table: where it grasps from above with ease [m].
    """

    name: str
    joints: tuple[str, ...]
    gripper: str
    tcp: str
    approach: tuple[float, float, float]
    across: tuple[float, float, float]
    tip: float
    ready: tuple[float, ...]
    x: tuple[float, float]
    y: tuple[float, float]


@dataclass(frozen=True)
class SimRobot:
    """A robot that the driver can simulate.

    Attributes:
        name: the embodiment it stands for, as the ``robot`` parameter gives it.
        joints: in the order of the published joint states.
        views: cameras, in publishing order.
        table: where its task objects lie.
        add_to: adds bodies, joints, servos and cameras to a model being built.
        arms: its arms, for tasks; with two, the left one first. Without any it has no tasks.
        patience: how much longer than quick arms its own need for a task.
        base: its wheels, where it has any.
        note: what the driver says of it when it starts.
    """

    name: str
    joints: tuple[SimJoint, ...]
    views: tuple[SimView, ...]
    table: Table
    add_to: Callable[[mujoco.MjSpec], None]
    arms: tuple[SimArm, ...] = ()
    patience: float = 1.0
    base: SimBase | None = None
    note: str = ""
