"""Canvases of an episode's windows, its videos decoded once from the first window to the last."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from av.error import FFmpegError

from dreamzero_policy.datasets.errors import DatasetError
from dreamzero_policy.mixture.augment import Augmentation
from dreamzero_policy.mixture.source import Source
from dreamzero_policy.observation.views import Tiler, resize
from dreamzero_policy.types import Image, Int


def canvases(
    source: Source, episode: int, wanted: Sequence[tuple[Int, Augmentation]]
) -> Iterator[Image]:
    """The canvases of windows.

    Args:
        source: the dataset.
        episode: its number.
        wanted: [T] rows of each window's frames, windows in the order of their first, and what is
            done to their pictures.

    Yields:
        For each window [T, H, W, 3] uint8; tiled by the code of the robot.

    Raises:
        DatasetError: a video ends early or cannot be decoded.
    """
    every = {row for rows, _ in wanted for row in rows.tolist()}
    frames = _Frames(source, episode, sorted(every))
    for rows, augmentation in wanted:
        pictures = frames.at(rows)
        yield np.stack([frames.canvas(row, pictures[row], augmentation) for row in rows.tolist()])


class _Frames:
    """A look through an episode that only goes forward and keeps what may be asked for again."""

    def __init__(self, source: Source, episode: int, rows: Sequence[int]) -> None:
        """Nothing is read yet of the ``rows``, in their order, that will be asked for."""
        self._source, self._episode = source, episode
        self._robot = source.robot
        self._tiler = Tiler(source.robot)
        self._kept: dict[int, dict[str, Image]] = {}
        self._plain: dict[int, Image] = {}
        self._left = deque(rows)
        self._videos = {
            view: source.data.pictures(episode, column, frozenset(rows))
            for view, column in source.cameras.items()
        }

    def at(self, rows: Int) -> dict[int, dict[str, Image]]:
        """Pictures of every view by row, at the native size; rows before the first are let go."""
        first, last = int(rows[0]), int(rows[-1])
        for kept in (self._kept, self._plain):
            for row in [row for row in kept if row < first]:
                del kept[row]
        while self._left and self._left[0] <= last:
            row = self._left.popleft()
            self._kept[row] = {
                view: self._tiler.native(self._read(view, row), view) for view in self._videos
            }
        return self._kept

    def _read(self, view: str, row: int) -> Image:
        where = f"{self._source.spec.path}: episode {self._episode}: view {view}"
        try:
            picture = next(self._videos[view], None)
        except (OSError, FFmpegError) as error:
            raise DatasetError(f"{where}: frame {row} cannot be decoded: {error}") from error
        if picture is None:
            raise DatasetError(f"{where}: the video ends before frame {row}")
        return picture

    def canvas(self, row: int, pictures: dict[str, Image], augmentation: Augmentation) -> Image:
        """The canvas of a row."""
        if augmentation == Augmentation():
            if row not in self._plain:
                self._plain[row] = self._tiler.canvas(pictures)
            return self._plain[row]
        size = self._robot.view_size
        return self._tiler.compose(
            {
                view: augmentation.colour(resize(augmentation.crop(picture), size))
                for view, picture in pictures.items()
            }
        )
