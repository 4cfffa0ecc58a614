"""Put a block of one colour into a bowl of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim_driver.models.description import SimArm
from sim_driver.tasks.draw import colours, item, row, two_rows
from sim_driver.tasks.look import Look
from sim_driver.tasks.task import Attempt, Choice, Item, Task

_BOWL = (0.052, 0.052, 0.018)
_BLOCK_M, _BOWL_M = 0.07, 0.115  # width, however a block is turned
LIFTED_M = 0.03
"""A block this far above where it lies on the table is lifted [m]."""


class PickPlace(Task):
    """Three blocks and two bowls.

    Done: the named block is inside the named bowl (its centre within the bowl's radius and below
    its rim), no other block is in that bowl, the block lies still and no arm touches it.
    """

    name = "pick_place"

    def draw(
        self, arms: Sequence[SimArm], rng: np.random.Generator
    ) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Blocks in one row, bowls in the other; a bowl may have a block's colour."""
        near, far = two_rows(rng, 0.14, 0.78)
        blocks = []
        for colour, at in zip(
            colours(3, rng), row(arms[0], near, 3, _BLOCK_M, 0.02, rng), strict=True
        ):
            half = float(rng.uniform(0.0205, 0.025))
            yaw = float(rng.uniform(-np.pi / 4, np.pi / 4))
            blocks.append(item("block", colour, at, (half, half, half), rng, yaw))
        bowls = [
            item("bowl", colour, at, _BOWL, rng)
            for colour, at in zip(
                colours(2, rng), row(arms[0], far, 2, _BOWL_M, 0.015, rng), strict=True
            )
        ]
        return tuple(blocks), tuple(bowls)

    def sentence(self, choice: Choice) -> str:
        """Names both by colour."""
        return f"put the {choice.thing.colour} block into the {choice.place.colour} bowl"

    def stage(self, look: Look, attempt: Attempt) -> float:
        """0.25 touched, 0.5 lifted, 0.75 over the bowl, 1 done."""
        thing, bowl = attempt.choice.thing, attempt.choice.place
        place = look.place(thing.name)
        over = np.hypot(place[0] - bowl.x, place[1] - bowl.y) < bowl.half[0]
        held = look.held(thing.name)
        if over and place[2] < 2 * bowl.half[2] + 0.005:
            alone = len(look.within(bowl, "block")) == 1
            return 1.0 if alone and not held and look.at_rest(thing.name) else 0.75
        if place[2] > thing.half[2] + LIFTED_M:
            return 0.75 if over else 0.5
        return 0.25 if held else 0.0
