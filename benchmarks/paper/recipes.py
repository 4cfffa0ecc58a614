"""What a cell is made from, as plain values: recordings, trainings, trials.

Equal recipes are the same thing: whoever asks for one finds what another study made. A recipe's key
is a hash of all that it says, so a change makes something new and spoils nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

Settings = tuple[tuple[str, Any], ...]
"""Names and values, in a form that can be hashed."""


def settings(**values: Any) -> Settings:
    """Settings by name."""
    return tuple(sorted(values.items()))


def key(recipe: object) -> str:
    """Ten digits that stand for a recipe."""
    text = json.dumps(dataclasses.asdict(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Recordings:
    """Scripted demonstrations, recorded and converted.

    Attributes:
        robot: who does them.
        tasks: which; recordings take turns.
        minutes: how much, as recorded.
        split: whose instructions, as of ``dreamzero demonstrate``.
        distinct: scenes that are done again and again; 0: every one is another.
    """

    robot: str
    tasks: tuple[str, ...]
    minutes: float
    split: str = "taught"
    distinct: int = 0

    @property
    def name(self) -> str:
        """For folders."""
        kind = f"{self.split}{f'_{self.distinct}_scenes' if self.distinct else ''}"
        return f"{self.robot}_{'_'.join(self.tasks)}_{kind}_{key(self)}"


@dataclass(frozen=True)
class Part:
    """Recordings in a mixture; without ``actions`` their video alone is learned."""

    recordings: Recordings
    actions: bool = True


@dataclass(frozen=True)
class Training:
    """How a network comes about.

    Attributes:
        parts: what it learns from; several are drawn equally often.
        steps: of the optimizer.
        batch: windows a step.
        chunks: in a window at most.
        stride: every how many rows a window may begin.
        noise: how levels are drawn (``dreamzero_policy.training``).
        video: whether it predicts video; without, no noisy frames are in its sequence.
        start: whether it is one that all seeds begin with, which learns where to go from actions
            alone, without video.
        after: what it begins from; None: random weights.
    """

    parts: tuple[Part, ...]
    steps: int
    batch: int
    chunks: int
    stride: int
    noise: str = "standard"
    video: bool = True
    start: bool = False
    after: Training | None = None

    @property
    def name(self) -> str:
        """For folders."""
        kind = "start" if self.start else self.noise
        return f"{self.parts[0].recordings.robot}_{kind}_{key(self)}"

    @property
    def chain(self) -> tuple[Training, ...]:
        """All that have to be made, in order."""
        return (*(self.after.chain if self.after else ()), self)


@dataclass(frozen=True)
class Trial:
    """How a trained network is tried.

    Attributes:
        training: whose checkpoint.
        robot, tasks: at what.
        replan_frames: canvases from one call to the next.
        latency_s: from observation to chunk [s].
        time_limit_s: of an attempt [s]; 0: the task's.
        picture_width: of simulated cameras [px].
        engine, controller: settings that are not the defaults.
    """

    training: Training
    robot: str
    tasks: tuple[str, ...]
    replan_frames: int
    latency_s: float
    time_limit_s: float
    picture_width: int
    engine: Settings = ()
    controller: Settings = ()

    @property
    def name(self) -> str:
        """For folders."""
        return f"{self.robot}_{'_'.join(self.tasks)}_{key(self)}"

    def otherwise(self, engine: Settings = (), controller: Settings = (), **changes: Any) -> Trial:
        """The same with some settings more or other."""
        return dataclasses.replace(
            self,
            engine=settings(**{**dict(self.engine), **dict(engine)}),
            controller=settings(**{**dict(self.controller), **dict(controller)}),
            **changes,
        )
