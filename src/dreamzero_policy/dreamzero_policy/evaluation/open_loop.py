"""A policy on recorded episodes: it sees what was seen, at every boundary, and moves nothing.

Its context is fed as on the robot: at every chunk boundary with the true frames up to there
(design: data.md 7.5, 8.2), never with what it predicted. Row k of a chunk is compared with the
command that was in force k rows later. Two baselines are scored on the same rows: ``hold`` stays at
the measured pose; ``previous`` repeats the policy's own chunk before, moved to the present pose
where its key is relative: what a policy that ignores new pictures would do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from dreamzero_policy.datasets.errors import DatasetMismatchError
from dreamzero_policy.datasets.replay_source import ReplayEpisode, open_episode
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.evaluation.policy import Answer, Policy, Predicted, pose_of
from dreamzero_policy.observation.assemble import ObservationWindow
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.observation.views import Tiler
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float, Image

BASELINES = ("hold", "previous")
_BEST_DB = 100.0  # of two pictures that are the same

Watch = Callable[[int, Image, Image | None], None]
"""Shown an instant [ns], the canvas seen then, and what had been predicted for it."""


@dataclass
class Scores:
    """Sums over chunks, so that those of several episodes add up.

    Attributes:
        keys: K names of action keys.
        squares: by ``policy`` and baseline, [K, H] sums over chunks of a key's mean squared error.
        counts: by the same, [K, H] chunks in them.
        psnr, still_psnr: [T] sums of the picture's peak signal-to-noise ratio [dB] by how many
            frames ahead it was predicted, and of the last seen picture's in its place.
        pictures: [T] counts.
        divergence: sums of ``Answer.divergence``, and its count.
        chunks, rows, episodes: counts.
    """

    keys: tuple[str, ...]
    squares: dict[str, Float]
    counts: dict[str, Float]
    psnr: Float
    still_psnr: Float
    pictures: Float
    divergence: Float = field(default_factory=lambda: np.zeros(3))
    chunks: int = 0
    rows: int = 0
    episodes: int = 0

    @classmethod
    def empty(cls, embodiment: Embodiment) -> Scores:
        """Of no chunk."""
        keys = tuple(key.name for key in embodiment.action_keys)
        base, names = embodiment.time_base, ("policy", *BASELINES)
        shape = (len(keys), base.rows_per_chunk)
        return cls(
            keys,
            {name: np.zeros(shape) for name in names},
            {name: np.zeros(shape) for name in names},
            *(np.zeros(base.frames_per_chunk) for _ in range(3)),
        )

    def add(self, other: Scores) -> None:
        """Adds those of other episodes.

        Raises:
            ValueError: of other keys or horizons.
        """
        if self.keys != other.keys or self.psnr.shape != other.psnr.shape:
            raise ValueError(f"scores: expected keys {self.keys}, got {other.keys}")
        for name in self.squares:
            self.squares[name] += other.squares[name]
            self.counts[name] += other.counts[name]
        for name in ("psnr", "still_psnr", "pictures", "divergence", "chunks", "rows", "episodes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def rmse(self, name: str) -> Float:
        """[K, H] root mean square error of the policy or of a baseline; NaN without a chunk."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(self.squares[name] / self.counts[name])

    def overall(self, name: str) -> Float:
        """[K] the same over all rows."""
        count = self.counts[name].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(self.squares[name].sum(axis=1) / count)

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "keys": list(self.keys),
            **{
                what: {name: table.tolist() for name, table in getattr(self, what).items()}
                for what in ("squares", "counts")
            },
            **{
                what: getattr(self, what).tolist()
                for what in ("psnr", "still_psnr", "pictures", "divergence")
            },
            **{what: getattr(self, what) for what in ("chunks", "rows", "episodes")},
        }

    @classmethod
    def of_plain(cls, plain: dict) -> Scores:
        """What ``plain`` gave."""
        tables = {
            what: {name: np.array(table) for name, table in plain[what].items()}
            for what in ("squares", "counts")
        }
        arrays = {
            what: np.array(plain[what], dtype=np.float64)
            for what in ("psnr", "still_psnr", "pictures", "divergence")
        }
        counts = {what: int(plain[what]) for what in ("chunks", "rows", "episodes")}
        return cls(tuple(plain["keys"]), **tables, **arrays, **counts)


