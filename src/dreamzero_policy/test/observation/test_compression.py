"""PNG gives back the very pixels, JPEG nearly; what is not a whole picture is refused."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dreamzero_policy.observation.compression import ENCODINGS, compress, decompress

SIDES = st.integers(1, 40)
PICTURES = st.tuples(SIDES, SIDES).flatmap(lambda size: arrays(np.uint8, (*size, 3)))


def scene(height=176, width=320):
    """Smooth in brightness and colour, with one hard edge."""
    y, x = np.mgrid[:height, :width]
    picture = np.stack([x * 255 / width, y * 255 / height, 128 + 0 * x], -1)
    picture[height // 3 : height // 2, width // 3 : width // 2] = (230, 20, 40)
    return picture.astype(np.uint8)


@given(PICTURES)
def test_png_gives_back_every_pixel(picture):
    np.testing.assert_array_equal(decompress(compress(picture, "png")), picture)


@given(st.integers(50, 100))
@settings(max_examples=10, deadline=None)
def test_jpeg_keeps_the_size_and_changes_levels_the_less_the_higher_its_quality(quality):
    picture = scene().astype(int)
    worse, better = (
        np.abs(decompress(compress(scene(), "jpeg", q)).astype(int) - picture).mean()
        for q in (quality, 100)
    )
    assert better <= worse < 3.0


def test_jpeg_keeps_the_resolution_of_colour():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 200  # red and blue columns, one pixel wide
    assert np.abs(decompress(compress(stripes, "jpeg", 95)).astype(int) - stripes).mean() < 12
    halved = cv2.imencode(".jpg", stripes[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    assert np.abs(decompress(halved.tobytes()).astype(int) - stripes).mean() > 50


@given(st.binary(max_size=300))
def test_bytes_that_are_no_picture_are_refused(data):
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(ValueError, match=r"bytes|pixels"):
            decompress(start + data)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_picture_that_is_cut_is_refused(drawn):
    encoding = drawn.draw(st.sampled_from(ENCODINGS))
    whole = compress(scene(), encoding)
    # The last 12 bytes of a PNG, the end chunk, carry no pixel.
    keep = drawn.draw(st.integers(0, len(whole) - (13 if encoding == "png" else 1)))
    with pytest.raises(ValueError, match="bytes"):
        decompress(whole[:keep])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_png_with_a_flipped_bit_is_refused_or_is_the_same(drawn):
    whole = bytearray(compress(scene(), "png"))
    at = drawn.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << drawn.draw(st.integers(0, 7))
    try:
        pixels = decompress(bytes(whole))
    except ValueError:
        return
    np.testing.assert_array_equal(pixels, scene())


def test_what_claims_to_be_enormous_is_not_allocated():
    huge = bytearray(compress(scene(), "png"))
    huge[16:24] = (100_000).to_bytes(4, "big") * 2
    with pytest.raises(ValueError, match=r"at most 67108864 pixels, got 100000x100000"):
        decompress(bytes(huge))


def test_another_encoding_is_refused():
    with pytest.raises(ValueError, match="expected encoding png or jpeg, got 'webp'"):
        compress(scene(), "webp")


def test_the_orientation_that_a_camera_notes_turns_nothing():
    jpeg = compress(scene(), "jpeg")
    note = (
        b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    )
    assert decompress(jpeg[:2] + note + jpeg[2:]).shape == scene().shape
