"""Writes LeRobot v2.1: a table and a video per view for every episode, lists as JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from dreamzero_policy.datasets.files import write_json, write_lines
from dreamzero_policy.datasets.layout import CHUNK, info, stats_entry, video_key
from dreamzero_policy.datasets.metadata import episode_stats
from dreamzero_policy.datasets.source_episode import (
    SourceEpisode,
    episode_entry,
    table_of,
    tasks_of,
)
from dreamzero_policy.datasets.statistics import DatasetStatistics
from dreamzero_policy.embodiments.embodiment import Embodiment

VERSION = "v2.1"
DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"


def write(
    folder: Path,
    robot: Embodiment,
    episodes: Sequence[SourceEpisode],
    statistics: DatasetStatistics,
    place: Callable[[Path, Path], None],
) -> None:
    """Writes a dataset into an empty folder.

    Args:
        folder: of the dataset.
        robot: the layout.
        episodes: in order.
        statistics: of all of them.
        place: puts a file that is made already at a path.
    """
    tasks, index = tasks_of(episodes), 0
    for number, episode in enumerate(episodes):
        names = {"episode_chunk": number // CHUNK, "episode_index": number}
        path = folder / DATA.format(**names)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table_of(robot, episode, number, index, tasks), path)
        index += episode.rows
        for key, video in episode.videos.items():
            target = folder / VIDEO.format(**names, video_key=video_key(key))
            target.parent.mkdir(parents=True, exist_ok=True)
            place(video, target)
    meta = folder / "meta"
    meta.mkdir(parents=True)
    write_lines(meta / "episodes.jsonl", _each(episodes, episode_entry))
    write_lines(
        meta / "tasks.jsonl", ({"task_index": at, "task": text} for text, at in tasks.items())
    )
    write_lines(
        meta / "episodes_stats.jsonl",
        _each(
            episodes,
            lambda number, episode: {
                "episode_index": number,
                "stats": episode_stats(robot, episode, number),
            },
        ),
    )
    stats = {name: stats_entry(one) for name, one in statistics.columns.items()}
    write_json(meta / "stats.json", stats)
    counts = {
        "total_episodes": len(episodes),
        "total_frames": index,
        "total_tasks": len(tasks),
        "total_videos": len(episodes) * len(robot.views),
        "total_chunks": -(-len(episodes) // CHUNK),
    }
    paths = {"data_path": DATA, "video_path": VIDEO}
    write_json(meta / "info.json", info(robot, VERSION, paths, counts))


def _each(
    episodes: Sequence[SourceEpisode], entry: Callable[[int, SourceEpisode], dict]
) -> Iterable[dict]:
    return (entry(number, episode) for number, episode in enumerate(episodes))
