"""Raw camera messages to compressed ones, as ``image_transport`` names them."""

from __future__ import annotations

import cv2
import numpy as np

from dreamzero_policy.data.definitions import Decoder, Definition
from dreamzero_policy.data.errors import WrongSchemaError
from dreamzero_policy.observation.images import rgb

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
SUFFIX = "/compressed"
"""Follows the name of a raw topic."""


class JpegEncoder:
    """Serialised ``Image`` to serialised ``CompressedImage``; used from several threads.

    Args:
        raw, compressed: the two definitions.
        quality: 1 to 100.
    """

    def __init__(self, raw: Definition, compressed: Definition, quality: int) -> None:
        self._decoder = Decoder({one.msgtype: one.text for one in (raw, compressed)})
        self._options = (cv2.IMWRITE_JPEG_QUALITY, quality)

    def __call__(self, data: bytes) -> bytes:
        """The compressed message, with the same header.

        Raises:
            WrongSchemaError: no picture, or one of an encoding without a meaning.
        """
        message = self._decoder.decode(RAW, data)
        try:
            pixels = rgb(message, "picture")
        except ValueError as error:
            raise WrongSchemaError(str(error)) from error
        done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), self._options)
        if not done:  # larger than a JPEG may be
            raise WrongSchemaError(f"a picture of {list(pixels.shape)} cannot be encoded as JPEG")
        new = self._decoder.new(
            COMPRESSED,
            header=message.header,
            format="rgb8; jpeg compressed bgr8",
            data=np.ascontiguousarray(jpeg).reshape(-1),
        )
        return self._decoder.encode(COMPRESSED, new)
