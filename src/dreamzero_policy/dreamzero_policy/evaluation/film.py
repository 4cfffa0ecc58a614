"""A film of an attempt: what went to the policy, beside what it had expected to see then."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from dreamzero_policy.datasets.video import VideoWriter
from dreamzero_policy.types import Image

_WIDE, _HEADER, _GAP = 320, 22, 4
_GREY, _WHITE = (120, 120, 120), (240, 240, 240)
_QUALITY = 26


class Film:
    """Writes an H.264 mp4, one picture per canvas; use it in a ``with``.

    Args:
        path: an ``.mp4``.
        fps: canvases a second.
        predicted: whether there is a right half for predictions.
    """

    def __init__(self, path: Path, fps: float, predicted: bool = False) -> None:
        self._path, self._fps, self._predicted = path, max(1, round(fps)), predicted
        self._writer: VideoWriter | None = None

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, seen: Image, expected: Image | None, text: str) -> None:
        """Adds a picture.

        Args:
            seen: [H, W, 3] uint8, the canvas.
            expected: [H', W', 3] uint8 of the same instant; None where there is none.
            text: above it.

        Raises:
            OSError: the disk is full.
        """
        height = seen.shape[0] * _WIDE // seen.shape[1] // 2 * 2
        wide = 2 * _WIDE + _GAP if self._predicted else _WIDE
        picture = np.full((height + _HEADER, wide, 3), 24, np.uint8)
        picture[_HEADER:, :_WIDE] = cv2.resize(
            seen, (_WIDE, height), interpolation=cv2.INTER_AREA
        )  # fmt: skip
        if self._predicted:
            right = picture[_HEADER:, _WIDE + _GAP :]
            if expected is None:
                right[:] = _GREY
            else:
                right[:] = cv2.resize(expected, (_WIDE, height), interpolation=cv2.INTER_LINEAR)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(picture, text, (4, 15), font, 0.4, _WHITE, 1, cv2.LINE_AA)
        if self._writer is None:
            self._writer = VideoWriter(self._path, picture.shape[:2], self._fps, _QUALITY)
        self._writer.add(picture)

    def close(self) -> None:
        """Completes the file; without a picture there is none."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
