"""Camera messages of every kind to the same picture."""

from array import array

import numpy as np
import pytest

pytestmark = pytest.mark.ros
sensor_msgs = pytest.importorskip("sensor_msgs.msg")
cv2 = pytest.importorskip("cv2")

from dreamzero_policy.observation.images import ENCODINGS, rgb  # noqa: E402

HEIGHT, WIDTH = 12, 16


def scene():
    """A smooth colour picture [H, W, 3] RGB, so that half-resolution colour loses little."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = np.stack([90 + 4 * x, 60 + 5 * y, 150 - 3 * x + 2 * y], axis=-1)
    return picture.astype(np.uint8)


def raw(pixels):
    """The picture's bytes [rows, bytes] in every encoding, made independently of the code."""
    r, g, b = (pixels[..., i] for i in range(3))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    opaque = np.full_like(r, 255)
    stacks = {"rgb": (r, g, b), "bgr": (b, g, r), "rgba": (r, g, b, opaque)}
    stacks |= {"bgra": (b, g, r, opaque), "mono": (grey,)}
    planes = {"r": r, "g": g, "b": b}
    for order in ("rggb", "bggr", "gbrg", "grbg"):
        mosaic = np.empty_like(r)
        for i, letter in enumerate(order):
            mosaic[i // 2 :: 2, i % 2 :: 2] = planes[letter][i // 2 :: 2, i % 2 :: 2]
        stacks[f"bayer_{order}"] = (mosaic,)
    out = {}
    for name, channels in stacks.items():
        values = np.stack(channels, axis=-1)
        out[f"{name}8"] = values.reshape(HEIGHT, -1)
        out[f"{name}16"] = (values.astype("<u2") * 257).reshape(HEIGHT, -1).view(np.uint8)
    i420 = cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420).reshape(-1)
    count = HEIGHT * WIDTH
    luma = i420[:count].reshape(HEIGHT, WIDTH)
    u, v = i420[count:].reshape(2, HEIGHT // 2, WIDTH // 2)
    for name, order in (("nv12", (u, v)), ("nv21", (v, u))):
        out[name] = np.concatenate([luma, np.stack(order, -1).reshape(HEIGHT // 2, WIDTH)])
    tall = [np.repeat(plane, 2, axis=0) for plane in (u, v)]
    pairs = luma.reshape(HEIGHT, -1, 2)
    packed = [tall[0], pairs[..., 0], tall[1], pairs[..., 1]]
    out["uyvy"] = out["yuv422"] = np.stack(packed, -1).reshape(HEIGHT, -1)
    packed = [pairs[..., 0], tall[0], pairs[..., 1], tall[1]]
    out["yuyv"] = out["yuv422_yuy2"] = np.stack(packed, -1).reshape(HEIGHT, -1)
    return out


def image(encoding, rows, padding=0, bigendian=False):
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message = sensor_msgs.Image(
        height=HEIGHT, width=WIDTH, encoding=encoding, step=rows.shape[1], is_bigendian=bigendian
    )
    message.data = array("B", rows.tobytes())
    return message


def compressed(fmt, data):
    return sensor_msgs.CompressedImage(format=fmt, data=array("B", data))


def expected(encoding):
    return (
        np.repeat(cv2.cvtColor(scene(), cv2.COLOR_RGB2GRAY)[..., None], 3, -1)
        if (encoding.startswith("mono"))
        else scene()
    )


def tolerance(encoding):
    if encoding.startswith(("yuv", "yuyv", "uyvy", "nv")):
        return 8
    return 12 if encoding.startswith("bayer") else 1


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_gives_the_same_picture(encoding, padding):
    pixels = rgb(image(encoding, raw(scene())[encoding], padding), "/cam")
    assert (pixels.dtype, pixels.shape) == (np.uint8, (HEIGHT, WIDTH, 3))
    inner = np.s_[2:-2, 2:-2] if encoding.startswith("bayer") else np.s_[:]
    difference = pixels[inner].astype(int) - expected(encoding)[inner]
    assert np.abs(difference).max() <= tolerance(encoding)


def test_big_endian_samples_are_swapped():
    rows = raw(scene())["rgb16"].view("<u2").astype(">u2").view(np.uint8)
    pixels = rgb(image("rgb16", rows, bigendian=True), "/cam")
    assert np.abs(pixels.astype(int) - scene()).max() <= 1


@pytest.mark.parametrize("name", ["8UC3", "16UC1", "32FC1", "", "RGB8"])
def test_an_encoding_without_a_meaning_is_refused(name):
    with pytest.raises(ValueError, match=f"/cam: expected encoding rgb8, .* got '{name}'"):
        rgb(image(name, raw(scene())["rgb8"]), "/cam")


@pytest.mark.parametrize(
    "change",
    [
        {"height": HEIGHT + 1},
        {"width": WIDTH + 1},
        {"step": 3 * WIDTH - 1},
        {"step": 3 * WIDTH + 1},
        {"height": 0},
        {"width": 0},
        {"data": array("B", b"123")},
    ],
)
def test_data_of_another_length_is_refused(change):
    message = image("rgb8", raw(scene())["rgb8"])
    for name, value in change.items():
        setattr(message, name, value)
    if change == {"height": 0}:
        message.data = array("B")
    with pytest.raises(ValueError, match=r"/cam: expected .* bytes for rgb8"):
        rgb(message, "/cam")


def encoded(extension, pixels):
    return cv2.imencode(extension, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()


@pytest.mark.parametrize(
    ("fmt", "extension", "worst"),
    [("png", ".png", 0), ("rgb8; png compressed bgr8", ".png", 0), ("jpeg", ".jpg", 12)],
)
def test_compressed_images_are_decoded(fmt, extension, worst):
    pixels = rgb(compressed(fmt, encoded(extension, scene())), "/cam")
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(pixels.astype(int) - scene()).max() <= worst


def test_a_grey_compressed_image_has_three_equal_channels():
    grey = cv2.imencode(".png", scene()[..., 0])[1].tobytes()
    pixels = rgb(compressed("mono8; png compressed ", grey), "/cam")
    np.testing.assert_array_equal(pixels, np.repeat(scene()[..., :1], 3, -1))


@pytest.mark.parametrize(
    ("fmt", "data", "message"),
    [
        ("jpeg", b"no picture", "format 'jpeg': expected JPEG or PNG data, got 10 bytes of some"),
        ("jpeg", b"", "got 0 bytes"),
        ("jpeg", encoded(".jpg", scene())[:-9], "cannot be decoded: cut short or damaged"),
        ("16UC1; compressedDepth png", b"x", "expected a compressed colour or grey image"),
        ("16UC1; png compressed ", b"x", "expected a compressed colour or grey image"),
    ],
)
def test_what_is_no_picture_is_refused(fmt, data, message):
    with pytest.raises(ValueError, match=message):
        rgb(compressed(fmt, data), "/cam")
