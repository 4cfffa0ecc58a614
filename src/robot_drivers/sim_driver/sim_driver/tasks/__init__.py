"""Task scenes by name; a new one is a file with a ``Task`` and a line here."""

from __future__ import annotations

from sim_driver.models.description import SimRobot
from sim_driver.tasks.carry import Carry
from sim_driver.tasks.hover import Hover
from sim_driver.tasks.pick_place import PickPlace
from sim_driver.tasks.push import Push
from sim_driver.tasks.reach import Reach
from sim_driver.tasks.stack import Stack
from sim_driver.tasks.task import Task
from sim_driver.tasks.wipe import Wipe

_TASKS: tuple[Task, ...] = (Reach(), Hover(), PickPlace(), Stack(), Wipe(), Push(), Carry())


def of(robot: SimRobot) -> tuple[Task, ...]:
    """Every task that ``robot`` has the arms for."""
    return tuple(task for task in _TASKS if task.hands <= len(robot.arms))


def names(robot: SimRobot) -> tuple[str, ...]:
    """Their names."""
    return tuple(task.name for task in of(robot))


def get(name: str, robot: SimRobot) -> Task:
    """The task called ``name``.

    Raises:
        ValueError: ``robot`` has none of that name; the message lists those it has.
    """
    for task in of(robot):
        if task.name == name:
            return task
    raise ValueError(
        f"no task {name!r} for {robot.name}; there are: {', '.join(names(robot)) or 'none'}"
    )
