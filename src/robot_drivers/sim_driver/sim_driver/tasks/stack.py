"""Put a block of one colour onto a block of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim_driver.models.description import SimArm
from sim_driver.tasks.draw import colours, item, row
from sim_driver.tasks.look import Look
from sim_driver.tasks.pick_place import LIFTED_M
from sim_driver.tasks.task import Attempt, Choice, Item, Task

_HEIGHT_M, _SHARE = 0.006, 0.75
_BLOCK_M = 0.072  # width, however it is turned


class Stack(Task):
    """Three blocks; any of them may have to go onto any other.

    Done: the named block lies on the other one (its centre over it, off by less than 0.75 of its
    half width, and as high as the two are thick, to 6 mm), the lower one is level on the table,
    both lie still and no arm touches either.
    """

    name = "stack"

    def draw(
        self, arms: Sequence[SimArm], rng: np.random.Generator
    ) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Blocks side by side, nearer or further."""
        blocks = []
        for colour, (x, y) in zip(
            colours(3, rng), row(arms[0], 0.5, 3, _BLOCK_M, 0.0, rng), strict=True
        ):
            x += float(rng.uniform(-0.3, 0.3) * (arms[0].x[1] - arms[0].x[0]))
            half = float(rng.uniform(0.022, 0.0255))
            yaw = float(rng.uniform(-np.pi / 4, np.pi / 4))
            blocks.append(item("block", colour, (x, y), (half, half, half), rng, yaw))
        return tuple(blocks), tuple(blocks)

    def sentence(self, choice: Choice) -> str:
        """Names both by colour."""
        return f"put the {choice.thing.colour} block on the {choice.place.colour} block"

    def stage(self, look: Look, attempt: Attempt) -> float:
        """0.25 touched, 0.5 lifted, 0.75 over the other, 1 done."""
        thing, base = attempt.choice.thing, attempt.choice.place
        place, under = look.place(thing.name), look.place(base.name)
        over = np.hypot(*(place - under)[:2]) < _SHARE * base.half[0]
        held = look.held(thing.name)
        level = abs(under[2] - base.half[2]) < _HEIGHT_M and look.tilt(base.name) < 0.1
        high = abs(place[2] - under[2] - thing.half[2] - base.half[2]) < _HEIGHT_M
        if over and level and high and not held and not look.held(base.name):
            still = look.at_rest(thing.name) and look.at_rest(base.name)
            return 1.0 if still else 0.75
        if place[2] > thing.half[2] + LIFTED_M:
            return 0.75 if over and level else 0.5
        return 0.25 if held else 0.0
