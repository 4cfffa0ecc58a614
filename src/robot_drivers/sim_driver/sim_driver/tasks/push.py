"""Push a puck of one colour onto a goal of another, without lifting it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim_driver.models.description import SimArm
from sim_driver.tasks.draw import colours, item, row
from sim_driver.tasks.look import Look
from sim_driver.tasks.task import Attempt, Choice, Item, Task

_PUCK, _GOAL = (0.035, 0.035, 0.016), (0.052, 0.052, 0.0)
_ON_M = 0.03
_LIFTED_M = 0.02


class Push(Task):
    """Two pucks and two goals painted on the table.

    Done: the named puck's centre is within 30 mm of the named goal's, it was never lifted by more
    than 20 mm, it lies still and no arm touches it.
    """

    name = "push"

    def draw(
        self, arms: Sequence[SimArm], rng: np.random.Generator
    ) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Pucks in front, goals behind them."""
        pucks, goals = (
            tuple(
                item(kind, colour, at, half, rng)
                for colour, at in zip(
                    colours(2, rng), row(arms[0], share, 2, 2.1 * half[0], 0.01, rng), strict=True
                )
            )
            for kind, half, share in (("puck", _PUCK, 0.22), ("goal", _GOAL, 0.85))
        )
        return pucks, goals

    def sentence(self, choice: Choice) -> str:
        """Names both by colour."""
        return f"push the {choice.thing.colour} puck onto the {choice.place.colour} goal"

    def stage(self, look: Look, attempt: Attempt) -> float:
        """The share of the way that was covered, up to 0.99; 1 done."""
        puck, goal = attempt.choice.thing, attempt.choice.place
        place = look.place(puck.name)
        if place[2] > puck.half[2] + _LIFTED_M:
            attempt.seen.add("lifted")
        left = float(np.hypot(place[0] - goal.x, place[1] - goal.y))
        whole = float(np.hypot(puck.x - goal.x, puck.y - goal.y))
        pushed = not look.held(puck.name) and look.at_rest(puck.name) and not attempt.seen
        if left < _ON_M and pushed:
            return 1.0
        return min(max(1.0 - left / whole, 0.0), 0.99)
