"""Camera messages of any encoding to RGB pixels: the one place that converts.

Live nodes and the readers of recordings both come here, so that a picture is the same to the last
bit in both. Messages are taken by their fields: those of rclpy and those of ``rosbags`` alike. An
encoding that does not say what its channels mean (8UC3, 32FC1, ...) is refused, not guessed.
"""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
from rosbags.image import message_to_cvimage

from dreamzero_policy.observation.compression import decompress
from dreamzero_policy.types import Image as Pixels

_BAYER = ("bayer_rggb", "bayer_bggr", "bayer_gbrg", "bayer_grbg")

_PIXEL_BYTES: dict[str, int] = {
    **{"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1},
    **{"rgb16": 6, "bgr16": 6, "rgba16": 8, "bgra16": 8, "mono16": 2},
    **{f"{order}8": 1 for order in _BAYER},
    **{f"{order}16": 2 for order in _BAYER},
    **{"uyvy": 2, "yuyv": 2, "yuv422": 2, "yuv422_yuy2": 2},
    **{"nv12": 1, "nv21": 1},
}
"""Encodings with a known meaning, and the bytes per pixel of their first plane."""

_ROWS = {"nv12": Fraction(3, 2), "nv21": Fraction(3, 2)}
"""Rows of bytes per row of pixels, where colour follows as a second plane."""

ENCODINGS = tuple(_PIXEL_BYTES)
"""Encodings that ``rgb`` takes."""


class Undecodable(ValueError):  # noqa: N818  (of an image, not of the program)
    """Compressed data that is damaged: the next image may be whole."""


def rgb(message: Any, topic: str) -> Pixels:
    """The pixels of a camera message.

    Args:
        message: an ``Image`` or a ``CompressedImage``, as the camera published it.
        topic: where it came from, for the message of an error.

    Returns:
        [H, W, 3] uint8 RGB; of an rgb8 image a view of the message's own memory.

    Raises:
        ValueError: the encoding is unknown, or the data is not as long as the size says.
        Undecodable: compressed data is cut short or damaged.
    """
    if hasattr(message, "format"):
        return _decoded(message, topic)
    if message.encoding not in _PIXEL_BYTES:
        raise ValueError(
            f"{topic}: expected encoding {', '.join(ENCODINGS)}, got {message.encoding!r}"
        )
    rows = _rows(message, topic)
    if message.encoding == "rgb8":
        return rows.reshape(message.height, message.width, 3)
    return _converted(message, np.ascontiguousarray(rows), topic)


def _rows(message: Any, topic: str) -> np.ndarray:
    """The bytes of the image by row, [rows, used bytes], without what pads a row."""
    used = message.width * _PIXEL_BYTES[message.encoding]
    rows = Fraction(message.height) * _ROWS.get(message.encoding, 1)
    whole = used and rows and rows.denominator == 1
    if not whole or message.step < used or len(message.data) != rows * message.step:
        raise ValueError(
            f"{topic}: expected {rows} rows of at least {used} bytes for {message.encoding} "
            f"{message.width}x{message.height}, got {len(message.data)} bytes with "
            f"{message.step} a row"
        )
    return np.frombuffer(message.data, np.uint8).reshape(int(rows), message.step)[:, :used]


def _converted(message: Any, rows: np.ndarray, topic: str) -> Pixels:
    """Colour conversion."""
    packed = SimpleNamespace(
        encoding=message.encoding,
        height=rows.shape[0] if message.encoding in _ROWS else message.height,
        width=message.width,
        step=rows.shape[1],
        is_bigendian=bool(message.is_bigendian),
        data=rows.tobytes(),
    )
    return message_to_cvimage(packed, "rgb8")


def _decoded(message: Any, topic: str) -> Pixels:
    """JPEG, PNG and their like."""
    source, semicolon, _ = message.format.partition(";")
    depth = "compresseddepth" in message.format.lower()
    if depth or (semicolon and source.strip() not in _PIXEL_BYTES):
        raise ValueError(
            f"{topic}: expected a compressed colour or grey image, got format {message.format!r}"
        )
    try:
        return decompress(message.data)
    except ValueError as error:
        raise Undecodable(f"{topic}: format {message.format!r}: {error}") from error
