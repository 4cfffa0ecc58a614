"""From the datasets of a run to batches: look through, compare, encode, normalise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.robot_facts import RobotFacts
from dreamzero_policy.datasets.errors import DatasetError
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.mixture.corpus import (
    Corpus,
    Item,
    Sampler,
    items_of,
    prompts_of,
    weights_of,
)
from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.mixture.latents import LatentCache
from dreamzero_policy.mixture.source import Cutting, Source, open_source, robot_of
from dreamzero_policy.mixture.vector_statistics import Found, merged, statistics_of, with_room
from dreamzero_policy.model.dreamzero import DreamZero
from dreamzero_policy.normalize import ModelVectors
from dreamzero_policy.runs.distributed import World
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.runs.start import Start
from dreamzero_policy.training.config import TrainConfig
from dreamzero_policy.training.export import facts_of

Say = Callable[[str], None]
"""Told a line for people."""

Tell = Callable[[str, int, int], None]
"""Hears of a stage, how many of its steps are done, and how many there are."""


@dataclass(frozen=True)
class Material:
    """The data of a run, looked through.

    Attributes:
        sources: the datasets.
        robots: those with actions, and what a checkpoint will say of them.
        training, validation: windows.
    """

    sources: Sequence[Source]
    robots: Sequence[tuple[Embodiment, RobotFacts]]
    training: Sequence[Item]
    validation: Sequence[Item]

    def corpus(
        self, items: Sequence[Item], cache: LatentCache, start: Start, config: TrainConfig
    ) -> Corpus:
        """Some of the windows as batches."""
        model = start.config
        sizes = model.max_state_dim, model.max_action_dim
        vectors = {
            robot.tag: ModelVectors(robot, facts.state_statistics, facts.action_statistics, *sizes)
            for robot, facts in self.robots
        }
        states = model.num_state_per_block
        return Corpus(items, cache, vectors, states, sizes, config.variants, config.prompt_dropout)

    def sampler(self, config: TrainConfig) -> Sampler:
        """Which windows each step has."""
        weights = weights_of(self.training, balanced=config.balanced)
        return Sampler(weights, [item.window.chunks for item in self.training], config.seed)


def robots_of(specs: Sequence[DatasetSpec], folder: Path | None) -> list[Embodiment]:
    """The robot of each dataset.

    Args:
        specs: the datasets.
        folder: where an installation keeps its robots' files.

    Raises:
        DatasetError: a dataset does not say whose it is.
        ValueError: no such robot.
    """
    return [embodiments.get(embodiments.locate(robot_of(spec), folder)) for spec in specs]


def chunk_rows_of(robots: Sequence[Embodiment], config: TrainConfig) -> int:
    """Rows of a chunk of a model that is trained from nothing.

    Raises:
        TrainingError: the robots divide time differently and nothing says how to.
    """
    if config.chunk_rows:
        return config.chunk_rows
    rows = {robot.name: robot.time_base.rows_per_chunk for robot in robots}
    if len(set(rows.values())) != 1:
        raise TrainingError(
            f"chunk_rows: the robots' chunks differ ({rows}): say which: --set chunk_rows=24"
        )
    return next(iter(rows.values()))


def look_through(
    specs: Sequence[DatasetSpec],
    robots: Sequence[Embodiment],
    start: Start,
    config: TrainConfig,
    tell: Tell,
) -> Material:
    """Opens the datasets and compares them with the model.

    Raises:
        TrainingError: something is wrong with them; the message has all of it.
    """
    most = config.chunks or start.config.max_chunk_size
    if most > start.config.max_chunk_size:
        raise TrainingError(
            f"chunks: expected at most {start.config.max_chunk_size} as the model takes, got {most}"
        )
    cutting = Cutting(most, config.base_stride, config.held_out, config.most_idle, config.rest_rows)
    sources, wrong = [], []
    for spec, robot in zip(specs, robots, strict=True):
        try:
            source = open_source(spec, start.robot(robot), cutting, tell)
        except DatasetError as error:
            wrong.append(str(error))
            continue
        sources.append(source)
        wrong += [f"{spec.path}: {error}" for error in source.errors]
    robots_found: list[tuple[Embodiment, RobotFacts]] = []
    if not wrong:
        try:
            robots_found = _robots(sources, start, config)
        except DatasetError as error:
            wrong.append(str(error))
    if wrong:
        shown = wrong[:40] + ([f"and {len(wrong) - 40} more"] if len(wrong) > 40 else [])
        raise TrainingError("the data cannot be trained on:\n  " + "\n  ".join(shown))
    training = items_of(sources, held_out=False)
    if not training:
        raise TrainingError("every episode is held out for validation: lower held_out")
    return Material(sources, robots_found, training, items_of(sources, held_out=True))


def _robots(
    sources: Sequence[Source], start: Start, config: TrainConfig
) -> list[tuple[Embodiment, RobotFacts]]:
    """Robots with actions and their statistics.

    Raises:
        DatasetError: statistics cannot be had.
        TrainingError: no dataset has actions and the checkpoint knows no robot.
    """
    by_tag: dict[str, list[Source]] = {}
    for source in sources:
        if source.spec.actions:
            by_tag.setdefault(source.robot.tag, []).append(source)
    found = []
    for tag, mine in by_tag.items():
        robot, told = mine[0].robot, start.robots.get(tag)
        if config.statistics == "checkpoint":
            if told is None:
                raise DatasetError(
                    f"statistics=checkpoint: {start.source} knows no robot {tag}, it knows "
                    f"{', '.join(start.robots) or 'none'}: --set statistics=data"
                )
            statistics: Found = dict(told.state_statistics), dict(told.action_statistics)
        else:
            parts = [statistics_of(one) for one in mine]
            statistics = with_room(merged(parts, [one.rows for one in mine]), robot)
        found.append((robot, facts_of(robot, start.config, statistics)))
    if not found and not start.robots:
        raise DatasetError("no dataset has actions: expected one at least, or a checkpoint's robot")
    if not found:  # video alone: the checkpoint still drives the robots that it drove
        tags = {each.tag: each for each in map(embodiments.get, embodiments.names())}
        known = [tags[tag] for tag in start.robots if tag in tags]
        found = [(start.robot(robot), start.robots[robot.tag]) for robot in known]
    return found


def encode_all(
    material: Material,
    cache: LatentCache,
    config: TrainConfig,
    world: World,
    tell: Tell,
) -> None:
    """Fills the cache with everything that is not there yet, each process its share.

    Raises:
        TrainingError, DatasetError: no space, or pictures that cannot be had.
    """
    items = [*material.training, *material.validation]
    by_episode: dict[tuple[int, int], list[Item]] = {}
    for item in items:
        by_episode.setdefault((id(item.source), item.episode.index), []).append(item)
    mine = list(by_episode.values())[world.rank :: world.size]
    prompts = prompts_of(items)[world.rank :: world.size]
    total = config.variants * sum(map(len, mine)) + len(prompts)
    done = 0
    error: Exception | None = None
    try:
        for prompt in prompts:
            cache.prepare_prompt(prompt)
            done += 1
        for group in mine:
            windows = sorted({item.window for item in group})
            source, episode = group[0].source, group[0].episode
            for _ in cache.prepare_windows(source, episode, windows, config.variants):
                done += 1
                tell("encoding", done, total)
    except (TrainingError, DatasetError) as caught:
        error = caught
    world.agree(error)


def encoder_dtype(device: torch.device) -> torch.dtype:
    """What the frozen parts work in."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def by_robot(material: Material) -> Mapping[str, int]:
    """Windows for training by the robot's name."""
    counts: dict[str, int] = {}
    for item in material.training:
        counts[item.source.robot.name] = counts.get(item.source.robot.name, 0) + 1
    return counts


def encoders_of(start: Start, device: torch.device) -> DreamZero:
    """The frozen parts on a device."""
    return start.encoders(device, encoder_dtype(device))
