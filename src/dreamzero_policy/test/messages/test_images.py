"""Images and canvases there and back, and what a message of them can get wrong."""

from array import array

import numpy as np
import pytest

from dreamzero_policy.messages.images import (
    Canvas,
    canvas_from_message,
    canvas_message,
    image_message,
    rgb_pixels,
)
from dreamzero_policy.messages.times import nanoseconds


def test_a_canvas_comes_back_equal():
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    message = canvas_message(Canvas(100, image, {"wrist": 90, "left": 80}))
    assert [nanoseconds(age) for age in message.view_ages] == [10, 20]
    back = canvas_from_message(message, (4, 6))
    np.testing.assert_array_equal(back.image, image)
    assert (back.stamp_ns, back.views_ns) == (100, {"wrist": 90, "left": 80})
    with pytest.raises(ValueError, match="expected 6 x 4 \\(height x width\\), got 4 x 6"):
        canvas_from_message(message, (6, 4))
    message.view_names = ["wrist"]
    with pytest.raises(ValueError, match="expected one stamp per view, got 2 stamps"):
        canvas_from_message(message)


def test_padded_rows_of_an_image_are_left_out():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    message = image_message(0, "", image)
    padded = np.pad(image.reshape(2, 12), ((0, 0), (0, 4)))
    message.step, message.data = 16, array("B", padded.tobytes())
    np.testing.assert_array_equal(rgb_pixels(message), image)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"encoding": "bgr8"}, "expected encoding rgb8, got 'bgr8'"),
        ({"height": 3}, "expected 3 rows of 12 bytes"),
        ({"step": 11}, "at least 12 each"),
        ({"height": 0, "data": array("B")}, "expected 0 rows"),
    ],
)
def test_an_image_that_does_not_hold_what_it_says_is_refused(change, why):
    message = image_message(0, "", np.zeros((2, 4, 3), dtype=np.uint8))
    for field, value in change.items():
        setattr(message, field, value)
    with pytest.raises(ValueError, match=why):
        rgb_pixels(message)


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 4)])
def test_pixels_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="expected uint8 \\[H, W, 3\\]"):
        image_message(0, "", np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize(("encoding", "worst"), [("raw", 0), ("png", 0), ("jpeg", 25)])
def test_a_canvas_arrives_however_it_is_sent(encoding, worst):
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :, 0], image[32:, ::, 2] = 200, np.arange(96)
    sent = Canvas(100, image, {"wrist": 90})
    message = canvas_message(sent, encoding=encoding, quality=95)
    assert len(message.image.data) == (image.size if encoding == "raw" else 0)
    assert message.header.stamp == message.image.header.stamp
    back = canvas_from_message(message, (64, 96))
    assert (back.stamp_ns, back.views_ns) == (100, {"wrist": 90})
    assert np.abs(back.image.astype(int) - image).max() <= worst


def test_a_compressed_canvas_of_another_size_or_cut_short_is_refused():
    sent = Canvas(100, np.zeros((64, 96, 3), np.uint8), {"wrist": 90})
    message = canvas_message(sent, encoding="jpeg")
    message.image.width = 48
    with pytest.raises(ValueError, match=r"expected 64 x 48 .* got 64 x 96 in its compressed data"):
        canvas_from_message(message)
    message.image.width, message.compressed.data = 96, message.compressed.data[:-7]
    with pytest.raises(ValueError, match=r"canvas: format 'jpeg': .* cut short or damaged"):
        canvas_from_message(message)
    with pytest.raises(ValueError, match="expected encoding png or jpeg, got 'webp'"):
        canvas_message(sent, encoding="webp")
