"""Metadata that both formats have: per-episode statistics, and what the reference reads beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dreamzero_policy.datasets.files import write_json, write_lines
from dreamzero_policy.datasets.layout import (
    dead_columns,
    embodiment,
    modality,
    stats_entry,
    video_key,
)
from dreamzero_policy.datasets.source_episode import SourceEpisode
from dreamzero_policy.datasets.statistics import DatasetStatistics, episode_statistics
from dreamzero_policy.embodiments.embodiment import Embodiment


def episode_stats(robot: Embodiment, episode: SourceEpisode, number: int) -> dict[str, Any]:
    """Statistics of an episode by feature, as LeRobot keeps them; those of videos per channel."""
    count = {"count": [episode.rows]}
    found: dict[str, Any] = {
        name: {**stats_entry(one), **count}
        for name, one in episode_statistics(robot, episode.table).items()
    }
    frames = np.arange(episode.rows, dtype=np.float64)
    found["frame_index"] = {**_of_column(frames), **count}
    found["episode_index"] = {**_of_column(np.full(episode.rows, float(number))), **count}
    for key, colours in episode.colours.items():
        found[video_key(key)] = {
            name: [[[value]] for value in values] if name != "count" else list(values)
            for name, values in colours.items()
        }
    return found


def write_gear(
    folder: Path,
    robot: Embodiment,
    episodes: Sequence[SourceEpisode],
    statistics: DatasetStatistics,
) -> list[str]:
    """Writes what the reference reads from ``meta/`` beside LeRobot's own files.

    Returns:
        Columns that never moved.
    """
    meta = folder / "meta"
    write_json(meta / "modality.json", modality(robot))
    for name, chosen in (
        ("relative_stats_dreamzero.json", statistics.relative),
        ("relative_horizon_stats_dreamzero.json", statistics.per_row),
    ):
        write_json(meta / name, {key: stats_entry(one) for key, one in chosen.items()})
    dead = [
        f"{column}: {name}"
        for column, names in (
            ("observation.state", robot.state_joints),
            ("action", robot.action_joints),
        )
        for name in dead_columns(names, statistics.columns[column])
    ]
    write_json(meta / "embodiment.json", {**embodiment(robot), "dead_columns": dead})
    if any(episode.idle for episode in episodes):
        # Every episode must be listed, or the reference's loader counts wrongly.
        write_lines(
            meta / "step_filter.jsonl",
            (
                {"episode_index": number, "step_indices": list(episode.idle)}
                for number, episode in enumerate(episodes)
            ),
        )
    return dead


def _of_column(values: np.ndarray) -> dict[str, list[float]]:
    return {
        "min": [float(values.min())],
        "max": [float(values.max())],
        "mean": [float(values.mean())],
        "std": [float(values.std())],
    }
