"""Simulated robots by name; a new one is a file with a ``SimRobot`` and a line here."""

from __future__ import annotations

from sim_driver.agibot_g1 import AGIBOT_G1
from sim_driver.description import SimRobot
from sim_driver.franka import FRANKA
from sim_driver.yam import YAM

_ROBOTS = {robot.name: robot for robot in (AGIBOT_G1, FRANKA, YAM)}


def names() -> tuple[str, ...]:
    """Names of every simulated robot, sorted."""
    return tuple(sorted(_ROBOTS))


def get(name: str) -> SimRobot:
    """The simulated robot called ``name``.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in _ROBOTS:
        raise ValueError(f"no simulated robot {name!r}; there are: {', '.join(names())}")
    return _ROBOTS[name]
