"""A film of a run: what the cameras saw beside what the model predicted for the same instants."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from dreamzero_bringup.demo.recording import Picture
from dreamzero_policy.types import NS_PER_S

_HEADER, _GAP, _SCALE = 44, 8, 0.6
_WHITE, _GREY, _AMBER = (245, 245, 245), (150, 150, 150), (255, 180, 60)


def write(
    seen: Sequence[Picture],
    predicted: Sequence[Picture],
    path: Path,
    *,
    frame_ns: int,
    origin_ns: int,
    untrained: bool,
    slowdown: int = 1,
) -> int:
    """Writes an H.264 mp4, one picture per canvas, at the canvases' own rate.

    Args:
        seen: canvases from the cameras, by stamp.
        predicted: what the model decoded; of several for one instant, the newest made.
        path: where to, a ``.mp4``.
        frame_ns: time between two canvases.
        origin_ns: the instant shown as 0 s.
        untrained: whether the weights are random, which the predicted half then says.
        slowdown: how many times slower than it happened.

    Returns:
        How many canvases had a prediction for their instant.

    Raises:
        ValueError: there is no canvas to show.
    """
    if not seen:
        raise ValueError(f"{path.name}: expected at least one canvas, got none")
    by_instant = {round(picture.stamp_ns / frame_ns): picture for picture in predicted}
    matched = 0
    with av.open(str(path), "w") as film:
        stream = None
        for picture in sorted(seen, key=lambda p: p.stamp_ns):
            left = _pixels(picture)
            guess = by_instant.get(round(picture.stamp_ns / frame_ns))
            matched += guess is not None
            frame = _side_by_side(
                left,
                None if guess is None else _pixels(guess),
                (picture.stamp_ns - origin_ns) / NS_PER_S,
                untrained,
            )
            if stream is None:
                rate = Fraction(NS_PER_S, frame_ns * slowdown).limit_denominator(1000)
                stream = film.add_stream("libx264", rate=rate)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "20", "preset": "veryfast"}
            film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        film.mux(stream.encode())
    return matched


def _pixels(picture: Picture) -> np.ndarray:
    """[H, W, 3] uint8 RGB."""
    bgr = cv2.imdecode(np.frombuffer(picture.jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
    return bgr[..., ::-1]


def _side_by_side(
    seen: np.ndarray, predicted: np.ndarray | None, seconds: float, untrained: bool
) -> np.ndarray:
    """[H + header, 2 W + gap, 3] uint8, both even as the codec wants them."""
    height, width = seen.shape[:2]
    frame = np.full((_HEADER + height, 2 * width + _GAP, 3), 24, dtype=np.uint8)
    frame[_HEADER:, :width] = seen
    right = frame[_HEADER:, width + _GAP :]
    if predicted is None:
        _write(right, "no prediction for this instant", (width // 2 - 150, height // 2), _GREY)
    else:
        right[:] = predicted if predicted.shape == seen.shape else _fitted(predicted, seen.shape)
    _write(frame, f"seen by the cameras   t = {seconds:6.2f} s", (10, 29), _WHITE)
    label = "predicted by the model" + ("  (untrained weights)" if untrained else "")
    _write(frame, label, (width + _GAP + 10, 29), _AMBER if untrained else _WHITE)
    return frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]


def _fitted(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return cv2.resize(image, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def _write(image: np.ndarray, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    canvas = np.ascontiguousarray(image)
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, _SCALE, colour, 1, cv2.LINE_AA)
    image[:] = canvas
