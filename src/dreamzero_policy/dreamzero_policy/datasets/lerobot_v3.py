"""Writes LeRobot v3: tables and videos of many episodes per file, lists as parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dreamzero_policy.datasets.files import write_json
from dreamzero_policy.datasets.layout import CHUNK, info, stats_entry, video_key
from dreamzero_policy.datasets.metadata import episode_stats
from dreamzero_policy.datasets.source_episode import SourceEpisode, table_of, tasks_of
from dreamzero_policy.datasets.statistics import DatasetStatistics
from dreamzero_policy.datasets.video import join
from dreamzero_policy.embodiments.embodiment import Embodiment

VERSION = "v3.0"
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
DATA = f"data/{_FILE}.parquet"
VIDEO = f"videos/{{video_key}}/{_FILE}.mp4"
EPISODES = f"meta/episodes/{_FILE}.parquet"
DATA_MB, VIDEO_MB = 100, 200
"""Largest files, of more than one episode."""


def write(
    folder: Path,
    robot: Embodiment,
    episodes: Sequence[SourceEpisode],
    statistics: DatasetStatistics,
    *,
    data_mb: float = DATA_MB,
    video_mb: float = VIDEO_MB,
) -> None:
    """Writes a dataset into an empty folder.

    Args:
        folder: of the dataset.
        robot: the layout.
        episodes: in order.
        statistics: of all of them.
        data_mb: a table of several episodes is not larger.
        video_mb: a video of several episodes is not larger.
    """
    tasks, fps = tasks_of(episodes), robot.time_base.control_hz
    entries = [_entry(number, episode) for number, episode in enumerate(episodes)]
    first, starts = 0, []
    for entry, episode in zip(entries, episodes, strict=True):
        entry["dataset_from_index"], entry["dataset_to_index"] = first, first + episode.rows
        starts.append(first)
        first += episode.rows
    tables = [episode.table for episode in episodes]
    for file, members in enumerate(_groups(tables, data_mb)):
        names = {"chunk_index": file // CHUNK, "file_index": file % CHUNK}
        path = folder / DATA.format(**names)
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = [table_of(robot, episodes[n], n, starts[n], tasks) for n in members]
        with pq.ParquetWriter(path, parts[0].schema) as writer:
            for part in parts:
                writer.write_table(part)
        for number in members:
            entries[number] |= {f"data/{name}": value for name, value in names.items()}
    for view in robot.views:
        key = video_key(view.key)
        videos = [episode.videos[view.key] for episode in episodes]
        for file, members in enumerate(_groups(videos, video_mb)):
            names = {"chunk_index": file // CHUNK, "file_index": file % CHUNK}
            path = folder / VIDEO.format(**names, video_key=key)
            path.parent.mkdir(parents=True, exist_ok=True)
            join([videos[number] for number in members], path, fps)
            frame = 0
            for number in members:
                entries[number] |= {f"videos/{key}/{name}": value for name, value in names.items()}
                entries[number][f"videos/{key}/from_timestamp"] = frame / fps
                frame += episodes[number].rows
                entries[number][f"videos/{key}/to_timestamp"] = frame / fps
    _write_lists(folder, robot, episodes, statistics, entries, tasks)


def _write_lists(
    folder: Path,
    robot: Embodiment,
    episodes: Sequence[SourceEpisode],
    statistics: DatasetStatistics,
    entries: list[dict[str, Any]],
    tasks: dict[str, int],
) -> None:
    """Everything in ``meta/``."""
    for number, (entry, episode) in enumerate(zip(entries, episodes, strict=True)):
        for feature, stats in episode_stats(robot, episode, number).items():
            entry |= {f"stats/{feature}/{name}": values for name, values in stats.items()}
        entry |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
    path = folder / EPISODES.format(chunk_index=0, file_index=0)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(entries), path)
    pq.write_table(_task_table(tasks), folder / "meta" / "tasks.parquet")
    frames = sum(episode.rows for episode in episodes)
    stats = {
        name: {**stats_entry(one), "count": [frames]} for name, one in statistics.columns.items()
    }
    write_json(folder / "meta" / "stats.json", {**stats, **_colours(episodes)})
    counts = {
        "total_episodes": len(episodes),
        "total_frames": frames,
        "total_tasks": len(tasks),
        "data_files_size_in_mb": DATA_MB,
        "video_files_size_in_mb": VIDEO_MB,
    }
    paths = {"data_path": DATA, "video_path": VIDEO}
    write_json(folder / "meta" / "info.json", info(robot, VERSION, paths, counts))


def _entry(number: int, episode: SourceEpisode) -> dict[str, Any]:
    return {
        "episode_index": number,
        "tasks": list(episode.instructions),
        "length": episode.rows,
        "source": episode.name,
        "outcome": episode.outcome,
    }


def _groups(paths: Sequence[Path], most_mb: float) -> Iterator[list[int]]:
    """Neighbours whose files together are not larger; a larger one is alone."""
    group, size = [], 0.0
    for number, path in enumerate(paths):
        megabytes = path.stat().st_size / 2**20
        if group and size + megabytes > most_mb:
            yield group
            group, size = [], 0.0
        group.append(number)
        size += megabytes
    if group:
        yield group


def _task_table(tasks: dict[str, int]) -> pa.Table:
    """Tasks with the text as what pandas calls the index, as LeRobot expects it."""
    table = pa.table({"task_index": list(tasks.values()), "task": list(tasks)})
    column = {"metadata": None, "field_name": "task_index", "name": "task_index"}
    note = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {**column, "pandas_type": "int64", "numpy_type": "int64"},
            {**column, "field_name": "task", "name": "task", "pandas_type": "unicode",
             "numpy_type": "object"},
        ],
        "pandas_version": "2.2.0",
    }  # fmt: skip
    return table.replace_schema_metadata({"pandas": json.dumps(note)})


def _colours(episodes: Sequence[SourceEpisode]) -> dict[str, Any]:
    """Statistics of the videos of the whole dataset, from those of its episodes."""
    found = {}
    for key in episodes[0].colours:
        parts = [episode.colours[key] for episode in episodes]
        counts = [part["count"][0] for part in parts]
        total, entry = sum(counts), {}
        per_channel = list(zip(*(part["mean"] for part in parts), strict=True))
        means = [sum(m * c for m, c in zip(ms, counts, strict=True)) / total for ms in per_channel]
        squares = [
            sum(
                (part["std"][channel] ** 2 + part["mean"][channel] ** 2) * count
                for part, count in zip(parts, counts, strict=True)
            )
            / total
            for channel in range(len(means))
        ]
        entry["mean"] = means
        pairs = zip(squares, means, strict=True)
        entry["std"] = [max(square - mean**2, 0.0) ** 0.5 for square, mean in pairs]
        for name, choose in (("min", min), ("max", max)):
            entry[name] = [choose(v) for v in zip(*(part[name] for part in parts), strict=True)]
        found[video_key(key)] = {
            **{name: [[[value]] for value in values] for name, values in entry.items()},
            "count": [total],
        }
    return found
