"""Demonstrations by the minute, converted: the data of a cell, made once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

from dreamzero_bringup.virtual.demonstrations import Wanted, demonstrate, orders
from dreamzero_policy import embodiments
from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.types import NS_PER_S
from paper.recipes import Recordings
from paper.sizes import Size
from sim_driver import tasks
from sim_driver.models import robots

Tell = Callable[[str, int, int], None]

_LONG_S = 30.0
"""Of a demonstration: so many as would be enough if all were so long are made before the length of
the others is guessed."""

_LEAST_HZ = 5
"""Of cameras that the recorder does not take for hanging; frames of long chunks are fewer."""


def dataset(asked: Recordings, size: Size, folder: Path, workers: int, tell: Tell) -> Path:
    """The converted recordings; what is there already is not made again.

    Args:
        asked: which.
        size: of their pictures.
        folder: in which bags and dataset are kept.
        workers: processes.
        tell: hears of the progress.

    Raises:
        ValueError: an unknown robot or task, or recordings that give no dataset.
    """
    out = folder / "dataset"
    if out.is_dir():  # it is there only when it is complete
        return out
    bags = folder / "bags"
    record(asked, size, bags, workers, tell)
    # A task of a few seconds gives episodes of few chunks; where the arm rests is part of it.
    # Simulated cameras do not hang, and the wrist of an arm that rests sees the same to the bit.
    views = tuple(view.name for view in embodiments.get(asked.robot).views)
    settings = ConversionSettings(
        asked.robot,
        keep_idle=True,
        idle_s=60.0,
        least_chunks=1.0,
        outcomes=("success",),
        still_views=views,
    )
    done = convert([bags], out, settings, count=workers, tell=tell)
    if done.dataset is None:
        raise ValueError(f"{bags}: no recording could be used: see {done.report}")
    return done.dataset


def record(asked: Recordings, size: Size, bags: Path, workers: int, tell: Tell) -> None:
    """The first so many demonstrations that are as long as asked for, together."""
    robot = embodiments.get(asked.robot)
    height, width = robot.native_size
    wide = size.picture_width
    wanted = Wanted(
        robot=asked.robot,
        tasks=asked.tasks,
        split=asked.split,
        picture_size=(wide * height // width, wide),
        camera_hz=max(_LEAST_HZ, round(robot.time_base.of_rows(size.chunk_rows).frame_hz)),
        instructions=size.instructions if _leave_scenes(asked) else 1,
        distinct=asked.distinct,
    )
    needed_s = 60 * asked.minutes
    count = math.ceil(needed_s / _LONG_S)
    while True:
        demonstrate(wanted, count, bags, workers=workers, tell=tell)
        lengths = [seconds(order.folder) for order in orders(wanted, count, bags)]
        if sum(lengths) >= needed_s:
            return
        mean = sum(lengths) / count
        count += max(1, math.floor((needed_s - sum(lengths)) / mean))


def _leave_scenes(asked: Recordings) -> bool:
    """Whether its tasks leave the scene as it was, so that more can be asked for in it."""
    robot = robots.get(asked.robot)
    return all(tasks.get(name, robot).leaves_scene for name in asked.tasks)


def minutes(dataset: Path) -> float:
    """How long a dataset is."""
    info = json.loads((dataset / "meta" / "info.json").read_text())
    return info["total_frames"] / info["fps"] / 60


def seconds(bag: Path) -> float:
    """How long a demonstration is."""
    with Episode(bag) as episode:
        return (episode.ending.ended_ns - episode.facts.started_ns) / NS_PER_S
