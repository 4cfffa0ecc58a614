"""The robot's joints by name: the SDK's call of each, and what the driver says of it.

Limits and scales are the driver's, which sends them when it connects: the bridge has no facts of
its own about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agibot_bridge import frames

ARMS = tuple(f"{side}_arm_joint{n}" for side in ("left", "right") for n in range(1, 8))
GRIPPERS = ("left_gripper_joint1", "right_gripper_joint1")
HEAD = ("head_yaw_joint", "head_pitch_joint")
WAIST = ("waist_pitch_joint", "waist_lift_joint")

GROUPS = {"arm": ARMS, "gripper": GRIPPERS, "head": HEAD, "waist": WAIST}
"""Joints by the SDK's name of their part, in the order of its vectors."""

JOINTS = tuple(name for names in GROUPS.values() for name in names)
"""The order of every vector of positions on the socket."""

SLACK = 0.25
"""How far outside its range a joint may be measured, in ranges; more is another unit."""

_TOLERANCE = 1e-6  # of a limit, in the joint's range: the driver computes in another order


@dataclass(frozen=True)
class Joint:
    """What the driver says of one joint.

    Attributes:
        name: on the wire.
        lower, upper: model units, of which the driver knows what they are.
        velocity: most per second, model units.
        read_zero, read_one: what is read at model values 0 and 1.
        told_zero, told_one: what is commanded at model values 0 and 1.
    """

    name: str
    lower: float
    upper: float
    velocity: float
    read_zero: float
    read_one: float
    told_zero: float
    told_one: float

    def measured(self, reading: float) -> float:
        """A reading in model units."""
        return (reading - self.read_zero) / (self.read_one - self.read_zero)

    def wanted(self, command: float) -> float:
        """A command in model units."""
        return (command - self.told_zero) / (self.told_one - self.told_zero)

    def command(self, value: float) -> float:
        """Model units as a command."""
        return self.told_zero + value * (self.told_one - self.told_zero)

    def implausible(self, reading: float) -> str | None:
        """Says why a reading cannot be this joint's; None where it can."""
        slack = SLACK * (self.upper - self.lower)
        if self.lower - slack <= self.measured(reading) <= self.upper + slack:
            return None
        low, high = (
            self.read_zero + end * (self.read_one - self.read_zero)
            for end in (self.lower, self.upper)
        )
        return f"{self.name} reads {reading:.6g}, expected about {low:.4g} to {high:.4g}"

    def refusal(self, command: float) -> str | None:
        """Says why a command is refused; None where it is not."""
        slack = _TOLERANCE * (self.upper - self.lower)
        if self.lower - slack <= self.wanted(command) <= self.upper + slack:
            return None
        low, high = self.command(self.lower), self.command(self.upper)
        return f"{self.name}: command {command:.6g} is outside [{low:.6g}, {high:.6g}]"


@dataclass(frozen=True)
class Layout:
    """What the driver says of the robot.

    Attributes:
        joints: in the order of ``JOINTS``.
        forward, yaw: most of the base's velocities [m/s, rad/s].
    """

    joints: tuple[Joint, ...]
    forward: float
    yaw: float

    @classmethod
    def parse(cls, hello: dict[str, Any]) -> Layout:
        """The layout in a ``hello``.

        Raises:
            frames.FrameError: a field is missing or wrong.
            ValueError: other joints, or limits or a scale that make no sense.
        """
        joints = []
        for said in frames.objects(hello, "joints"):
            lower, upper, velocity = (
                frames.number(said, name) for name in ("lower", "upper", "velocity")
            )
            read, told = (frames.numbers(said, name, 2) for name in ("read", "told"))
            joint = Joint(frames.text(said, "name"), lower, upper, velocity, *read, *told)
            if not (lower < upper and velocity > 0 and read[0] != read[1] and told[0] != told[1]):
                raise ValueError(f"{joint.name}: limits or scales that make no sense: {joint}")
            joints.append(joint)
        names = [joint.name for joint in joints]
        if names != list(JOINTS):
            pairs = zip(JOINTS, names)  # Python 3.10; the lengths differ where one is missing
            wrong = next((pair for pair in pairs if pair[0] != pair[1]), None)
            where = f"{wrong[1]} in place of {wrong[0]}" if wrong else f"{len(names)} joints"
            raise ValueError(f"expected the G1's {len(JOINTS)} joints in its order, got {where}")
        layout = cls(tuple(joints), frames.number(hello, "forward"), frames.number(hello, "yaw"))
        if not (layout.forward > 0 and layout.yaw > 0):
            raise ValueError("the base's limits: expected more than 0")
        return layout

    def message(self) -> dict[str, Any]:
        """The fields of a ``hello``."""
        return {
            "joints": [
                {
                    "name": joint.name,
                    "lower": joint.lower,
                    "upper": joint.upper,
                    "velocity": joint.velocity,
                    "read": [joint.read_zero, joint.read_one],
                    "told": [joint.told_zero, joint.told_one],
                }
                for joint in self.joints
            ],
            "forward": self.forward,
            "yaw": self.yaw,
        }

    def implausible(self, positions: list[float]) -> str | None:
        """Says which reading cannot be; None where all can."""
        found = (joint.implausible(one) for joint, one in zip(self.joints, positions))
        return next(filter(None, found), None)

    def refusal(self, positions: list[float]) -> str | None:
        """Says which command is refused; None where none is."""
        found = (joint.refusal(one) for joint, one in zip(self.joints, positions))
        return next(filter(None, found), None)
