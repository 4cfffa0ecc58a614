"""Reach for a thing that is named by colour and shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamzero_policy.types import Float
from sim_driver.models.description import SimArm
from sim_driver.tasks.draw import colours, item
from sim_driver.tasks.look import Look
from sim_driver.tasks.task import Attempt, Choice, Item, Kind, Layout, Task

_BLOCK, _GOAL = (0.042, 0.042, 0.034), (0.062, 0.062, 0.0)
_SHARES = (0.14, 0.86)
_ASIDE_M = 0.015
_ROWS, _SIDES = ("farthest", "nearest"), ("leftmost", "rightmost")  # as the robot looks at it
OVER_M, NEAR_M = 0.05, 0.05
"""How far the finger ends may be from a thing's middle, seen from above, and over its top [m]."""
FAR_M = 0.2
"""Where progress begins."""


class Reach(Task):
    """Two blocks and two discs painted on the table, one in each corner of the arm's part of it.

    A block may have a disc's colour: then only both words together say which is meant.

    Attributes:
        verb: how its instructions begin.

    Done: the finger ends are over the named thing, near to its top.
    """

    name = "reach"
    verb = "reach for"
    seconds = 15.0
    leaves_scene = True
    starts_ready = True

    def draw(
        self, arms: Sequence[SimArm], rng: np.random.Generator
    ) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Things only: there is no place to bring them to."""
        kinds: tuple[Kind, ...] = ("block", "block", "goal", "goal")
        names = [*colours(2, rng), *colours(2, rng)]
        return tuple(
            item(kind, colour, (float(x), float(y)), _BLOCK if kind == "block" else _GOAL, rng)
            for kind, colour, (x, y) in zip(
                kinds, names, rng.permutation(_corners(arms[0], rng)), strict=True
            )
        ), ()

    def sentence(self, choice: Choice) -> str:
        """By colour and shape."""
        return self._say(choice.thing.colour, _noun(choice.thing))

    def wordings(self, layout: Layout, choice: Choice) -> tuple[str, ...]:
        """By colour alone, too, where nothing else has it, and by shape and place.

        Who has only heard of yellow discs does not otherwise know that yellow is a word of its own,
        and that a block may be meant that is yellow.
        """
        thing = choice.thing
        others = [one for one in layout.things if one is not thing]
        words = [self.sentence(choice)]
        if all(one.colour != thing.colour for one in others):
            words.append(self._say(thing.colour, "one"))
        (twin,) = (one for one in others if one.kind == thing.kind)
        for ahead, more, less in ((thing.x - twin.x, *_ROWS), (thing.y - twin.y, *_SIDES)):
            if abs(ahead) > 3 * _ASIDE_M:
                words.append(self._say(more if ahead > 0 else less, _noun(thing)))
        return tuple(words)

    def _say(self, which: str, noun: str) -> str:
        return f"{self.verb} the {which} {noun}"

    def stage(self, look: Look, attempt: Attempt) -> float:
        """The share of the last 20 cm, up to 0.99; 1 done."""
        thing = attempt.choice.thing
        away = look.finger_ends(attempt.layout.arms[0]) - look.place(thing.name)
        away[2] -= thing.half[2]
        if np.hypot(*away[:2]) < OVER_M and away[2] < NEAR_M:
            return 1.0
        return float(np.clip(1.0 - np.linalg.norm(away) / FAR_M, 0.0, 0.99))


def _noun(thing: Item) -> str:
    return "block" if thing.kind == "block" else "disc"


def _corners(arm: SimArm, rng: np.random.Generator) -> Float:
    """[4, 2] points, each a little off a corner of the arm's part of the table."""
    xs, ys = (low + np.array(_SHARES) * (high - low) for low, high in (arm.x, arm.y))
    corners = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(4, 2)
    return corners + rng.uniform(-_ASIDE_M, _ASIDE_M, (4, 2))
