"""Images and canvases as messages and back, pixels as [H, W, 3] uint8 RGB.

What a message can get wrong (size, encoding, damaged data) is a ``ValueError`` that says what was
expected and what came.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np
from dreamzero_msgs import msg as dz
from sensor_msgs.msg import CompressedImage, Image

from dreamzero_policy.messages.times import duration_message, nanoseconds, time_message
from dreamzero_policy.observation.compression import compress, decompress
from dreamzero_policy.types import Image as Pixels


class Canvas(NamedTuple):
    """One tiled image and when its views were taken.

    Attributes:
        stamp_ns: the grid instant.
        image: [H, W, 3] uint8 RGB.
        views_ns: stamp of the image of each view, by view name, in the checkpoint's order.
    """

    stamp_ns: int
    image: Pixels
    views_ns: dict[str, int]


def image_message(stamp_ns: int, frame_id: str, pixels: Pixels) -> Image:
    """An rgb8 image.

    Args:
        stamp_ns: header stamp.
        frame_id: header frame, '' where there is none.
        pixels: [H, W, 3] uint8 RGB.

    Raises:
        ValueError: another shape or dtype.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(
            f"image: expected uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}"
        )
    message = Image(
        height=pixels.shape[0], width=pixels.shape[1], encoding="rgb8", step=3 * pixels.shape[1]
    )
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = frame_id
    # An array.array is taken as it is; anything else is checked element by element.
    message.data = array("B", pixels.tobytes())
    return message


def rgb_pixels(message: Image) -> Pixels:
    """[H, W, 3] uint8, a view of the message's own memory. For images of this stack: rgb8 only.

    Raises:
        ValueError: another encoding, or a size that does not match the data.
    """
    if message.encoding != "rgb8":
        raise ValueError(f"image: expected encoding rgb8, got {message.encoding!r}")
    row, expected = 3 * message.width, message.height * message.step
    if message.step < row or len(message.data) != expected or not expected:
        raise ValueError(
            f"image: expected {message.height} rows of {message.step} bytes, at least {row} each, "
            f"got {len(message.data)} bytes"
        )
    pixels = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.step)
    return pixels[:, :row].reshape(message.height, message.width, 3)


def canvas_message(
    canvas: Canvas, frame_id: str = "canvas", encoding: str = "raw", quality: int = 90
) -> dz.Canvas:
    """The message of a canvas.

    Args:
        canvas: the pixels and their instants.
        frame_id: header frame.
        encoding: ``raw``, or how the pixels are compressed: ``png`` or ``jpeg``.
        quality: 1 to 100, of a JPEG.

    Raises:
        ValueError: the image is not uint8 RGB, or another encoding.
    """
    if encoding == "raw":
        image, compressed = image_message(canvas.stamp_ns, frame_id, canvas.image), None
    else:
        height, width = canvas.image.shape[:2]
        image = Image(height=height, width=width, encoding="rgb8", step=3 * width)
        image.header.stamp, image.header.frame_id = time_message(canvas.stamp_ns), frame_id
        data = array("B", compress(canvas.image, encoding, quality))
        compressed = CompressedImage(header=image.header, format=encoding, data=data)
    return dz.Canvas(
        header=image.header,
        image=image,
        compressed=compressed or CompressedImage(),
        view_names=list(canvas.views_ns),
        view_stamps=[time_message(ns) for ns in canvas.views_ns.values()],
        view_ages=[duration_message(canvas.stamp_ns - ns) for ns in canvas.views_ns.values()],
    )


def canvas_pixels(message: dz.Canvas) -> Pixels:
    """[H, W, 3] uint8 of a canvas, compressed or not.

    Raises:
        ValueError: what ``rgb_pixels`` refuses, data that cannot be decoded, or another size than
            the message says.
    """
    if not len(message.compressed.data):
        return rgb_pixels(message.image)
    try:
        pixels = decompress(message.compressed.data)
    except ValueError as error:
        raise ValueError(f"canvas: format {message.compressed.format!r}: {error}") from error
    expected = (message.image.height, message.image.width)
    if pixels.shape[:2] != expected:
        raise ValueError(
            f"canvas: expected {expected[0]} x {expected[1]} (height x width) as it says itself, "
            f"got {pixels.shape[0]} x {pixels.shape[1]} in its compressed data"
        )
    return pixels


def canvas_from_message(message: dz.Canvas, size: tuple[int, int] | None = None) -> Canvas:
    """The canvas of a message.

    Args:
        message: the message; a compressed one takes some milliseconds.
        size: (height, width) that it must have.

    Raises:
        ValueError: another size, not rgb8, data that cannot be decoded, or not one stamp per view.
    """
    pixels = canvas_pixels(message)
    if size is not None and pixels.shape[:2] != tuple(size):
        raise ValueError(
            f"canvas: expected {size[0]} x {size[1]} (height x width), "
            f"got {pixels.shape[0]} x {pixels.shape[1]}"
        )
    if len(message.view_names) != len(message.view_stamps):
        raise ValueError(
            f"canvas: expected one stamp per view, got {len(message.view_stamps)} stamps for views "
            f"{list(message.view_names)}"
        )
    return Canvas(
        stamp_ns=nanoseconds(message.header.stamp),
        image=pixels,
        views_ns={
            name: nanoseconds(stamp)
            for name, stamp in zip(message.view_names, message.view_stamps, strict=True)
        },
    )
