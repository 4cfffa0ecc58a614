"""The arms of each robot: which joints move which hand, and the sites of the MuJoCo models."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """One arm.

    Attributes:
        name: for the human.
        joints: from the base outwards.
        gripper: its gripper's joint.
        closes: 1 where a larger value closes the gripper, -1 where it opens it.
        site: of the MuJoCo model, between the fingertips.
    """

    name: str
    joints: tuple[str, ...]
    gripper: str
    closes: float
    site: str


LIFTS = {"agibot_g1": "waist_lift_joint"}
"""The joint that raises a robot's trunk, where it has one."""


def of(robot: str) -> tuple[Arm, ...]:
    """The arms of a robot.

    Raises:
        ValueError: none are known; the message lists the robots that have some.
    """
    if robot not in _ARMS:
        raise ValueError(f"no arms are known of {robot!r}; there are: {', '.join(sorted(_ARMS))}")
    return _ARMS[robot]


def _numbered(pattern: str, count: int) -> tuple[str, ...]:
    return tuple(pattern.format(number) for number in range(1, count + 1))


_ARMS = {
    "droid": (Arm("arm", _numbered("panda_joint{}", 7), "panda_finger_joint1", 1.0, "tcp"),),
    "yam": tuple(
        Arm(side, _numbered(f"{side}_joint{{}}", 6), f"{side}_gripper", -1.0, f"{side}_tcp")
        for side in ("left", "right")
    ),
    "agibot_g1": tuple(
        Arm(
            side,
            _numbered(f"{side}_arm_joint{{}}", 7),
            f"{side}_gripper_joint1",
            1.0,
            f"{side}_tcp",
        )
        for side in ("left", "right")
    ),
}
