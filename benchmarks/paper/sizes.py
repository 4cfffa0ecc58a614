"""How large the studies are: every number that costs time, once.

The numbers of data and of training are those of ``scripts/train_tiny.sh``, with which a policy came
to reach for what is named; smaller ones were seen to do next to nothing. With fewer than three
seeds of 40 rollouts a difference of 20 points cannot be told from luck.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

from dreamzero_policy.named_values import named_values

_MAY_BE_NONE = ("model", "rest_rows", "latency_s", "time_limit_s")


@dataclass(frozen=True)
class Size:
    """A size of the studies.

    Attributes:
        model: other sizes of the preset ``tiny``, as ``NAME=NUMBER``.
        picture_width: of simulated cameras [px], which are drawn at the rate of the network's
            frames, since the others are not seen.
        own_minutes: demonstrations of the robot that is tried: 1200 scenes of ``reach``.
        instructions: in a demonstration, one after another, where its tasks leave the scene alone.
        distinct: scenes of the repetitive data, each then shown a hundred times.
        new_minutes: of a new robot, as in the paper.
        video_minutes: of another robot's videos, as in the paper.
        vae_steps: of the decoder of the video VAE, which everything shares.
        decide_steps, decide_batch, decide_stride: of the first training, from actions alone: where
            to go, from where instructions begin.
        everywhere_steps: of the second one, from everywhere on the way.
        steps: of the third one, of video and actions: what studies differ in.
        tuning_steps: of one that begins from a trained network.
        batch: windows a step, but of the first training.
        chunk_rows: of the chunks of networks that begin from nothing, others keep theirs: 24 last
            1.6 s on a robot of 15 rows a second, 0.8 s on one of 30.
        rest_rows: by which a window may go on where the robot rests.
        stride: rows from where a window may begin to the next, but of the first training.
        chunks: in a window of those networks that have a history.
        start_rate, learning_rate: highest, of the first two trainings and of the others.
        evaluations: of the network per chunk: the four that the paper's system makes.
        guidance: 1 is none, which halves the work; the actions are not guided in any case.
        latency_s: from observation to chunk [s], as the paper asks for.
        replan_frames: canvases from one call to the next where a study says nothing.
        time_limit_s: of an attempt [s]; 0: the task's.
        seeds: trainings per arm: two leave no way to tell how much they differ.
        rollouts: attempts per cell and kind of instruction, over all tasks.
    """

    model: tuple[str, ...] = ()
    picture_width: int = 320
    own_minutes: float = 220.0
    instructions: int = 3
    distinct: int = 12
    new_minutes: float = 30.0
    video_minutes: float = 20.0
    vae_steps: int = 400
    decide_steps: int = 8000
    decide_batch: int = 8
    decide_stride: int = 48
    everywhere_steps: int = 7000
    steps: int = 3600
    tuning_steps: int = 1800
    batch: int = 16
    chunk_rows: int = 24
    rest_rows: int = 0
    stride: int = 12
    chunks: int = 2
    start_rate: float = 1e-3
    learning_rate: float = 7e-4
    evaluations: int = 4
    guidance: float = 1.0
    latency_s: float = 0.2
    replan_frames: int = 3
    time_limit_s: float = 0.0
    seeds: int = 3
    rollouts: int = 40

    def __post_init__(self) -> None:
        """Refuses what would make nothing.

        Raises:
            ValueError: a number that is not above 0, but for those that may be 0.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _MAY_BE_NONE:
                continue
            if not value > 0:
                raise ValueError(f"{field.name}: expected above 0, got {value}")

    def changed(self, changes: Sequence[str]) -> Self:
        """The same with other numbers.

        Args:
            changes: as ``NAME=NUMBER``; ``model=dim=96`` adds to the model's.

        Raises:
            ValueError: no such number, or none.
        """
        of_model = [change for change in changes if change.startswith("model=")]
        values = named_values([each for each in changes if each not in of_model], type(self))
        model = (*self.model, *(change.removeprefix("model=") for change in of_model))
        return dataclasses.replace(self, **{**values, "model": model})

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return json.loads(json.dumps(dataclasses.asdict(self)))
