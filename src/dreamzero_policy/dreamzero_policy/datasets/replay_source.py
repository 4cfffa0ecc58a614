"""An episode of a dataset as a robot would show it: joints, pictures, instruction, row by row.

Where a dataset has the reference's ``modality.json`` its slices say what is what. Without, columns
are found by the joints' names, or by the checkpoint's keys as columns of their own
(``observation.state.joint_position``). Whatever cannot be found is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from dreamzero_policy.datasets.droid_raw import is_raw_droid, read_raw_droid
from dreamzero_policy.datasets.errors import DatasetError, DatasetMismatchError
from dreamzero_policy.datasets.layout import ACTION, PICTURES, STATE
from dreamzero_policy.datasets.lerobot_reader import LeRobotDataset
from dreamzero_policy.embodiments.embodiment import Embodiment, Key
from dreamzero_policy.types import Float, Image


@dataclass(frozen=True)
class ReplayEpisode:
    """An episode in the robot's terms.

    Attributes:
        name: for people.
        fps: rows per second.
        states: [L, S] model units.
        actions: [L, A] model units; None where the dataset has none of the robot's.
        instructions: L texts.
        pictures: by view name, a function that begins to read its L frames.
    """

    name: str
    fps: float
    states: Float
    actions: Float | None
    instructions: Sequence[str]
    pictures: Mapping[str, Callable[[], Iterator[Image]]]

    def __len__(self) -> int:
        return len(self.states)


def parse_cameras(texts: Sequence[str], robot: Embodiment) -> dict[str, str]:
    """Column by view of ``view=column`` texts.

    Raises:
        ValueError: a text of another form, or an unknown view.
    """
    views, found = [view.name for view in robot.views], {}
    for text in texts:
        view, _, column = (part.strip() for part in text.partition("="))
        if view not in views or not column:
            raise ValueError(f"camera: expected view=column with a view of {views}, got {text!r}")
        found[view] = column
    return found


def open_episode(
    folder: Path, robot: Embodiment, index: int, cameras: Mapping[str, str] | None = None
) -> ReplayEpisode:
    """An episode of a LeRobot dataset (v2.x, v3), or of a folder in DROID's raw layout.

    Args:
        folder: of the dataset, or of DROID's episodes.
        robot: what it is shown as.
        index: of the episode.
        cameras: the dataset's column of a view, where it is not the checkpoint's key.

    Raises:
        DatasetError: no such dataset or episode, or one that is damaged.
        DatasetMismatchError: it does not bring what the robot needs.
    """
    folder = Path(folder).expanduser()
    if is_raw_droid(folder):
        raw = read_raw_droid(folder, index)
        states = np.column_stack((raw.joints, raw.gripper))
        if states.shape[1] != len(robot.state_joints) or robot.tag != "oxe_droid":
            raise DatasetMismatchError(
                f"{folder}: expected episodes of {robot.name}, got DROID's: 7 joints and a gripper"
            )
        return ReplayEpisode(
            raw.name, raw.fps, states, raw.actions, (raw.instruction,) * len(states), raw.pictures
        )
    data = LeRobotDataset(folder)
    entry, table = data.episode(index), data.table(index)
    columns = camera_columns(data, robot, cameras or {})
    return ReplayEpisode(
        name=f"{folder.name}, episode {entry.index}",
        fps=data.fps,
        states=vectors(data, table, "state", robot.state_keys, robot.state_joints),
        actions=_actions(data, table, robot),
        instructions=data.instructions(index),
        pictures={
            view: (lambda key=column: data.pictures(index, key)) for view, column in columns.items()
        },
    )


def _actions(data: LeRobotDataset, table: pa.Table, robot: Embodiment) -> Float | None:
    try:
        return vectors(data, table, "action", robot.action_keys, robot.action_joints)
    except DatasetMismatchError:
        return None  # a replay needs none: they are shown beside what the policy says


def camera_columns(
    data: LeRobotDataset, robot: Embodiment, given: Mapping[str, str]
) -> dict[str, str]:
    """The dataset's column of every view.

    Raises:
        DatasetMismatchError: a view has none.
    """
    video = (data.modality or {}).get("video", {})
    found = {}
    for view in robot.views:
        entry = video.get(view.key, {})
        wanted = given.get(view.name) or entry.get("original_key") or PICTURES + view.key
        if wanted not in data.video_keys:
            raise DatasetMismatchError(
                f"{data.folder}: expected a video {wanted!r} for view {view.name}, got "
                f"{', '.join(data.video_keys) or 'no videos'}: say --camera {view.name}=COLUMN"
            )
        found[view.name] = wanted
    return found


def vectors(
    data: LeRobotDataset,
    table: pa.Table,
    what: str,
    keys: Sequence[Key],
    joints: Sequence[str],
) -> Float:
    """[L, joints] in model order, in model units.

    Args:
        data: the dataset.
        table: rows of one of its episodes.
        what: ``state`` or ``action``.
        keys: the checkpoint's, in order.
        joints: the robot's names of their columns.

    Raises:
        DatasetMismatchError: it is not known which columns they are.
        DatasetError: a value is not finite.
    """
    slices = (data.modality or {}).get(what, {})
    column = {"state": STATE, "action": ACTION}[what]
    if all(_parts(key, slices) for key in keys):
        parts = [
            _matrix(table, entry.get("original_key", column))[:, entry["start"] : entry["end"]]
            for key in keys
            for entry in _parts(key, slices)
        ]
        return _checked(np.concatenate(parts, axis=1), what, joints, data)
    names = data.features.get(column, {}).get("names")
    if isinstance(names, dict):  # older datasets group them
        names = [name for group in names.values() for name in group]
    if names and set(joints) <= set(names):
        columns = [names.index(joint) for joint in joints]
        return _checked(_matrix(table, column)[:, columns], what, joints, data)
    alone = [f"{column}.{key.name}" for key in keys]
    if all(name in table.column_names for name in alone):
        parts = [_matrix(table, name) for name in alone]
        return _checked(np.concatenate(parts, axis=1), what, joints, data)
    raise DatasetMismatchError(
        f"{data.folder}: {what}: expected a modality.json with {', '.join(k.name for k in keys)}, "
        f"a column {column} with the joints' names, or columns {', '.join(alone)}; got "
        f"{sorted(slices) or 'no modality.json'}, names {names}, columns {table.column_names}"
    )


def _parts(key: Key, slices: Mapping[str, dict]) -> list[dict]:
    """Entries of a key: its own, or those of its parts."""
    if key.name in slices:
        return [slices[key.name]]
    parts = [slices[part] for part in key.parts if part in slices]
    return parts if key.parts and len(parts) == len(key.parts) else []


def _matrix(table: pa.Table, column: str) -> Float:
    if column not in table.column_names:
        raise DatasetMismatchError(
            f"expected a column {column}, got {', '.join(table.column_names)}"
        )
    values = table[column].combine_chunks()
    while pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type):
        values = values.flatten()
    values = values.to_numpy(zero_copy_only=False).astype(np.float64)
    if not table.num_rows or len(values) % table.num_rows:
        raise DatasetError(
            f"{column}: expected as many values in each of {table.num_rows} rows, got "
            f"{len(values)} in total"
        )
    return values.reshape(table.num_rows, -1)


def _checked(values: Float, what: str, joints: Sequence[str], data: LeRobotDataset) -> Float:
    if values.shape[1] != len(joints):
        raise DatasetMismatchError(
            f"{data.folder}: {what}: expected {len(joints)} joints, got {values.shape[1]} columns"
        )
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise DatasetError(
            f"{data.folder}: {what}: expected finite values, got {values[row, column]} of "
            f"{joints[column]} in row {row}"
        )
    return values
