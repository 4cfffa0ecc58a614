"""A training run from its first look at the data to its checkpoint.

    FOLDER/run.json       what the run is
    FOLDER/log.jsonl      losses, one line per logged step
    FOLDER/panels/        predicted and true videos and actions
    FOLDER/states/        what the run goes on from after a kill
    FOLDER/cache/         what the frozen encoders made, unless it is elsewhere
    FOLDER/checkpoint/    what a robot loads

Whatever ends it, the same command goes on where the last state is, to the same weights bit by bit.
"""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.mixture.latents import LatentCache
from dreamzero_policy.runs.distributed import World, join, leave
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.runs.run_folder import claimed, remember
from dreamzero_policy.runs.saving import States
from dreamzero_policy.runs.start import Start, start_of
from dreamzero_policy.runs.tracker import Tracker, open_trackers
from dreamzero_policy.training.config import TrainConfig
from dreamzero_policy.training.export import export
from dreamzero_policy.training.learner import Figures, Learner
from dreamzero_policy.training.loader import Loader
from dreamzero_policy.training.loss import VIDEO_LEFT
from dreamzero_policy.training.material import (
    Material,
    Say,
    Tell,
    chunk_rows_of,
    encode_all,
    encoders_of,
    look_through,
    robots_of,
)
from dreamzero_policy.training.memory import estimate
from dreamzero_policy.training.preflight import check_room, report
from dreamzero_policy.training.smoke import overfit_one_batch
from dreamzero_policy.training.watching import Watcher

_SAID = 10
"""One of so many logged steps is told to people."""


@dataclass(frozen=True)
class Run:
    """What a person asked for.

    Attributes:
        folder: of the run.
        config: how it learns.
        datasets: what from.
        model_changes: other sizes of a model that begins from random weights, as ``NAME=NUMBER``.
        cache: folder of what the encoders make; None: in the run's own.
        trackers: besides files.
        robots: folder of an installation's own robots.
        check_only: whether to stop before the first step.
    """

    folder: Path
    config: TrainConfig
    datasets: tuple[DatasetSpec, ...]
    model_changes: tuple[str, ...] = ()
    cache: Path | None = None
    trackers: tuple[str, ...] = ()
    robots: Path | None = field(default=None, compare=False)
    check_only: bool = False

    def settings(self) -> dict[str, Any]:
        """What decides the weights that come out."""
        return {
            **self.config.changes_the_curve,
            "datasets": [
                {**dataclasses.asdict(spec), "path": str(spec.path.resolve())}
                for spec in self.datasets
            ],
            "model_changes": list(self.model_changes),
        }


@dataclass(frozen=True)
class Outcome:
    """What a run gave.

    Attributes:
        checkpoint: what a robot loads; None where it was only checked or stopped before the end.
        steps: optimizer steps done.
        figures: of the last one; None where there was none.
    """

    checkpoint: Path | None
    steps: int
    figures: Figures | None


def train(run: Run, *, say: Say = lambda _: None, tell: Tell = lambda *_: None) -> Outcome:
    """Trains, or goes on.

    Args:
        run: what.
        say: hears lines for people, in the first process.
        tell: hears of the progress, in the first process.

    Raises:
        TrainingError: data, settings, disk or numbers that do not allow it; the last state and the
            checkpoint before are whole.
        CheckpointError: what it begins from cannot be used.
    """
    world = join(alone_in_mesh=run.config.precision == "bfloat16")
    if not world.first:
        say, tell = (lambda _: None), (lambda *_: None)
    try:
        with ExitStack() as stack:
            error: Exception | None = None
            try:
                if world.first:
                    stack.enter_context(claimed(run.folder))
                    remember(run.folder, run.settings())
            except TrainingError as caught:
                error = caught
            world.agree(error)
            return _train(run, world, say, tell)
    finally:
        leave()


