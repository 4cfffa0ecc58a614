"""A study: arms that are compared, and what the paper claims of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from paper.recipes import Trial

Kind = Literal["higher", "keeps", "equal"]
Measure = Literal["success", "progress"]
MEASURES: tuple[Measure, ...] = ("success", "progress")


@dataclass(frozen=True)
class Arm:
    """One way of doing it: a row of the table."""

    name: str
    trial: Trial


@dataclass(frozen=True)
class Claim:
    """What should be found if the paper is right.

    Attributes:
        kind: ``higher``: ``one`` is above ``other``; ``keeps``: it has at least ``share`` of it;
            ``equal``: they differ by less than ``within``.
        one, other: names of arms.
        split: of the instructions.
        share: of ``keeps``.
        within: of ``equal``.
        paper: where it says so; empty for a question of ours.
    """

    kind: Kind
    one: str
    other: str
    split: str
    share: float = 1.0
    within: float = 0.1
    paper: str = ""

    @property
    def text(self) -> str:
        """One sentence."""
        if self.kind == "keeps":
            says = f"{self.one} keeps at least {100 * self.share:.0f} % of {self.other}"
        elif self.kind == "equal":
            points = f"{100 * self.within:.0f} points"
            says = f"{self.one} and {self.other} differ by less than {points}"
        else:
            says = f"{self.one} is above {self.other}"
        return f"{says} ({self.split} instructions)"


@dataclass(frozen=True)
class Study:
    """A comparison.

    Attributes:
        name: on the command line.
        title: for people.
        paper: what it found, with its numbers.
        differs: how this is not what the paper did.
        arms: rows of the table.
        claims: what is concluded about.
        splits: which instructions are tried.
    """

    name: str
    title: str
    paper: str
    differs: str
    arms: tuple[Arm, ...]
    claims: tuple[Claim, ...]
    splits: tuple[str, ...]

    def __post_init__(self) -> None:
        """Checks that claims speak of what is there.

        Raises:
            ValueError: they do not, or two arms have one name.
        """
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: expected each arm once, got {names}")
        for claim in self.claims:
            if not {claim.one, claim.other} <= set(names) or claim.split not in self.splits:
                raise ValueError(f"{self.name}: no such arms or split: {claim}")


@dataclass(frozen=True)
class Cell:
    """An arm under one seed."""

    study: Study
    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        """As ``--cells`` finds it."""
        return f"{self.study.name}/{self.arm.name}/{self.seed}"


def cells(studies: tuple[Study, ...], seeds: int) -> Iterator[Cell]:
    """Every cell, the first seed of everything before the second: a part of them is balanced."""
    for seed in range(seeds):
        for study in studies:
            for arm in study.arms:
                yield Cell(study, arm, seed)
