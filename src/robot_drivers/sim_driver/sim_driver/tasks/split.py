"""Which instructions are seen in training and which are kept for tests; said here and nowhere else.

Every colour is seen both as a thing and as a place, but one place colour of each thing is held out:
what is new about an unseen instruction is the combination. Where a thing is named by colour and
shape, each task holds out names of its own: those that no demonstration of reaching says, some of
hovering do, and the other way round. Every colour and every shape is heard in each task, three of
the five colours with both shapes, as otherwise the shape would tell nothing that the colour does
not.
Pictures may show a held-out pair in training, too, and the thing itself may be asked for in words
that do not name the pair, by colour alone or by shape and place: who is never asked for any yellow
block learns that yellow blocks are not meant. What is new is then its name.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Literal, get_args

import numpy as np

from sim_driver.models.description import SimRobot
from sim_driver.tasks.task import COLOURS, Choice, Layout, Task

Split = Literal["seen", "unseen", "all", "taught"]
"""Instructions by their sentence, seen or held out; ``taught``: the seen ones in other words, too,
and things whose sentence is held out, where other words say the same. Demonstrations are of these,
or of sentences alone."""
SPLITS: tuple[Split, ...] = get_args(Split)

_APART = 2  # places of the circle of colours from a held-out place's to its thing's
_SHAPES = {
    "reach": {("block", "yellow"), ("goal", "purple")},
    "hover": {("block", "green"), ("goal", "red")},
}
_MOST_SEEDS = 1000  # looked through for the next scene that offers a wanted instruction


@dataclass(frozen=True)
class Scene:
    """One attempt to come: what stands on the table and what is asked for.

    Attributes:
        task: name of the task.
        seed: of its layout.
        choice: index of the instruction.
        unseen: whether its sentence names a held-out combination.
    """

    task: str
    seed: int
    choice: int
    unseen: bool


def held_out(task: Task, choice: Choice) -> bool:
    """Whether nobody names this combination in training."""
    if choice.thing is choice.place:
        return (choice.thing.kind, choice.thing.colour) in _SHAPES[task.name]
    colours = list(COLOURS)
    thing, place = (colours.index(item.colour) for item in (choice.thing, choice.place))
    return (thing - place) % len(colours) == _APART


def said(task: Task, layout: Layout, choice: Choice, split: Split) -> tuple[str, ...]:
    """The words that a demonstration of a split may use for a choice; none where it has no part.

    Args:
        task: the task.
        layout: where the things stand.
        choice: what is meant.
        split: whose words. The seen and the unseen one have sentences alone, as they are tried in
            evaluation; all and the taught one have other words, too, the taught one without the
            held-out sentences.
    """
    sentence, *others = task.wordings(layout, choice)
    held = held_out(task, choice)
    if split in ("seen", "unseen"):
        return (sentence,) if held == (split == "unseen") else ()
    return tuple(others) if held and split == "taught" else (sentence, *others)


def scenes(
    robot: SimRobot, task: Task, split: Split, first_seed: int, *, every_choice: bool = False
) -> Iterator[Scene]:
    """Scenes of a task without end, one per seed that offers an instruction of the split.

    Args:
        robot: who does it.
        task: the task.
        split: which instructions; of several in a scene one is drawn by its seed.
        first_seed: of the first scene.
        every_choice: whether each of several is had, one after another, instead of one of them.

    Raises:
        ValueError: an unknown split, or one of which this task has nothing.
    """
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    barren = 0
    for seed in count(first_seed):
        layout = task.lay(robot, seed)
        fit = _fitting(task, layout, split)
        barren = 0 if fit else barren + 1
        if barren > _MOST_SEEDS:
            raise ValueError(f"{task.name}: no {split} instruction in {_MOST_SEEDS} scenes")
        if fit:
            rng = np.random.default_rng([seed, zlib.crc32(task.name.encode()), len(fit)])
            drawn = fit if every_choice else [fit[int(rng.integers(len(fit)))]]
            for index in drawn:
                yield Scene(task.name, seed, index, held_out(task, layout.choices[index]))


def _fitting(task: Task, layout: Layout, split: Split) -> list[int]:
    """Indices of the choices that a split has."""
    choices = layout.choices
    return [index for index, one in enumerate(choices) if said(task, layout, one, split)]


def further(
    robot: SimRobot, task: Task, scene: Scene, split: Split, number: int
) -> tuple[int, ...]:
    """Choices to ask for one after another once a scene's own is done, never one twice in a row.

    Fewer than ``number`` where the scene offers the split nothing else.
    """
    fit = _fitting(task, task.lay(robot, scene.seed), split)
    rng = np.random.default_rng([scene.seed, zlib.crc32(task.name.encode()), number])
    found = [scene.choice]
    for _ in range(number):
        others = [index for index in fit if index != found[-1]]
        if not others:
            break
        found.append(others[int(rng.integers(len(others)))])
    return tuple(found[1:])


def first_scenes(
    robot: SimRobot, task: Task, split: Split, first_seed: int, number: int
) -> list[Scene]:
    """The first ``number`` of ``scenes``.

    Raises:
        ValueError: as ``scenes``.
    """
    return list(islice(scenes(robot, task, split, first_seed), number))