def _train(run: Run, world: World, say: Say, tell: Tell) -> Outcome:
    config = run.config
    robots = robots_of(run.datasets, run.robots)
    rows = chunk_rows_of(robots, config) if config.init.startswith("random:") else config.chunk_rows
    start = start_of(config.init, run.model_changes, rows)
    material = look_through(run.datasets, robots, start, config, tell)
    say(report(material, start, config))
    estimated = estimate(start.config, config, world)
    say(estimated.table())
    estimated.check(world.device)
    check_room(run.folder, estimated, config)

    encoders = encoders_of(start, world.device)
    folder = run.cache or run.folder / "cache"
    cache = LatentCache(folder, encoders, to_the_end=config.predict_video)
    encode_all(material, cache, config, world, tell)
    cache.release_encoders()
    corpus = material.corpus(material.training, cache, start, config)
    loader = Loader(corpus, material.sampler(config), start.config, config, world)

    learner = Learner(start.config, config, start.reader(config.seed), world)
    states = States(run.folder / "states", world, config.keep)
    resumed = _resume(learner, states, config, say)
    if run.check_only or not resumed:
        overfit_one_batch(learner, loader, config, say, tell)
    if run.check_only:
        return Outcome(None, learner.step_number, None)
    watcher = Watcher(material, cache, start, config, world, encoders if world.first else None)
    del encoders
    tracker = _tracker(run, world, learner.step_number)
    figures = _steps(run, learner, loader, states, watcher, tracker, world, say, tell)
    if learner.step_number < config.steps:
        say(f"stopped after step {learner.step_number}: the same command goes on")
        return Outcome(None, learner.step_number, figures)
    checkpoint = _export(run, start, material, learner, world)
    say(f"{learner.step_number} steps: {checkpoint}")
    return Outcome(checkpoint, learner.step_number, figures)


def _resume(learner: Learner, states: States, config: TrainConfig, say: Say) -> bool:
    """Goes on from the newest state, if there is one."""
    steps = states.steps()
    if not steps:
        return False
    if steps[-1] > config.steps:
        raise TrainingError(f"steps: the run is at step {steps[-1]} already, got {config.steps}")
    states.load(steps[-1], learner.tensors())
    learner.go_on_from(steps[-1])
    say(f"goes on from step {steps[-1]}")
    return True


def _steps(
    run: Run,
    learner: Learner,
    loader: Loader,
    states: States,
    watcher: Watcher,
    tracker: Tracker | None,
    world: World,
    say: Say,
    tell: Tell,
) -> Figures | None:
    """The steps until the end, or until somebody asks to stop."""
    config, figures = run.config, None
    since, counted = time.monotonic(), learner.step_number
    batches = loader.from_step(learner.step_number)
    with _asked_to_stop() as asked:
        while learner.step_number < config.steps:
            figures = learner.step(next(batches), loader.parts)
            step = learner.step_number
            stop = bool(asked) if world.mesh is None else world.any(bool(asked))
            last = stop or step == config.steps
            if tracker and (step % config.log_every == 0 or last):
                now = time.monotonic()
                rate = config.batch * (step - counted) / (now - since)
                since, counted = now, step
                tracker.figures(step, {**figures._asdict(), "windows_per_s": rate})
            for name, value in watcher.look(learner, step, last=step == config.steps):
                if tracker and isinstance(value, Mapping):
                    tracker.figures(step, value)
                elif tracker:
                    tracker.picture(step, name, value)
            if step % config.save_every == 0 or last:
                states.save(step, learner.tensors(), {"figures": figures._asdict()})
            tell("training", step, config.steps)
            if step % (_SAID * config.log_every) == 0 or last:
                say(f"step {step}: loss {figures.loss:.4f}, gradient {figures.norm:.3f}")
            if stop:
                break
    batches.close()
    if tracker:
        tracker.close()
    return figures


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Signals that came; the step is finished and a state saved before the run ends."""
    came: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    try:
        before = {
            kind: signal.signal(kind, lambda number, _: came.append(number)) for kind in kinds
        }
    except ValueError:  # not in the main thread: whoever runs it ends it
        yield came
        return
    try:
        yield came
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _tracker(run: Run, world: World, step: int) -> Tracker | None:
    """Trackers of the first process; a problem of theirs stops all."""
    error, tracker = None, None
    if world.first:
        try:
            tracker = open_trackers(run.trackers, run.folder, step, run.settings())
        except TrainingError as caught:
            error = caught
    world.agree(error)
    return tracker


def _export(run: Run, start: Start, material: Material, learner: Learner, world: World) -> Path:
    """The checkpoint of the finished run; it says what inference must know of it."""
    chunks = run.config.chunks
    config = dataclasses.replace(
        start.config,
        final_video_sigma=VIDEO_LEFT.get(run.config.noise),
        trained_blocks=chunks if 0 < chunks < start.config.max_chunk_size else None,
        trained_video=run.config.predict_video,
        evaluations=run.config.evaluations or start.config.evaluations,
        # In training states see themselves alone, however the weights before it are run.
        state_attends_all=False,
    )
    start = dataclasses.replace(start, config=config)
    path, dtype = run.folder / "checkpoint", torch.bfloat16
    if run.config.precision == "float32":
        dtype = torch.float32
    about = {"steps": learner.step_number, **run.settings()}
    export(path, start, learner.network, learner.averaged, material.robots, about, world, dtype)
    return path
