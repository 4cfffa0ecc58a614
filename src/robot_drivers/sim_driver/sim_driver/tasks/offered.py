"""Scenes in which an instruction means something."""

from __future__ import annotations

from collections.abc import Iterable

from sim_driver.models.description import SimRobot
from sim_driver.tasks.split import Scene, held_out
from sim_driver.tasks.task import Task


def offered(
    robot: SimRobot, tasks: Iterable[Task], seeds: Iterable[int], words: str
) -> Scene | None:
    """The first scene that has what an instruction asks for; None where none has.

    Args:
        robot: whose scenes.
        tasks: whose instructions; all of them are looked for under a seed before the next one.
        seeds: of the scenes.
        words: the instruction, in any of a task's wordings; capitals and spaces do not matter.
    """
    wanted, tasks = _plain(words), tuple(tasks)
    for seed in seeds:
        for task in tasks:
            layout = task.lay(robot, seed)
            for index, choice in enumerate(layout.choices):
                if wanted in map(_plain, task.wordings(layout, choice)):
                    return Scene(task.name, seed, index, held_out(task, choice))
    return None


def _plain(words: str) -> str:
    return " ".join(words.lower().split()).rstrip(".")
