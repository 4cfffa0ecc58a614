"""Which attempts an evaluation is made of, and their rows, which survive an interruption."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dreamzero_policy.control.settings import ControllerSettings

SETTINGS, ROWS = "evaluation.json", "rollouts.jsonl"
SPLITS = ("seen", "unseen", "all")
"""Instructions that are tried, by their sentence; in other words nothing is asked for here."""

_SINCE: dict[str, Any] = {"controller": {}}
"""What settings were before they could be chosen."""

FIRST_SEED = 100_000
"""Of the first scene: demonstrations count from 0, so no scene of theirs is tried again."""


@dataclass(frozen=True)
class Wanted:
    """What is evaluated.

    Attributes:
        robot: name of the embodiment.
        tasks: names.
        splits: ``seen``, ``unseen`` or ``all``, each by itself.
        rollouts: of each task in each split.
        first_seed: of the scenes.
        through: ``virtual`` or ``nodes``.
        latency_s: from observation to chunk, in virtual time [s].
        replan_frames: canvases from one call to the next.
        time_limit_s: of an attempt [s]; 0 for the task's own.
        picture_width: of the simulated cameras [px]; 0 for their own.
        controller: settings of the controller by name that are not its defaults, in virtual time.

    Raises:
        ValueError: nothing to do, or a number that makes no sense.
    """

    robot: str
    tasks: tuple[str, ...]
    splits: tuple[str, ...] = ("seen", "unseen")
    rollouts: int = 8
    first_seed: int = FIRST_SEED
    through: str = "virtual"
    latency_s: float = 0.2
    replan_frames: int = 3
    time_limit_s: float = 0.0
    picture_width: int = 0
    controller: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the values."""
        for name in ("tasks", "splits"):
            values = tuple(getattr(self, name))
            if not values or len(set(values)) != len(values):
                raise ValueError(f"{name}: expected some, each once, got {list(values)}")
            object.__setattr__(self, name, values)
        if others := set(self.splits) - set(SPLITS):
            raise ValueError(f"splits: expected of {', '.join(SPLITS)}, got {sorted(others)}")
        if not 1 <= self.rollouts <= 10_000:
            raise ValueError(f"rollouts: expected 1 to 10000, got {self.rollouts}")
        if self.first_seed < 0:
            raise ValueError(f"first seed: expected 0 or more, got {self.first_seed}")
        if self.through not in ("virtual", "nodes"):
            raise ValueError(f"through: expected virtual or nodes, got {self.through!r}")
        if self.controller and self.through != "virtual":
            raise ValueError("controller settings: expected none through nodes: edit their files")
        self.controller_settings  # noqa: B018 - what is wrong shows now

    @property
    def controller_settings(self) -> ControllerSettings:
        """All settings of the controller.

        Raises:
            ValueError: an unknown name, or a value that makes no sense.
        """
        known = [each.name for each in fields(ControllerSettings)]
        for name in self.controller:
            if name not in known:
                raise ValueError(f"controller: expected one of {known}, got {name!r}")
        return ControllerSettings(**self.controller)


@dataclass(frozen=True)
class Try:
    """One attempt to be made.

    Attributes:
        policy: label of who tries.
        split: that it counts in.
        task, seed, choice: of the scene and the instruction.
    """

    policy: str
    split: str
    task: str
    seed: int
    choice: int

    @property
    def name(self) -> str:
        """For files."""
        return f"{self.policy}_{self.task}_{self.split}_{self.seed}"


@dataclass(frozen=True)
class Row:
    """What an attempt came to.

    Attributes:
        policy, split, task, seed, choice: as of ``Try``.
        instruction: what was asked for.
        success: whether it was done.
        progress: how far it came, 0 to 1.
        seconds, time_limit_s: how long it took, and might have [s].
        film: beside the page; empty where there is none.
        trouble: why it ended before its time.
        figures: what else is known, by name.
    """

    policy: str
    split: str
    task: str
    seed: int
    choice: int
    instruction: str
    success: bool
    progress: float
    seconds: float
    time_limit_s: float
    film: str = ""
    trouble: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """Which attempt it is of."""
        return self.policy, self.split, self.task, self.seed, self.choice


