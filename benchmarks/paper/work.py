"""Carries recipes out, each thing once: a run that was ended goes on where it was.

WORK/<what all cells share>/data/<recordings>/       bags and dataset
                           /vae/                     the video VAE of all networks
                           /latents/                 what its encoders made of the data
                           /trainings/<recipe>_s0/   a run of ``dreamzero train``
                           /trials/<recipe>_s0/      an evaluation: rollouts and a page
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from dreamzero_bringup.evaluation.plan import FIRST_SEED, ROWS, Row, Wanted, read_rows
from dreamzero_bringup.evaluation.run import evaluate
from dreamzero_bringup.evaluation.specs import Spec
from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.training.config import TINY, TrainConfig
from dreamzero_policy.training.train import Run, train
from dreamzero_policy.training.train_vae import VaeRun, train_vae
from paper.recipes import Recordings, Training, Trial
from paper.recorded import CHUNK_ROWS, dataset
from paper.studies import World

Say = Callable[[str], None]
Tell = Callable[[str, int, int], None]

_SHARED = ("model", "vae_steps", "learning_rate", "picture_width")
"""Of the size, what all cells have in common."""

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
    """

    top: Path
    world: World
    workers: int = 1
    say: Say = print
    tell: Tell = lambda *_: None

    @cached_property
    def folder(self) -> Path:
        """Of everything that was made with the same pictures, VAE and sizes of the network."""
        size = self.world.size
        shared = {
            "robots": [self.world.robot, self.world.other],
            "task": self.world.task,
            "minutes": [size.own_minutes, size.new_minutes],
            **{name: size.plain()[name] for name in _SHARED},
        }
        digest = sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:8]
        return self.top.expanduser().resolve() / f"{self.world.task}_{digest}"

    def data_folder(self, asked: Recordings) -> Path:
        """Where recordings and their dataset are."""
        return self.folder / "data" / asked.name

    def training_folder(self, training: Training, seed: int) -> Path:
        """Where a run is."""
        return self.folder / "trainings" / f"{training.name}_s{seed}"

    def trial_folder(self, trial: Trial, seed: int) -> Path:
        """Where an evaluation is."""
        return self.folder / "trials" / f"{trial.name}_s{seed}"

    @property
    def vae_checkpoint(self) -> Path:
        """The trained VAE beside an untrained network."""
        return self.folder / "vae" / "checkpoint"

    def data(self, asked: Recordings) -> Path:
        """A dataset, made where it is not there."""
        folder, size = self.data_folder(asked), self.world.size
        return dataset(asked, size, folder, self.workers, self.tell)

    def vae(self) -> Path:
        """What every network begins from."""
        if self.vae_checkpoint.is_dir():
            return self.vae_checkpoint
        world = self.world
        specs = tuple(DatasetSpec(self.data(asked)) for asked in (world.own, world.new))
        self.say("video VAE")
        run = VaeRun(
            self.folder / "vae",
            specs,
            model_changes=world.size.model,
            steps=world.size.vae_steps,
            chunk_rows=CHUNK_ROWS,
        )
        return train_vae(run, tell=self.tell)

    def checkpoint(self, training: Training, seed: int) -> Path:
        """A trained network, and before it those that it begins from.

        Raises:
            StoppedError: a signal came.
        """
        for one in training.chain:
            folder = self.training_folder(one, seed)
            found = folder / "checkpoint"
            if found.is_dir():  # a run writes it at its end, whole
                continue
            run = Run(folder, self.config(one, seed), self._specs(one), cache=self._latents)
            self.say(f"training {folder.name}")
            if train(run, say=self.say, tell=self.tell).checkpoint is None:
                raise StoppedError(f"{folder.name}: the same command goes on")
        return found

    def config(self, training: Training, seed: int) -> TrainConfig:
        """Settings of a run: those of the preset ``tiny`` where a study says nothing."""
        before = training.after
        begins = self.checkpoint_folder(before, seed) if before else self.vae_checkpoint
        return replace(
            TINY,
            init=str(begins),
            steps=training.steps,
            batch=training.batch,
            chunks=training.chunks,
            noise=training.noise,
            video_weight=TINY.video_weight if training.video else 0.0,
            balanced=len(training.parts) > 1,
            statistics="checkpoint" if self._knows(training) else "data",
            learning_rate=self.world.size.learning_rate,
            smoke_steps=0,
            panels_every=0,
            seed=1 + seed,
        )

    def checkpoint_folder(self, training: Training, seed: int) -> Path:
        """Where the checkpoint is, or will be."""
        return self.training_folder(training, seed) / "checkpoint"

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
            tasks=(trial.task,),
            splits=tuple(splits),
            rollouts=rollouts,
            first_seed=FIRST_SEED + _APART * seed,
            latency_s=trial.latency_s,
            replan_frames=trial.replan_frames,
            time_limit_s=trial.time_limit_s,
            picture_width=trial.picture_width,
            controller=dict(trial.controller),
        )

    @property
    def _latents(self) -> Path:
        return self.folder / "latents"

    def _specs(self, training: Training) -> tuple[DatasetSpec, ...]:
        self.vae()
        return tuple(
            DatasetSpec(self.data(part.recordings), actions=part.actions) for part in training.parts
        )

    def _knows(self, training: Training) -> bool:
        """Whether what a training begins from knows the robot that it trains."""
        before = training.after
        return before is not None and _robots(before) >= _robots(training)


def _robots(training: Training) -> set[str]:
    return {part.recordings.robot for part in training.parts if part.actions}
