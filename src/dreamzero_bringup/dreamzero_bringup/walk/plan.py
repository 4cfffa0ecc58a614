"""Which small motion each joint makes in the walk: out and back, slow, well inside the limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_policy.control.limits import Limits
from dreamzero_policy.embodiments.embodiment import Embodiment, Joint, JointKind
from dreamzero_policy.types import Float

AMOUNTS: dict[JointKind, float] = {
    "revolute": 0.05,
    "prismatic": 0.01,
    "gripper": 0.5,
    "base": 0.04,
}
"""How far a joint goes [rad, m, share of a gripper's range]; a base rolls that far [m]."""

STILL: dict[JointKind, float] = {"revolute": 0.02, "prismatic": 0.004, "gripper": 0.2}
"""What a joint that should stand still may move [rad, m, share of a gripper's range]."""

DWELL_S = 1.0
"""How long the motion rests where it turns back [s]."""

_TURN = 0.1  # rad, of a base
_LEAST = 0.4  # share of an amount that still shows
_END = 0.02  # share of its range that a joint keeps from both ends
_EVEN = 0.05  # share of its range by which the room below may be more and is not taken
_SHORTEST_S = {"revolute": 1.5, "prismatic": 1.5, "gripper": 1.0, "base": 1.5}
# Shares of the limits that are used at most, and the peaks of the quintic on the unit interval.
_SHARES, _PEAKS = (0.2, 0.3, 0.3), (15.0 / 8.0, 10.0 / 3.0**0.5, 60.0)


@dataclass(frozen=True)
class Move:
    """One joint's motion, in model units.

    Attributes:
        joint: that moves.
        start: where it stands; 0 for a base.
        amount: how far it goes, with sign; for a base what its velocity adds up to.
        seconds: for the way out, and again for the way back.
    """

    joint: Joint
    start: float
    amount: float
    seconds: float

    @property
    def duration(self) -> float:
        """From the beginning to the end [s]."""
        return 2.0 * self.seconds + DWELL_S

    @property
    def turn(self) -> tuple[float, float]:
        """When it rests far out [s]."""
        return self.seconds, self.seconds + DWELL_S

    def at(self, seconds: float) -> float:
        """What the joint is told ``seconds`` after the beginning: a position, a base's velocity."""
        out = min(max(seconds / self.seconds, 0.0), 1.0)
        back = min(max((seconds - self.turn[1]) / self.seconds, 0.0), 1.0)
        if self.joint.kind == "base":
            return self.amount / self.seconds * (_rate(out) - _rate(back))
        return self.start + self.amount * (_ease(out) - _ease(back))


def plan(robot: Embodiment, limits: Limits, pose: Float) -> dict[str, Move | str]:
    """What each joint does from a pose, by name, in action order; why not, where it cannot.

    Args:
        robot: its layout.
        limits: what the controller keeps: the robot's, or an installation's tighter ones.
        pose: [A] measured, model units; bases are ignored.
    """
    return {
        joint.name: move(joint, limits, column, float(pose[column]))
        for column, joint in enumerate(robot.joints)
    }


def move(joint: Joint, limits: Limits, column: int, position: float) -> Move | str:
    """What one joint does, or why it can do nothing.

    Args:
        joint: of the robot.
        limits: as for ``plan``.
        column: of the joint.
        position: measured.
    """
    lower, upper = float(limits.lower[column]), float(limits.upper[column])
    start = 0.0
    if joint.kind != "base":
        start = min(max(position, lower), upper)
        if not abs(position - start) <= 0.5 * STILL[joint.kind]:
            return f"it stands at {position:.3f}, outside the controller's [{lower:g}, {upper:g}]"
    amount = _amount(joint, start, lower, upper)
    if isinstance(amount, str):
        return amount
    rates = (limits.velocity[column], limits.acceleration[column], limits.jerk[column])
    if joint.kind == "base":
        rates = (min(-lower, upper), *rates[:2])
    seconds = [
        (peak * abs(amount) / (share * float(rate))) ** (1.0 / (order + 1))
        for order, (peak, share, rate) in enumerate(zip(_PEAKS, _SHARES, rates, strict=True))
    ]
    return Move(joint, start, amount, max(_SHORTEST_S[joint.kind], *seconds))


def _amount(joint: Joint, start: float, lower: float, upper: float) -> float | str:
    """How far, upwards unless there is clearly more room below; or why nowhere."""
    if joint.kind == "base":
        if lower >= 0.0 or upper <= 0.0:
            return f"the limits [{lower:g}, {upper:g}] let it go one way only: it would not be back"
        return _TURN if joint.name.endswith("yaw") else AMOUNTS["base"]
    most, keep = AMOUNTS[joint.kind], 0.0 if joint.kind == "gripper" else _END * (upper - lower)
    if joint.kind == "gripper":
        most *= joint.upper - joint.lower
    up, down = upper - keep - start, start - keep - lower
    room, sign = (up, 1.0) if up >= down - _EVEN * (upper - lower) else (down, -1.0)
    if room < _LEAST * most:
        return f"it has no room at {start:.3f} in [{lower:g}, {upper:g}]"
    return sign * min(most, room)


def side(name: str) -> str:
    """``left``, ``right`` or nothing: whose a joint or a view is, by its name."""
    words = name.split("_")
    return next((word for word in ("left", "right") if word in words), "")


def mirrored(name: str) -> str:
    """The name of the same joint of the other arm; its own where it is of neither."""
    other = {"left": "right", "right": "left"}
    return "_".join(other.get(word, word) for word in name.split("_"))


def _ease(u: float) -> float:
    """From 0 to 1, at rest at both ends: the quintic with the least jerk."""
    return u**3 * (10.0 - 15.0 * u + 6.0 * u**2)


def _rate(u: float) -> float:
    """Its derivative."""
    return 30.0 * (u * (1.0 - u)) ** 2


def still(joints: tuple[Joint, ...]) -> Float:
    """What every joint may move that should stand still, bases left out."""
    return np.array([STILL[j.kind] for j in joints if j.kind != "base"])
