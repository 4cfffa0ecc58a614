"""An episode that is to become part of a dataset: a table and videos that are made already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dreamzero_policy.datasets.layout import ACTION, AGES, STAMP, STATE, annotation_columns, schema
from dreamzero_policy.embodiments.embodiment import Embodiment

INSTRUCTION = "instruction"


@dataclass(frozen=True)
class SourceEpisode:
    """Files of an episode.

    Attributes:
        name: of what it was made from, for people.
        table: parquet with state, action, view ages, stamps and the instruction of each row.
        videos: by the view's key.
        rows: count.
        instructions: in the order in which they come.
        outcome: ``success``, ``failure`` or what else is known.
        idle: rows in which nothing moves.
        colours: by the view's key ``min``, ``max``, ``mean``, ``std`` per channel, and ``count``.
    """

    name: str
    table: Path
    videos: Mapping[str, Path]
    rows: int
    instructions: Sequence[str]
    outcome: str = "unknown"
    idle: Sequence[int] = ()
    colours: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)


def tasks_of(episodes: Sequence[SourceEpisode]) -> dict[str, int]:
    """Index by instruction, in the order in which they come."""
    texts = (text for episode in episodes for text in episode.instructions)
    return {text: at for at, text in enumerate(dict.fromkeys(texts))}


def table_of(
    robot: Embodiment,
    episode: SourceEpisode,
    number: int,
    first_index: int,
    tasks: Mapping[str, int],
) -> pa.Table:
    """The table that the dataset has of an episode.

    Args:
        robot: the layout.
        episode: its files.
        number: its index in the dataset.
        first_index: rows of all episodes before.
        tasks: index by instruction.
    """
    made = pq.read_table(episode.table)
    rows = made.num_rows
    if rows != episode.rows:
        raise ValueError(f"{episode.table}: expected {episode.rows} rows, got {rows}")
    texts = made[INSTRUCTION].to_pylist()
    task = pa.array([tasks[text] for text in texts], pa.int64())
    frame = np.arange(rows)
    columns = {
        STATE: made[STATE],
        ACTION: made[ACTION],
        AGES: made[AGES],
        STAMP: made[STAMP],
        "timestamp": pa.array((frame / robot.time_base.control_hz).astype(np.float32)),
        "frame_index": pa.array(frame),
        "episode_index": pa.array(np.full(rows, number)),
        "index": pa.array(first_index + frame),
        "task_index": task,
        **dict.fromkeys(annotation_columns(robot), task),
    }
    return pa.table(columns).cast(schema(robot))


def episode_entry(number: int, episode: SourceEpisode) -> dict[str, object]:
    """The episode's line of ``episodes.jsonl``."""
    entry: dict[str, object] = {
        "episode_index": number,
        "tasks": list(episode.instructions),
        "length": episode.rows,
        "source": episode.name,
    }
    if episode.outcome in ("success", "failure"):
        entry["success"] = episode.outcome == "success"
    return entry
