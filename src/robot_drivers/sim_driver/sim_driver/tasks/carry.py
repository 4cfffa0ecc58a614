"""Carry a bar of one colour onto a mat of another, with both hands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim_driver.models.description import SimArm
from sim_driver.tasks.draw import colours, item
from sim_driver.tasks.look import Look
from sim_driver.tasks.pick_place import LIFTED_M
from sim_driver.tasks.task import Attempt, Choice, Item, Task

_BAR, _MAT = (0.016, 0.18, 0.008), (0.022, 0.16, 0.0)
_ON_M, _LEVEL_RAD = (0.02, 0.03), 0.17
_BOTH = {0, 1}


class Carry(Task):
    """Two bars with a handle at either end, and two mats, one behind the other.

    Done: both hands lifted the named bar together, it lies on the named mat (its centre within
    20 mm of the mat's ahead and 30 mm sideways, level on the table to 10 degrees and 6 mm), still,
    and no arm touches it.
    """

    name = "carry"
    hands = 2

    def draw(
        self, arms: Sequence[SimArm], rng: np.random.Generator
    ) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Four rows in a drawn order, each with a bar or a mat across both arms' parts."""
        low, high = arms[0].x
        rows = np.linspace(low + 0.005, high - 0.005, 4) + rng.uniform(-0.004, 0.004, 4)
        middle = (arms[0].y[0] + arms[1].y[1]) / 2 + rng.uniform(-0.02, 0.02, 4)
        order = rng.permutation(4)
        at = [(float(rows[k]), float(middle[k])) for k in order]
        bars = [item("bar", c, p, _BAR, rng) for c, p in zip(colours(2, rng), at[:2], strict=True)]
        mats = [item("mat", c, p, _MAT, rng) for c, p in zip(colours(2, rng), at[2:], strict=True)]
        return tuple(bars), tuple(mats)

    def sentence(self, choice: Choice) -> str:
        """Names both by colour."""
        bar, mat = choice.thing.colour, choice.place.colour
        return f"carry the {bar} bar onto the {mat} mat with both hands"

    def stage(self, look: Look, attempt: Attempt) -> float:
        """0.25 both hands touch, 0.5 lifted by both, 0.75 over the mat, 1 done."""
        bar, mat, seen = attempt.choice.thing, attempt.choice.place, attempt.seen
        place, hands = look.place(bar.name), look.hands_on(bar.name)
        high = place[2] > bar.half[2] + LIFTED_M
        if hands == _BOTH and high:
            seen.add("lifted by both")
        off = np.abs(place[:2] - (mat.x, mat.y))
        over, level = bool((off < _ON_M).all()), look.tilt(bar.name) < _LEVEL_RAD
        down = level and abs(place[2] - bar.half[2]) < 0.006
        if "lifted by both" in seen and over:
            return 1.0 if down and not hands and look.at_rest(bar.name) else 0.75
        if hands == _BOTH:
            return 0.5 if high else 0.25
        return 0.0
