"""Simulated robots by name, or by the file of an installation's own robot.

A robot that comes with this package is a file with a ``SimRobot`` and a line here. An own robot
``<name>.py`` has its ``SimRobot`` in ``<name>_sim.py`` beside it; without that file it is sketched
from its embodiment.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments import own_file
from dreamzero_policy.embodiments.embodiment import Embodiment
from sim_driver.models.agibot_g1 import AGIBOT_G1
from sim_driver.models.description import SimRobot
from sim_driver.models.franka import FRANKA
from sim_driver.models.sketch import sketch
from sim_driver.models.yam import YAM

_ROBOTS = {robot.name: robot for robot in (AGIBOT_G1, FRANKA, YAM)}


def names() -> tuple[str, ...]:
    """Names of the simulated robots that come with this package, sorted."""
    return tuple(sorted(_ROBOTS))


def get(robot: str) -> SimRobot:
    """The simulated robot of an embodiment.

    Args:
        robot: as ``embodiments.get`` takes it.

    Raises:
        ValueError: there is no such robot, or its scene's file cannot be used.
    """
    layout = embodiments.get(robot)
    if layout.name in _ROBOTS:
        return _ROBOTS[layout.name]
    scene = Path(robot).with_name(f"{layout.name}_sim.py")
    return _own(scene, layout) if scene.is_file() else sketch(layout)


@cache
def _own(scene: Path, layout: Embodiment) -> SimRobot:
    """The scene of an own robot, which must have its joints and cameras."""
    found = own_file.read(scene, SimRobot)
    measured = sorted(layout.state_joints)
    for what, expected, got in (
        ("name", layout.name, found.name),
        ("joints", measured, sorted(joint.name for joint in found.joints)),
        ("views", [v.name for v in layout.views], [v.name for v in found.views]),
    ):
        if expected != got:
            raise ValueError(f"{scene}: {what}: expected {expected} as the robot has, got {got}")
    return found
