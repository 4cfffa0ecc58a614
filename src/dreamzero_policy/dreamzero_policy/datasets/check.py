"""Whether a dataset is what it says: every list, table and video compared with the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dreamzero_policy.datasets.layout import ACTION, STATE, annotation_columns, modality
from dreamzero_policy.datasets.lerobot_reader import LeRobotDataset
from dreamzero_policy.datasets.video import frame_count
from dreamzero_policy.embodiments.embodiment import Embodiment


def problems(folder: Path, robot: Embodiment) -> list[str]:
    """What is wrong with a dataset of ours, one sentence each.

    Raises:
        DatasetError: it cannot be read at all.
    """
    data, found = LeRobotDataset(folder), []
    if data.modality != modality(robot):
        found.append("modality.json is not that of the robot")
    columns = [STATE, ACTION, "timestamp", "index", *annotation_columns(robot)]
    first, lengths = 0, {}
    for number, entry in enumerate(data.episodes):
        if entry.index != number:
            found.append(f"expected episode {number}, got {entry.index}")
        table = data.table(entry.index, columns)
        index = table["index"].to_numpy()
        if not np.array_equal(index, np.arange(first, first + entry.length)):
            found.append(f"episode {number}: its rows are not numbered from {first} on")
        first += entry.length
        late = np.abs(table["timestamp"].to_numpy() - np.arange(entry.length) / data.fps).max()
        if late > 1e-3:
            found.append(f"episode {number}: a time is {1e3 * late:.1f} ms off the grid")
        for key in data.video_keys:
            path, _ = data.video(entry.index, key)
            lengths[path] = lengths.get(path, 0) + entry.length
    for path, expected in lengths.items():
        count = frame_count(path)
        if count != expected:
            found.append(f"{path.name}: expected {expected} frames, got {count}")
    total = sum(entry.length for entry in data.episodes)
    if (data.info["total_episodes"], data.info["total_frames"]) != (len(data.episodes), total):
        found.append("info.json counts other episodes or rows than there are")
    return found
