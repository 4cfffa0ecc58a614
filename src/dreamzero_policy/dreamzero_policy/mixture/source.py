"""A dataset as training sees it: every episode's vectors, sentences and windows.

Vectors are held in memory (some 70 bytes a row); pictures stay in their files. What is wrong with
single episodes is collected, so that one look at a dataset names all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from av.error import FFmpegError

from dreamzero_policy.datasets.errors import DatasetError, NotADatasetError
from dreamzero_policy.datasets.files import read_json, read_lines
from dreamzero_policy.datasets.layout import ANNOTATION
from dreamzero_policy.datasets.lerobot_reader import LeRobotDataset
from dreamzero_policy.datasets.replay_source import camera_columns, vectors
from dreamzero_policy.datasets.video import frame_count
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.embodiments.idle import idle_rows
from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.mixture.windows import Window, windows
from dreamzero_policy.types import Float, Int

DEFAULT_INSTRUCTION = "Perform the default behavior."
"""What the reference says where a dataset says nothing."""

_STILL = 0.02
"""Share of its top speed below which a joint rests."""

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class TrainingEpisode:
    """One episode.

    Attributes:
        index: its number in the dataset.
        states: [L, S] float32 in model units; None for video alone.
        actions: [L, A] the same.
        labels: [L] which sentence each row has.
        sentences: by label: the instruction in each of its wordings.
        windows: what is sampled from.
        held_out: whether it is for validation.
    """

    index: int
    states: np.ndarray | None
    actions: np.ndarray | None
    labels: Int
    sentences: tuple[tuple[str, ...], ...]
    windows: tuple[Window, ...]
    held_out: bool = False

    def __len__(self) -> int:
        """Rows L."""
        return len(self.labels)

    def wordings(self, window: Window) -> tuple[str, ...]:
        """The instruction of a window, in each of its wordings."""
        return self.sentences[self.labels[window.start]]


@dataclass(frozen=True)
class Cutting:
    """How episodes are cut into windows.

    Attributes:
        most_chunks: chunks of a window at most.
        stride: rows from one base to the next.
        held_out: share of the episodes that are for validation.
        most_idle: share of idle rows above which a window is left out.
        rest: rows by which a window may go on behind the end of its instruction, if the robot rests
            there.
    """

    most_chunks: int = 4
    stride: int = 1
    held_out: float = 0.0
    most_idle: float = 1.0
    rest: int = 0


@dataclass
class Source:
    """A dataset, looked through.

    Attributes:
        spec: what was asked for.
        robot: as the model sees it.
        data: the lists and files.
        cameras: column by the view's name.
        episodes: those that can be used.
        errors: what must not be trained on, one sentence each.
        notes: what people should know.
    """

    spec: DatasetSpec
    robot: Embodiment
    data: LeRobotDataset
    cameras: Mapping[str, str]
    episodes: list[TrainingEpisode] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.spec.path.name

    @property
    def rows(self) -> int:
        """Rows of all episodes."""
        return sum(len(episode) for episode in self.episodes)


def robot_of(spec: DatasetSpec) -> str:
    """Name of the robot of a dataset, as it says itself where the spec does not."""
    if spec.robot:
        return spec.robot
    meta = spec.path.expanduser() / "meta"
    if not meta.is_dir():
        raise NotADatasetError(f"{spec.path}: expected a LeRobot dataset, got no folder meta in it")
    for name in ("embodiment.json", "info.json"):
        if (meta / name).is_file():
            found = read_json(meta / name).get("robot_type")
            if found:
                return str(found)
    raise DatasetError(f"{spec.path}: does not say whose it is: add ,robot=NAME behind it")


def open_source(
    spec: DatasetSpec,
    robot: Embodiment,
    cutting: Cutting,
    tell: Callable[[str, int, int], None] = lambda *_: None,
) -> Source:
    """Looks through a dataset.

    Args:
        spec: which.
        robot: whose it is, with the time base and the view's size of the model.
        cutting: how it is cut into windows.
        tell: hears of the progress.

    Raises:
        DatasetError: it cannot be read as this robot's at all. What is wrong with single episodes
            stands in ``errors``.
    """
    data = LeRobotDataset(spec.path)
    source = Source(spec, robot, data, camera_columns(data, robot, {}))
    _check_header(source)
    discarded = set(data.info.get("discarded_episode_indices") or ())
    filtered = _step_filter(data.folder)
    short: list[int] = []
    for number, entry in enumerate(data.episodes):
        tell(f"looking through {source.name}", number, len(data.episodes))
        if entry.index in discarded:
            continue
        try:
            made = _episode(source, entry.index, cutting, filtered.get(entry.index, ()))
        except DatasetError as error:
            source.errors.append(f"episode {entry.index}: {error}")
            continue
        if made.windows:
            source.episodes.append(made)
        else:
            short.append(entry.index)
    tell(f"looking through {source.name}", len(data.episodes), len(data.episodes))
    _note_short(source, short)
    return source


def _check_header(source: Source) -> None:
    """Compares what the lists say with the robot."""
    data, robot = source.data, source.robot
    if data.fps != robot.time_base.control_hz:
        source.errors.append(
            f"rate: expected {robot.time_base.control_hz} rows per second as {robot.name} has, got "
            f"{data.fps:g}"
        )
    height, width = robot.native_size
    for view, column in source.cameras.items():
        shape = data.features[column].get("shape") or []
        if len(shape) == 3 and shape[0] * width != shape[1] * height:
            source.errors.append(
                f"view {view}: expected pictures of {width}x{height} or the same aspect ratio, got "
                f"{shape[1]}x{shape[0]}"
            )


def _step_filter(folder: Path) -> dict[int, list[int]]:
    """Rows of each episode in which nothing moves: no window begins there."""
    path = folder / "meta" / "step_filter.jsonl"
    if not path.is_file():
        return {}
    return {int(one["episode_index"]): list(one["step_indices"]) for one in read_lines(path)}


def _episode(source: Source, index: int, cutting: Cutting, idle: list[int]) -> TrainingEpisode:
    """One episode, if it is whole.

    Raises:
        DatasetError: it is not.
    """
    data, robot = source.data, source.robot
    table = data.table(index)
    states = actions = None
    if source.spec.actions:
        states = vectors(data, table, "state", robot.state_keys, robot.state_joints)
        actions = vectors(data, table, "action", robot.action_keys, robot.action_joints)
        states, actions = states.astype(np.float32), actions.astype(np.float32)
    labels, sentences = _sentences(data, table, robot)
    for view, column in source.cameras.items():
        path, _ = data.video(index, column)
        if data.version == 2:
            _check_video(path, view, table.num_rows)
    held_out = np.random.default_rng((8128, index)).random() < cutting.held_out
    rest = 0 if states is None or actions is None else cutting.rest
    found = windows(
        labels,
        robot.time_base,
        cutting.most_chunks,
        stride=cutting.stride,
        offset=_offset(index, cutting.stride, len(labels)),
        rest=rest,
        excluded=idle,
        idle=idle,
        most_idle=cutting.most_idle,
    )
    if rest:
        ends = {one.last for one in found if one.last is not None}
        moving = {row for row in ends if not _rests(robot, states[: row + 1], actions[: row + 1])}
        found = [one for one in found if one.last not in moving]
    return TrainingEpisode(index, states, actions, labels, sentences, tuple(found), bool(held_out))


def _offset(index: int, stride: int, length: int) -> int:
    """Rows from the first base of an episode's instructions to their second.

    Over episodes they are spread evenly from 1 to ``stride``: multiples of the golden ratio leave
    no gap wherever they end. A stride longer than the episode asks for beginnings alone.
    """
    return stride if stride >= length else 1 + int(index * _GOLDEN % 1 * stride)


def _rests(robot: Embodiment, states: Float, actions: Float) -> bool:
    """Whether a robot stands still at the end of rows [L, S] and [L, A]."""
    last = slice(-robot.time_base.control_hz, None)
    return bool(idle_rows(robot, states[last], actions[last], fraction=_STILL, least_s=0.0)[-1])


def _check_video(path: Path, view: str, rows: int) -> None:
    """Refuses a video that cannot be opened or has fewer frames than there are rows."""
    try:
        count = frame_count(path)
    except (OSError, FFmpegError) as error:
        raise DatasetError(f"{path}: view {view}: cannot be opened: {error}") from error
    if count < rows:
        raise DatasetError(f"{path}: view {view}: expected {rows} frames, got {count}")


def _sentences(
    data: LeRobotDataset, table: pa.Table, robot: Embodiment
) -> tuple[Int, tuple[tuple[str, ...], ...]]:
    """What each row's instruction is; it changes where that of the first annotation does."""
    columns = [
        (data.modality or {}).get("annotation", {}).get(key, {}).get("original_key")
        or ANNOTATION + key
        for key in robot.language_keys
    ]
    there = [name for name in columns if name in table.column_names]
    there = there or [name for name in ("task_index",) if name in table.column_names]
    if not there:
        return np.zeros(table.num_rows, np.int64), ((DEFAULT_INSTRUCTION,),)
    texts = [_texts(data, table, name) for name in there]
    numbers: dict[str, int] = {}
    labels = np.array([numbers.setdefault(text, len(numbers)) for text in texts[0]], np.int64)
    firsts = [int((labels == label).argmax()) for label in numbers.values()]
    return labels, tuple(
        tuple(dict.fromkeys(column[row] for column in texts)) or (DEFAULT_INSTRUCTION,)
        for row in firsts
    )


def _texts(data: LeRobotDataset, table: pa.Table, name: str) -> list[str]:
    """Text of each row: a number is an index into the tasks, anything else is the text itself."""
    values = table[name].to_pylist()
    texts = []
    for value in values:
        while isinstance(value, list) and value:
            value = value[0]
        text = data.tasks.get(int(value), "") if isinstance(value, int | float) else str(value)
        texts.append(text if text.strip() else DEFAULT_INSTRUCTION)
    return texts


def _note_short(source: Source, short: list[int]) -> None:
    """Says which episodes have no window, and refuses a dataset of nothing else."""
    if short:
        base = source.robot.time_base
        source.notes.append(
            f"{len(short)} of {len(source.data.episodes)} episodes have no window of "
            f"{base.rows_per_chunk + 1} rows with one instruction: "
            f"{', '.join(map(str, short[:12]))}{', ...' if len(short) > 12 else ''}"
        )
    if not source.episodes and not source.errors:
        source.errors.append(
            f"no window: expected episodes of at least {source.robot.time_base.rows_per_chunk + 1} "
            f"rows with one instruction, the longest has "
            f"{max((entry.length for entry in source.data.episodes), default=0)} rows"
        )
