"""Wipe a stain of one colour away with a sponge of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim_driver.models.description import SimArm
from sim_driver.tasks.draw import colours, item, row, two_rows
from sim_driver.tasks.look import Look
from sim_driver.tasks.objects import stain_cells
from sim_driver.tasks.task import Attempt, Choice, Item, Task

_SPONGE, _STAIN = (0.045, 0.026, 0.016), (0.033, 0.044, 0.0)
_DOWN_M = 0.006
_CLEAN, _SPARED = 0.9, 0.25
_PICKED, _WIPING = 0.2, 0.79


class Wipe(Task):
    """Two sponges and two stains. A cell of a stain goes away when a sponge passes over it.

    A sponge wipes what is under it while its underside is within 6 mm of the table and it is held.
    Done: at least 0.9 of the named stain was wiped away with the named sponge, at most a quarter of
    the other stain was wiped at all, and no arm touches the sponge any more, which lies still.
    """

    name = "wipe"
    seconds = 50.0

    def draw(
        self, arms: Sequence[SimArm], rng: np.random.Generator
    ) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Sponges in one row, stains in the other."""
        near, far = two_rows(rng, 0.18, 0.72)
        sponges = [
            item("sponge", colour, at, _SPONGE, rng, float(rng.uniform(-0.25, 0.25)))
            for colour, at in zip(
                colours(2, rng), row(arms[0], near, 2, 0.08, 0.01, rng), strict=True
            )
        ]
        stains = [
            item("stain", colour, at, _STAIN, rng)
            for colour, at in zip(
                colours(2, rng), row(arms[0], far, 2, 0.12, 0.012, rng), strict=True
            )
        ]
        return tuple(sponges), tuple(stains)

    def sentence(self, choice: Choice) -> str:
        """Names both by colour."""
        return f"wipe the {choice.place.colour} stain with the {choice.thing.colour} sponge"

    def stage(self, look: Look, attempt: Attempt) -> float:
        """0.2 for taking the sponge, then with the share wiped up to 0.99, 1 done."""
        thing, place, seen = attempt.choice.thing, attempt.choice.place, attempt.seen
        for sponge in attempt.layout.things:
            if look.held(sponge.name):
                self._wipe(look, sponge, attempt)
        cells = [name for name, _ in stain_cells(place)]
        share = sum(f"{cell} by {thing.name}" in seen for cell in cells) / len(cells)
        spared = all(
            sum(name in seen for name, _ in stain_cells(other)) <= _SPARED * len(cells)
            for other in attempt.layout.places
            if other is not place
        )
        if share >= _CLEAN and spared and not look.held(thing.name) and look.at_rest(thing.name):
            return 1.0
        picked = _PICKED if share > 0 or look.held(thing.name) else 0.0
        return picked + _WIPING * share

    @staticmethod
    def _wipe(look: Look, sponge: Item, attempt: Attempt) -> None:
        """Takes away what lies under a held sponge."""
        centre, axes = look.place(sponge.name), look.axes(sponge.name)
        if centre[2] - sponge.half[2] > _DOWN_M:
            return
        for stain in attempt.layout.places:
            for name, at in stain_cells(stain):
                along = axes[:2, :2].T @ (np.array(at) - centre[:2])
                if name not in attempt.seen and (np.abs(along) <= sponge.half[:2]).all():
                    attempt.seen.update((name, f"{name} by {sponge.name}"))
                    look.hide(name)
