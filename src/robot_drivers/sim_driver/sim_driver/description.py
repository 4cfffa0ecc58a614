"""What a simulated robot is, as frozen dataclasses: the driver knows these and no robot by name.

Positions and velocities here are in wire units, the numbers of ``sensor_msgs/JointState``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import mujoco


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
    """

    name: str
    measured: str
    lower: float
    upper: float
    velocity: float
    home: float
    lead_s: float
    grips: bool = False

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


@dataclass(frozen=True)
class SimView:
    """One camera: its topic's name, also the MuJoCo camera's, and its native size [px]."""

    name: str
    width: int
    height: int


@dataclass(frozen=True)
class Workspace:
    """Where on the table blocks lie [m], in the robot's base frame; the top is z = 0."""

    x: tuple[float, float]
    y: tuple[float, float]


@dataclass(frozen=True)
class SimRobot:
    """A robot that the driver can simulate.

    Attributes:
        name: the embodiment it stands for, as the ``robot`` parameter gives it.
        joints: in the order of the published joint states.
        views: cameras, in publishing order.
        workspace: where its task objects lie.
        add_to: adds bodies, joints, servos and cameras to a model being built.
    """

    name: str
    joints: tuple[SimJoint, ...]
    views: tuple[SimView, ...]
    workspace: Workspace
    add_to: Callable[[mujoco.MjSpec], None]
