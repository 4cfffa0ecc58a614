"""What a task is: things and places drawn from a seed, a sentence, and what counts as done."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np

from dreamzero_policy.types import Float
from sim_driver.models.description import SimArm, SimRobot
from sim_driver.tasks.look import Look

COLOURS = {"red": 0.995, "green": 0.36, "blue": 0.60, "yellow": 0.135, "purple": 0.78}
"""Names of the colours that things may have, and their hues (0..1)."""

Kind = Literal["block", "bowl", "sponge", "stain", "puck", "goal", "bar", "mat"]


@dataclass(frozen=True)
class Item:
    """One object of a task, before it is built; ``objects.py`` knows the shapes.

    Attributes:
        name: of its body, for example ``red_block``.
        kind: its shape.
        colour: what a sentence calls it.
        rgb: its exact colour (0..1).
        x, y, yaw: where it lies on the table [m, rad].
        half: half sizes along its own x, y, z [m]; a round one's radius is the first.
    """

    name: str
    kind: Kind
    colour: str
    rgb: tuple[float, float, float]
    x: float
    y: float
    yaw: float
    half: tuple[float, float, float]


@dataclass(frozen=True)
class Choice:
    """Which thing an instruction names, and which place for it; itself where it stays."""

    thing: Item
    place: Item


@dataclass(frozen=True)
class Layout:
    """A task's objects as one seed has them; the same whatever the instruction.

    Attributes:
        things: what can be moved.
        places: where to; for ``stack`` the things themselves, for ``reach`` none.
        arms: indices of the arms that reach all of it.
        drawn: index of the choice that the seed draws.
    """

    things: tuple[Item, ...]
    places: tuple[Item, ...]
    arms: tuple[int, ...]
    drawn: int

    @property
    def items(self) -> tuple[Item, ...]:
        """Every object once."""
        return tuple({item.name: item for item in (*self.things, *self.places)}.values())

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Everything that an instruction can ask for here."""
        if not self.places:
            return tuple(Choice(thing, thing) for thing in self.things)
        pairs = product(self.things, self.places)
        return tuple(Choice(thing, place) for thing, place in pairs if thing is not place)

    def choice(self, index: int) -> Choice:
        """A choice by its index; a negative one stands for what the seed draws.

        Raises:
            ValueError: there are not so many.
        """
        choices = self.choices
        if index >= len(choices):
            raise ValueError(
                f"choice: expected at most {len(choices) - 1}, or -1 for the seed's, got {index}"
            )
        return choices[self.drawn if index < 0 else index]


@dataclass(frozen=True)
class Attempt:
    """What a judge knows of one attempt besides the present instant.

    Attributes:
        layout: the objects.
        choice: what the instruction names.
        seen: what has happened so far, in words of the task's own.
    """

    layout: Layout
    choice: Choice
    seen: set[str] = field(default_factory=set)


class Task(ABC):
    """A kind of task. It holds no state: scenes, judges and experts are made from it.

    Attributes:
        name: as the ``task`` parameter gives it.
        hands: arms that it takes.
        seconds: time limit on a robot with quick arms [s].
        leaves_scene: whether all is as before once it is done, so that more can be asked for.
        starts_ready: whether its arms begin where they work with ease, and not at home. On the way
            there nothing tells one instruction from another.
    """

    name: str
    hands: int = 1
    seconds: float = 40.0
    leaves_scene: bool = False
    starts_ready: bool = False

    def lay(self, robot: SimRobot, seed: int) -> Layout:
        """Draws the objects; the same robot and seed give the same layout.

        Raises:
            ValueError: a negative seed.
        """
        if seed < 0:
            raise ValueError(f"seed: expected 0 or more, got {seed}")
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        arms = (0, 1) if self.hands == 2 else (int(rng.integers(len(robot.arms))),)
        things, places = self.draw([robot.arms[index] for index in arms], rng)
        count = len(Layout(things, places, arms, 0).choices)
        return Layout(things, places, arms, int(rng.integers(count)))

    def start(self, robot: SimRobot, layout: Layout) -> Float:
        """[J] where the robot's joints are when an attempt begins, in MuJoCo's units."""
        start = {joint.name: joint.home for joint in robot.joints}
        if self.starts_ready:
            for arm in (robot.arms[index] for index in layout.arms):
                start.update(zip(arm.joints, arm.ready, strict=True))
        return np.array(list(start.values()))

    def time_limit_s(self, robot: SimRobot) -> float:
        """How long an attempt may take [s]."""
        return self.seconds * robot.patience

    @abstractmethod
    def draw(
        self, arms: Sequence[SimArm], rng: np.random.Generator
    ) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Things and places within reach of ``arms``."""

    @abstractmethod
    def sentence(self, choice: Choice) -> str:
        """The instruction."""

    def wordings(self, layout: Layout, choice: Choice) -> tuple[str, ...]:
        """The instruction, and other words that say the same where these things stand."""
        return (self.sentence(choice),)

    @abstractmethod
    def stage(self, look: Look, attempt: Attempt) -> float:
        """How far the scene is now, 0 to 1; 1 means that everything is as it should be.

        It is asked ``judge.RATE_HZ`` times a second of simulated time, and may add to ``seen``.
        """
