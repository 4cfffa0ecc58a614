"""Episodes in DROID's raw layout: a folder each, with ``trajectory.h5``, videos and metadata.

    <episode>/metadata_<id>.json          serial numbers of the cameras, the task
    <episode>/trajectory.h5               observation/robot_state: joint_positions and
                                          gripper_position; action: joint_position and
                                          gripper_position
    <episode>/recordings/MP4/<serial>.mp4 a frame per row

Positions are in rad; a gripper is 0 open and 1 closed, as the model has it (design: data.md 1.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from dreamzero_policy.datasets.errors import DatasetError, DatasetMismatchError
from dreamzero_policy.datasets.files import read_json
from dreamzero_policy.datasets.video import frame_count, frames
from dreamzero_policy.types import Float, Image

FPS = 15.0
_FILE = "trajectory.h5"
_CAMERAS = {"exterior_1": "ext1", "exterior_2": "ext2", "wrist": "wrist"}
_SLACK = 2
"""A video may be shorter by so many frames: the last rows are left out then."""


@dataclass(frozen=True)
class RawDroid:
    """One episode.

    Attributes:
        name: of its folder.
        fps: rows per second.
        joints: [L, 7] rad.
        gripper: [L].
        actions: [L, 8] joints and gripper as commanded; None where they were not kept.
        instruction: the task, empty where there is none.
        pictures: by view name, a function that begins to read its frames.
    """

    name: str
    fps: float
    joints: Float
    gripper: Float
    actions: Float | None
    instruction: str
    pictures: Mapping[str, Callable[[], Iterator[Image]]]


def is_raw_droid(folder: Path) -> bool:
    """Whether it is an episode of that layout or a folder of them."""
    return bool(episode_folders(folder))


def episode_folders(folder: Path) -> list[Path]:
    """Episodes in order of their names: the folder itself, or those below it."""
    if (folder / _FILE).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{_FILE}"))


def read_raw_droid(folder: Path, index: int) -> RawDroid:
    """An episode.

    Args:
        folder: of one episode or of several.
        index: which of them.

    Raises:
        DatasetError: there is none of that number, or a file is missing or damaged.
        DatasetMismatchError: a video does not fit the rows.
    """
    episodes = episode_folders(folder)
    if not 0 <= index < len(episodes):
        raise DatasetError(
            f"{folder}: expected an episode of 0 to {len(episodes) - 1}, got {index}"
        )
    episode = episodes[index]
    try:
        with h5py.File(episode / _FILE) as file:
            state = file["observation/robot_state"]
            joints = np.array(state["joint_positions"], dtype=np.float64)
            gripper = np.array(state["gripper_position"], dtype=np.float64).reshape(-1)
            actions = _actions(file)
    except (OSError, KeyError) as error:
        raise DatasetError(f"{episode / _FILE}: cannot be read: {error}") from error
    if joints.ndim != 2 or joints.shape[1] != 7 or gripper.shape != joints.shape[:1]:
        raise DatasetMismatchError(
            f"{episode / _FILE}: expected 7 joints and a gripper per row, got "
            f"{joints.shape} and {gripper.shape}"
        )
    facts = _facts(episode)
    videos = {view: _video(episode, facts, name) for view, name in _CAMERAS.items()}
    rows = min(len(joints), *(frame_count(path) for path in videos.values()))
    if rows < len(joints) - _SLACK or not rows:
        raise DatasetMismatchError(
            f"{episode}: expected a frame per row of {len(joints)}, got videos of {rows} frames"
        )
    return RawDroid(
        episode.name,
        FPS,
        joints[:rows],
        gripper[:rows],
        None if actions is None else actions[:rows],
        str(facts.get("current_task") or ""),
        {view: (lambda path=path: frames(path, count=rows)) for view, path in videos.items()},
    )


def _actions(file: h5py.File) -> Float | None:
    try:
        joints = np.array(file["action/joint_position"], dtype=np.float64)
        gripper = np.array(file["action/gripper_position"], dtype=np.float64)
    except KeyError:
        return None
    return np.column_stack((joints, gripper))


def _facts(episode: Path) -> dict:
    """What the metadata file says."""
    found = sorted(episode.glob("metadata_*.json"))
    if len(found) != 1:
        raise DatasetError(f"{episode}: expected one metadata_*.json, got {len(found)}")
    return read_json(found[0])


def _video(episode: Path, facts: Mapping, name: str) -> Path:
    """The video of a camera, by its serial number."""
    serial = facts.get(f"{name}_cam_serial")
    path = episode / "recordings" / "MP4" / f"{serial}.mp4"
    if not path.is_file():
        raise DatasetError(f"{path}: expected the video of camera {name}, got no file")
    return path