def score(
    policy: Policy,
    folder: Path,
    index: int,
    *,
    video: bool = True,
    watch: Watch | None = None,
    tell: Callable[[int, int], None] = lambda row, rows: None,
) -> Scores:
    """Scores one episode of a dataset.

    Args:
        policy: who is asked.
        folder: of the dataset.
        index: of the episode.
        video: whether to decode what the policy expects to see, and to compare it.
        watch: shown every canvas.
        tell: told how many rows of how many have been shown.

    Raises:
        DatasetError: no such dataset or episode, of another robot, rate or without actions, or
            shorter than a chunk.
        ValueError: what the policy raises.
    """
    robot = policy.embodiment
    episode = open_episode(folder, robot, index)
    _check(episode, policy)
    base, per_frame = robot.time_base, policy.canvases_per_frame
    rows_grid, canvas_grid = Grid(base.control_hz), Grid(Grid.of_frames(base).hz * per_frame)
    window = ObservationWindow(robot, base, per_frame=per_frame)
    start_ns = canvas_grid.instant(canvas_grid.index_at(NS_PER_S))  # of a row, too
    attempt = policy.begin(start_ns + index)
    found, pictures = Scores.empty(robot), _Pictures(base.frames_per_chunk)
    first, before = rows_grid.index_at(start_ns), None
    tiler = Tiler(robot)
    for row, images in _images(episode, base.frame_stride // per_frame):
        now_ns, canvas = rows_grid.instant(first + row), tiler.canvas(images)
        assert canvas_grid.is_instant(now_ns), (row, now_ns)
        window.add_state(now_ns, episode.states[row])
        window.add_canvas(now_ns, canvas)
        attempt.saw(now_ns, images)
        pictures.compare(now_ns, canvas, found)
        if watch is not None:
            watch(now_ns, canvas, pictures.expected(now_ns))
        observation = window.observation(episode.instructions[row])
        if attempt.due(observation, base.frames_per_chunk * per_frame):
            answer = attempt.answer(observation)
            attempt.published(answer.chunk, now_ns)
            _compare(found, robot, episode, row, answer, before)
            before = (answer.chunk, pose_of(robot, observation.state))
            if video:
                pictures.expect(answer.predicted(), canvas)
        tell(row + 1, len(episode))
    found.rows, found.episodes = len(episode), 1
    return found


def _check(episode: ReplayEpisode, policy: Policy) -> None:
    """Refuses what cannot be compared row by row."""
    base = policy.embodiment.time_base
    if episode.actions is None:
        raise DatasetMismatchError(
            f"{episode.name}: expected actions of {policy.embodiment.name}'s joints, got none"
        )
    if abs(episode.fps - base.control_hz) > 1e-6:
        raise DatasetMismatchError(
            f"{episode.name}: expected {base.control_hz} rows a second as the policy "
            f"({policy.description}) has, got {episode.fps:g}"
        )
    if len(episode) <= base.rows_per_chunk:
        raise DatasetMismatchError(
            f"{episode.name}: expected more than the {base.rows_per_chunk} rows of a chunk, "
            f"got {len(episode)}"
        )
    if base.frame_stride % policy.canvases_per_frame:
        raise DatasetMismatchError(
            f"{episode.name}: rows are too far apart for {policy.canvases_per_frame} canvases in "
            f"the {base.frame_stride} rows of a frame"
        )


def _images(episode: ReplayEpisode, stride: int) -> Iterator[tuple[int, dict[str, Image]]]:
    """Every ``stride``-th row and its picture of every view."""
    views = {name: begin() for name, begin in episode.pictures.items()}
    for row in range(len(episode)):
        images = {}
        for name, frames in views.items():
            image = next(frames, None)
            if image is None:
                raise DatasetMismatchError(
                    f"{episode.name}: expected {len(episode)} pictures of {name}, got {row}"
                )
            images[name] = image
        if row % stride == 0:
            yield row, images


def _compare(
    found: Scores,
    robot: Embodiment,
    episode: ReplayEpisode,
    row: int,
    answer: Answer,
    before: tuple[ActionChunk, Float] | None,
) -> None:
    """Adds the errors of a chunk and of the baselines at its rows."""
    pose, chunk = pose_of(robot, episode.states[row]), answer.chunk
    guesses = {"policy": chunk.rows, "hold": np.tile(pose, (chunk.horizon, 1))}
    if before is not None:
        relative = np.repeat(
            [key.relative for key in robot.action_keys], [key.width for key in robot.action_keys]
        )
        guesses["previous"] = before[0].rows + np.where(relative, pose - before[1], 0.0)
    did = episode.actions[row : row + chunk.horizon]
    for name, rows in guesses.items():
        squares = (rows[: len(did)] - did) ** 2
        start = 0
        for number, key in enumerate(robot.action_keys):
            mean = squares[:, start : start + key.width].mean(axis=1)
            found.squares[name][number, : len(did)] += mean
            found.counts[name][number, : len(did)] += 1
            start += key.width
    if answer.divergence is not None:
        found.divergence += (*answer.divergence, 1.0)
    found.chunks += 1


class _Pictures:
    """What is expected to be seen, until it is."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._expected: dict[int, tuple[int, Image]] = {}
        self._last: Image | None = None

    def expect(self, predicted: Predicted | None, canvas: Image) -> None:
        """Keeps a prediction, and the picture that was seen last when it was made."""
        if predicted is None:
            return
        stamps, pictures = predicted
        self._last = canvas
        ahead = enumerate(zip(stamps.tolist(), pictures, strict=True))
        self._expected = {_key(stamp): (number, picture) for number, (stamp, picture) in ahead}

    def expected(self, now_ns: int) -> Image | None:
        """What was predicted for an instant."""
        found = self._expected.get(_key(now_ns))
        return None if found is None else found[1]

    def compare(self, now_ns: int, canvas: Image, found: Scores) -> None:
        """Compares a canvas with what was predicted for its instant."""
        known = self._expected.get(_key(now_ns))
        if known is None or known[0] >= self._frames:
            return
        ahead, picture = known
        size = picture.shape[1::-1]
        true, last = (cv2.resize(one, size, interpolation=cv2.INTER_LINEAR)
                      for one in (canvas, self._last))  # fmt: skip
        found.psnr[ahead] += psnr(true, picture)
        found.still_psnr[ahead] += psnr(true, last)
        found.pictures[ahead] += 1


def _key(stamp_ns: int) -> int:
    """Instants are rounded to a nanosecond, here and there differently."""
    return round(stamp_ns / 1_000_000)


def psnr(true: Image, other: Image) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures of one size [dB], at most 100."""
    error = float(np.mean((true.astype(np.float64) - other.astype(np.float64)) ** 2))
    return _BEST_DB if error == 0 else min(_BEST_DB, 10 * float(np.log10(255.0**2 / error)))
