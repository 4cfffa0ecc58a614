"""Carries recipes out, each thing once: a run that was ended goes on where it was.

WORK/<what all cells share>/data/<recordings>/       bags and dataset
                           /vae/                     the video VAE of all networks
                           /latents/                 what its encoders made of the data
                           /trainings/<recipe>/      what all seeds begin with
                           /trainings/<recipe>_s0/   a run of ``dreamzero train``
                           /trials/<recipe>_s0/      an evaluation: rollouts and a page
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from dreamzero_bringup.evaluation.plan import FIRST_SEED, ROWS, Row, Wanted, read_rows
from dreamzero_bringup.evaluation.run import evaluate
from dreamzero_bringup.evaluation.specs import Spec, parse
from dreamzero_policy.miniature.train_vae import VaeRun, train_vae
from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.runs.start import start_of
from dreamzero_policy.training.config import TINY, TrainConfig
from dreamzero_policy.training.train import Run, train
from paper.recipes import Recordings, Training, Trial
from paper.recorded import dataset
from paper.studies import World

Say = Callable[[str], None]
Tell = Callable[[str, int, int], None]

_SHARED = (
    "model",
    "picture_width",
    "instructions",
    "chunk_rows",
    "rest_rows",
    "vae_steps",
    "start_rate",
    "learning_rate",
)
"""Of the size, what all cells have in common."""

_VIDEO_WEIGHT, _ACTION_WEIGHT = 0.1, 16.0
"""Large enough an error of actions beside the many values of a picture."""

_APART = 10_000
"""Scenes between those of two seeds."""


class StoppedError(Exception):
    """Somebody asked a training to stop; the same command goes on."""


@dataclass(frozen=True)
class Work:
    """The folder in which everything is made.

    Attributes:
        top: of all sizes.
        world: what the studies are about.
        workers: processes of recording, converting and trying.
        say, tell: hear lines for people, and of the progress.
        policy: a checkpoint that stands for the base network of every seed: then seeds of what it
            does differ in their scenes alone. None: the base is trained, too.
        start: a checkpoint that stands for what all networks that learn from the robot's own data
            begin with. None: it is trained.
        given: datasets of the robot that stand for what would be recorded of it, where scenes are
            new every time; in a mixture all of them together count as one. Empty: it is recorded.
        encoders: a checkpoint of ``dreamzero train-vae`` from which all networks begin. None: the
            VAE is trained, too.

    Raises:
        ValueError: there is no such checkpoint or dataset.
    """

    top: Path
    world: World
    workers: int = 1
    say: Say = print
    tell: Tell = lambda *_: None
    policy: Path | None = None
    start: Path | None = None
    given: tuple[Path, ...] = ()
    encoders: Path | None = None

    def __post_init__(self) -> None:
        """Looks for what is given."""
        for name in ("policy", "start", "encoders"):
            folder = getattr(self, name)
            if folder is not None and not (folder / "config.json").is_file():
                raise ValueError(f"{name}: expected a checkpoint's folder, got {folder}")
        if self.encoders is not None and not start_of(str(self.encoders)).untrained:
            raise ValueError(
                f"encoders: expected an untrained network beside them, got {self.encoders}"
            )
        for folder in self.given:
            if not (folder / "meta" / "info.json").is_file():
                raise ValueError(f"data: expected a dataset's folder, got {folder}")

    @cached_property
    def folder(self) -> Path:
        """Of everything that was made with the same pictures, VAE and sizes of the network."""
        size = self.world.size
        checkpoints = {name: getattr(self, name) for name in ("policy", "start", "encoders")}
        shared = {
            "robots": [self.world.robot, self.world.other],
            "tasks": self.world.tasks,
            "minutes": [size.own_minutes, size.new_minutes],
            **({"data": [str(path.resolve()) for path in self.given]} if self.given else {}),
            **{name: parse(str(path)).identity for name, path in checkpoints.items() if path},
            **{name: size.plain()[name] for name in _SHARED},
        }
        digest = sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:8]
        return self.top.expanduser().resolve() / f"{'_'.join(self.world.tasks)}_{digest}"

    def data_folder(self, asked: Recordings) -> Path:
        """Where recordings and their dataset are."""
        return self.folder / "data" / asked.name

    def training_folder(self, training: Training, seed: int) -> Path:
        """Where a run is."""
        one = training.name if training.start else f"{training.name}_s{seed}"
        return self.folder / "trainings" / one

    def trial_folder(self, trial: Trial, seed: int) -> Path:
        """Where an evaluation is."""
        return self.folder / "trials" / f"{trial.name}_s{seed}"

    @property
    def vae_checkpoint(self) -> Path:
        """The trained VAE beside an untrained network."""
        return self.encoders or self.folder / "vae" / "checkpoint"

    def data(self, asked: Recordings) -> tuple[Path, ...]:
        """Datasets, made where they are not there."""
        if self.is_given(asked):
            return self.given
        folder, size = self.data_folder(asked), self.world.size
        return (dataset(asked, size, folder, self.workers, self.tell),)

    def is_given(self, asked: Recordings) -> bool:
        """Whether datasets of the user's stand for these recordings."""
        return bool(self.given) and asked == self.world.own

    def vae(self) -> Path:
        """What every network begins from."""
        if self.vae_checkpoint.is_dir():
            return self.vae_checkpoint
        world = self.world
        specs = tuple(
            DatasetSpec(path) for asked in (world.own, world.new) for path in self.data(asked)
        )
        self.say("video VAE")
        run = VaeRun(
            self.folder / "vae",
            specs,
            model_changes=world.size.model,
            steps=world.size.vae_steps,
            chunk_rows=world.size.chunk_rows,
        )
        return train_vae(run, tell=self.tell)

    def checkpoint(self, training: Training, seed: int) -> Path:
        """A trained network, and before it those that it begins from.

        Raises:
            StoppedError: a signal came.
        """
        for one in self.chain(training):
            folder = self.training_folder(one, seed)
            if self.checkpoint_folder(one, seed).is_dir():  # a run writes it at its end, whole
                continue
            if one.after is None:
                self.vae()
            run = Run(folder, self.config(one, seed), self._specs(one), cache=self._latents)
            self.say(f"training {folder.name}")
            if train(run, say=self.say, tell=self.tell).checkpoint is None:
                raise StoppedError(f"{folder.name}: the same command goes on")
        return self.checkpoint_folder(training, seed)

    def chain(self, training: Training) -> tuple[Training, ...]:
        """All that have to be made for a training, in order: none before one that is given."""
        chain = training.chain
        there = [place for place, one in enumerate(chain, start=1) if self._given(one) is not None]
        return chain[max(there, default=0) :]

    def config(self, training: Training, seed: int) -> TrainConfig:
        """Settings of a run: those that made the small policy that is shipped."""
        before, size = training.after, self.world.size
        begins = self.checkpoint_folder(before, seed) if before else self.vae_checkpoint
        return replace(
            TINY,
            init=str(begins),
            steps=training.steps,
            batch=training.batch,
            chunks=training.chunks,
            base_stride=training.stride,
            rest_rows=size.rest_rows,
            noise=training.noise,
            predict_video=training.video and not training.start,
            video_weight=_VIDEO_WEIGHT,
            action_weight=_ACTION_WEIGHT,
            weighting="even",
            prompt_dropout=0.0,
            balanced=len(training.parts) > 1,
            statistics="checkpoint" if self._knows(training) else "data",
            learning_rate=size.start_rate if training.start else size.learning_rate,
            ema=0.998 if training.start else 0.995,
            smoke_steps=0,
            panels_every=0,
            seed=1 if training.start else 1 + seed,
        )

    def checkpoint_folder(self, training: Training, seed: int) -> Path:
        """Where the checkpoint is, or will be."""
        return self._given(training) or self.training_folder(training, seed) / "checkpoint"

    def rows(self, trial: Trial, seed: int, rollouts: int, splits: Sequence[str]) -> list[Row]:
        """The rollouts of a cell, made where they are not there."""
        found = self.made(trial, seed)
        if all(sum(row.split == split for row in found) >= rollouts for split in splits):
            return found
        spec = Spec("policy", str(self.checkpoint(trial.training, seed)), dict(trial.engine))
        folder = self.trial_folder(trial, seed)
        wanted = self.wanted(trial, seed, rollouts, splits)
        self.say(f"trying {folder.name}")
        evaluate(wanted, [spec], folder, workers=self.workers, films=1, tell=self.tell)
        return self.made(trial, seed)

    def made(self, trial: Trial, seed: int) -> list[Row]:
        """The rollouts of a cell that are there."""
        return list(read_rows(self.trial_folder(trial, seed) / ROWS))

    def wanted(self, trial: Trial, seed: int, rollouts: int, splits: Sequence[str]) -> Wanted:
        """The evaluation of a cell: a seed has scenes of its own, the same for every arm."""
        return Wanted(
            robot=trial.robot,
            tasks=trial.tasks,
            splits=tuple(splits),
            rollouts=math.ceil(rollouts / len(trial.tasks)),
            first_seed=FIRST_SEED + _APART * seed,
            latency_s=trial.latency_s,
            replan_frames=trial.replan_frames,
            time_limit_s=trial.time_limit_s,
            picture_width=trial.picture_width,
            controller=dict(trial.controller),
        )

    def _given(self, training: Training) -> Path | None:
        """The checkpoint that stands for a training, where there is one."""
        if training == self.world.base and self.policy is not None:
            return self.policy
        return self.start if training == self.world.base.after else None

    @property
    def _latents(self) -> Path:
        return self.folder / "latents"

    def _specs(self, training: Training) -> tuple[DatasetSpec, ...]:
        parts = ((self.data(part.recordings), part.actions) for part in training.parts)
        return tuple(
            DatasetSpec(path, weight=1 / len(paths), actions=actions)
            for paths, actions in parts
            for path in paths
        )

    def _knows(self, training: Training) -> bool:
        """Whether what a training begins from knows the robot that it trains."""
        before = training.after
        return before is not None and _robots(before) >= _robots(training)


def _robots(training: Training) -> set[str]:
    return {part.recordings.robot for part in training.parts if part.actions}
