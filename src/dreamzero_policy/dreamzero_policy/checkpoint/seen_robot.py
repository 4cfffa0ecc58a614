"""A robot as a checkpoint sees it, from its settings alone, without weights and without torch.

The nodes beside the robot have to serve canvases at the instants and in the size that the model was
trained on, and they are started before it is loaded, or on another host.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from dreamzero_policy.checkpoint.fit import time_base, view_size
from dreamzero_policy.checkpoint.robot_facts import Experiment
from dreamzero_policy.checkpoint.upstream_config import read_config
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.model.presets import preset

_RANDOM = re.compile(r"random:(\w+)(?::\d+)?")


def seen(source: str, robot: Embodiment, chunk_rows: int = 0) -> Embodiment:
    """A robot with the time base and the size of a view of a checkpoint.

    Args:
        source: a checkpoint's folder, or ``random:PRESET`` as ``load`` takes it.
        robot: the robot.
        chunk_rows: rows of a chunk of random weights, which take any; 0 for the robot's.

    Raises:
        CheckpointError: the folder does not say, or knows no such robot.
        ValueError: no such preset, or rows that do not divide into frames.
    """
    if named := _RANDOM.fullmatch(source):
        base = robot.time_base.of_rows(chunk_rows) if chunk_rows else robot.time_base
        size = view_size(preset(named[1]), robot)
        return replace(robot, time_base=base, view_size=size)
    directory = Path(source).expanduser()
    config, facts = read_config(directory).model, Experiment.read(directory).robot(robot.tag)
    return replace(
        robot,
        time_base=time_base(config, facts),
        view_size=facts.view_size or robot.view_size,
    )