def tries(wanted: Wanted, policies: Sequence[str]) -> list[Try]:
    """Every attempt: all policies get the same scenes.

    Raises:
        ValueError: an unknown robot, task or split.
    """
    from sim_driver import tasks
    from sim_driver.models import robots
    from sim_driver.tasks.split import first_scenes

    robot = robots.get(wanted.robot)
    chosen = [tasks.get(name, robot) for name in wanted.tasks]
    return [
        Try(policy, split, scene.task, scene.seed, scene.choice)
        for policy in policies
        for task in chosen
        for split in wanted.splits
        for scene in first_scenes(robot, task, split, wanted.first_seed, wanted.rollouts)
    ]


class Store:
    """The rows of an evaluation in its folder.

    Args:
        folder: of the evaluation; made where it is not there.
        wanted: what is evaluated; more rollouts, tasks, splits and policies may be added later.
        policies: description by label.
        sources: by label, what decides how the policy acts.

    Attributes:
        folder: as given.
        policies: description by label, with those of earlier runs.
        rows: that are there.

    Raises:
        ValueError: the folder holds another evaluation, something else, or a damaged row.
    """

    def __init__(
        self, folder: Path, wanted: Wanted, policies: dict[str, str], sources: dict[str, str]
    ) -> None:
        self.folder = folder
        self.policies = self._claim(wanted, policies, sources)
        self.rows = list(read_rows(folder / ROWS))

    def missing(self, wanted: Iterable[Try]) -> list[Try]:
        """Attempts of which there is no row."""
        known = {row.key for row in self.rows}
        return [
            one
            for one in wanted
            if (one.policy, one.split, one.task, one.seed, one.choice) not in known
        ]

    def add(self, row: Row) -> None:
        """Keeps a row: it survives whatever comes next."""
        with open(self.folder / ROWS, "a") as file:
            file.write(json.dumps(asdict(row)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.rows.append(row)

    def _claim(
        self, wanted: Wanted, policies: dict[str, str], sources: dict[str, str]
    ) -> dict[str, str]:
        """Writes down what the folder is for, or checks that it is for this."""
        path = self.folder / SETTINGS
        plain = json.loads(json.dumps(asdict(wanted)))
        if path.exists():
            try:
                known = json.loads(path.read_text())
                before, named, given = known["wanted"], known["policies"], known["sources"]
            except (ValueError, KeyError) as error:
                raise ValueError(
                    f"{path}: expected an evaluation's settings, got {error!r}"
                ) from error
            free = {"tasks", "splits", "rollouts"}
            for name, value in plain.items():
                if name not in free and before.get(name, _SINCE.get(name)) != value:
                    raise ValueError(
                        f"{self.folder} holds an evaluation with {name} {before.get(name)!r}, now "
                        f"{value!r}: take another folder"
                    )
            for label, what in sources.items():
                if given.get(label, what) != what:
                    raise ValueError(
                        f"{self.folder} holds another policy {label!r}: {given[label]}; now it is "
                        f"{what}: take another folder or another label"
                    )
            policies, sources = {**named, **policies}, {**given, **sources}
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise ValueError(f"{self.folder}: expected a new folder or one of an evaluation")
        self.folder.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        kept = {"wanted": plain, "policies": policies, "sources": sources}
        new.write_text(json.dumps(kept, indent=2) + "\n")
        os.replace(new, path)
        return policies


def read_rows(path: Path) -> Iterable[Row]:
    """Whole rows of a file; a last one that was cut off is left out, and taken away.

    Raises:
        ValueError: one in the middle cannot be read.
    """
    if not path.exists():
        return
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            yield Row(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: expected a rollout, got: {error}") from error
