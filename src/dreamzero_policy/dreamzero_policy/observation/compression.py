"""Pictures to PNG or JPEG bytes and back (OpenCV); a picture that is not whole is refused.

PNG gives back the very pixels. JPEG does not: it rounds 8x8 blocks of brightness and colour, more
coarsely the lower the quality; colour keeps its full resolution here. Of a cut JPEG the decoder is
asked for nothing rather than for a grey rest; a flipped bit inside one is not noticed by anybody,
while PNG carries checksums.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np

from dreamzero_policy.types import Image

PNG, JPEG = "png", "jpeg"
ENCODINGS = (PNG, JPEG)

_MAGIC = {PNG: b"\x89PNG\r\n\x1a\n", JPEG: b"\xff\xd8\xff"}
_MOST_PIXELS = 8192 * 8192
"""A larger picture is no camera's; what a few bytes claim to be is not allocated."""


def compress(image: Image, encoding: str, quality: int = 90) -> bytes:
    """A picture as PNG or JPEG.

    Args:
        image: [H, W, 3] uint8 RGB.
        encoding: ``png`` or ``jpeg``.
        quality: 1 to 100, of a JPEG.

    Raises:
        ValueError: another encoding.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"expected encoding {' or '.join(ENCODINGS)}, got {encoding!r}")
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    if encoding == JPEG:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    extension = ".png" if encoding == PNG else ".jpg"
    _, data = cv2.imencode(extension, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()


def decompress(data: bytes | memoryview) -> Image:
    """The pixels of a PNG or JPEG picture.

    Returns:
        [H, W, 3] uint8 RGB; a grey picture with three equal channels.

    Raises:
        ValueError: neither PNG nor JPEG, cut short, damaged where that can be seen, or beyond 8192
            x 8192 pixels.
    """
    data = memoryview(data).cast("B")
    if not any(data[: len(magic)] == magic for magic in _MAGIC.values()):
        raise ValueError(f"expected JPEG or PNG data, got {len(data)} bytes of something else")
    height, width = _claimed_size(data)
    if not 0 < height * width <= _MOST_PIXELS:
        raise ValueError(f"expected at most {_MOST_PIXELS} pixels, got {width}x{height}")
    try:
        flags = (
            cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        )  # a camera's pixels are as they are
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ValueError(f"{len(data)} bytes cannot be decoded: {error.err}") from error
    if image is None:
        raise ValueError(f"{len(data)} bytes cannot be decoded: cut short or damaged")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _claimed_size(data: memoryview) -> tuple[int, int]:
    """Height and width by the header.

    Raises:
        ValueError: the data ends before them.
    """
    try:
        if data[:8] == _MAGIC[PNG]:
            width, height = struct.unpack_from(">II", data, 16)
            return height, width
        at = 2
        while True:  # a JPEG's segments, up to the one that begins a frame
            marker, length = struct.unpack_from(">HH", data, at)
            if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
                return struct.unpack_from(">xxxxxHH", data, at)
            at += 2 + max(length, 2)
    except struct.error as error:
        raise ValueError(f"{len(data)} bytes end before the picture's size") from error
