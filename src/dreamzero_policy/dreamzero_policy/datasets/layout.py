"""What a dataset's columns are called and mean, for LeRobot v2.1 and v3 and the reference's loader.

The columns have the model's own order, so that the slices of ``modality.json`` are contiguous and
in order. ``GEAR`` files are what the reference reads beside LeRobot's own (design: data.md 5.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from dreamzero_policy.embodiments.embodiment import Embodiment, Key
from dreamzero_policy.normalize import Statistics

STATE, ACTION, AGES, STAMP = "observation.state", "action", "view_ages", "stamp_ns"
PICTURES, ANNOTATION = "observation.images.", "annotation."
CHUNK = 1000
"""Episodes, or files, per folder."""


def video_key(view_key: str) -> str:
    """The column of a view, by the checkpoint's key of it."""
    return PICTURES + view_key


def annotation_columns(robot: Embodiment) -> tuple[str, ...]:
    """Columns of the instruction's index."""
    return tuple(ANNOTATION + key for key in robot.language_keys)


def schema(robot: Embodiment) -> pa.Schema:
    """Columns of the table, without the videos."""
    states, actions = len(robot.state_joints), len(robot.joints)
    return pa.schema(
        [
            (STATE, pa.list_(pa.float32(), states)),
            (ACTION, pa.list_(pa.float32(), actions)),
            (AGES, pa.list_(pa.float32(), len(robot.views))),
            (STAMP, pa.int64()),
            ("timestamp", pa.float32()),
            ("frame_index", pa.int64()),
            ("episode_index", pa.int64()),
            ("index", pa.int64()),
            ("task_index", pa.int64()),
            *((name, pa.int64()) for name in annotation_columns(robot)),
        ]
    )


def features(robot: Embodiment) -> dict[str, dict[str, Any]]:
    """``features`` of ``info.json``."""
    fps = robot.time_base.control_hz
    height, width = robot.native_size

    def plain(dtype: str, names: list[str] | None = None) -> dict[str, Any]:
        return {"dtype": dtype, "shape": [len(names) if names else 1], "names": names}

    found = {
        STATE: plain("float32", list(robot.state_joints)),
        ACTION: plain("float32", list(robot.action_joints)),
        AGES: plain("float32", [view.key for view in robot.views]),
        STAMP: plain("int64"),
        "timestamp": plain("float32"),
        **{k: plain("int64") for k in ("frame_index", "episode_index", "index", "task_index")},
        **{name: plain("int64") for name in annotation_columns(robot)},
    }
    for view in robot.views:
        found[video_key(view.key)] = {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": height,
                "video.width": width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "video.fps": fps,
                "video.channels": 3,
                "has_audio": False,
            },
        }
    return found


def modality(robot: Embodiment) -> dict[str, Any]:
    """``modality.json``: where each of the checkpoint's keys stands in the columns."""
    return {
        "state": _slices(robot.state_keys, STATE),
        "action": _slices(robot.action_keys, ACTION),
        "video": {view.key: {"original_key": video_key(view.key)} for view in robot.views},
        "annotation": {key: {"original_key": ANNOTATION + key} for key in robot.language_keys},
    }


def _slices(keys: tuple[Key, ...], column: str) -> dict[str, Any]:
    found, start = {}, 0
    for key in keys:
        found[key.name] = {
            "original_key": column,
            "start": start,
            "end": start + key.width,
            "rotation_type": None,
            "absolute": True,
            "dtype": "float32",
            "range": None,
        }
        start += key.width
    return found


def embodiment(robot: Embodiment) -> dict[str, Any]:
    """``embodiment.json``: robot and tag, and what the reference takes from elsewhere."""
    base = robot.time_base
    return {
        "robot_type": robot.name,
        "embodiment_tag": robot.tag,
        "control_hz": base.control_hz,
        "frame_stride": base.frame_stride,
        "actions_per_chunk": base.rows_per_chunk,
        "frames_per_chunk": base.frames_per_chunk,
        "relative_action_keys": [key.name for key in robot.action_keys if key.relative],
        "joints": [
            {"name": joint.name, "kind": joint.kind, "lower": joint.lower, "upper": joint.upper}
            for joint in robot.joints
        ],
    }


def stats_entry(statistics: Statistics) -> dict[str, list[float]]:
    """The six statistics as the metadata files have them."""
    names = ("max", "min", "mean", "std", "q01", "q99")
    return {name: getattr(statistics, name).tolist() for name in names}


def dead_columns(names: tuple[str, ...], statistics: Statistics) -> list[str]:
    """Columns that never moved: their 99th percentile is not above their first."""
    pairs = zip(names, statistics.q01, statistics.q99, strict=True)
    return [name for name, low, high in pairs if not high > low]


def info(
    robot: Embodiment, version: str, paths: Mapping[str, Any], counts: Mapping[str, int]
) -> dict[str, Any]:
    """``info.json``.

    Args:
        robot: the layout.
        version: of the format, for example ``v2.1``.
        paths: ``data_path``, ``video_path`` and what else the version has.
        counts: ``total_episodes``, ``total_frames``, ``total_tasks`` and what else.
    """
    return {
        "codebase_version": version,
        "robot_type": robot.name,
        **counts,
        "chunks_size": CHUNK,
        "fps": robot.time_base.control_hz,
        "splits": {"train": f"0:{counts['total_episodes']}"},
        **paths,
        "features": features(robot),
    }
