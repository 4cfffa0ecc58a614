import json
import os
import platform
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from dreamzero_policy.embodiments import get
from dreamzero_policy.embodiments.embodiment import View
from dreamzero_policy.observation.views import Tiler, crop_box, resize, to_native

DROID = get("droid")
QUARTERS = tuple(View(f"view_{i}", f"view_{i}", row=i % 2, column=i // 2) for i in range(3))


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((180, 320), (4, 8, 171, 304)),
        ((480, 640), (12, 16, 456, 608)),
        ((360, 640), (9, 16, 342, 608)),
        ((160, 320), (4, 8, 152, 304)),
    ],
)
def test_crop_is_that_of_the_training_data(size, box):
    assert crop_box(*size) == box


def golden_robot(scalars):
    """Droid's tiling for droid, the generic one (key order down the columns) for the others."""
    width, height = scalars["camera_resolution_wh"]
    views = DROID.views if scalars["embodiment"] == "oxe_droid" else QUARTERS
    views = tuple(replace(v, key=k) for v, k in zip(views, scalars["video_order"], strict=True))
    return replace(
        DROID, views=views, native_size=(height, width), view_size=tuple(scalars["resize_hw"])
    )


@pytest.mark.parametrize("tag", ["oxe_droid", "agibot", "yam"])
def test_canvas_is_that_of_the_reference(golden_dir, tag):
    scalars = json.loads((golden_dir / f"transforms_{tag}.json").read_text())["scalars"]
    tensors = load_file(golden_dir / f"transforms_{tag}.safetensors")
    robot = golden_robot(scalars)
    tiler = Tiler(robot)
    for frame, expected in enumerate(tensors["input/images"][0]):
        images = {view.name: tensors[f"obs/video.{view.key}"][frame] for view in robot.views}
        np.testing.assert_array_equal(tiler.canvas(images), expected)


def torch_twin(image, size):
    """The evaluation chain's resize as PyTorch computes it."""
    torch = pytest.importorskip("torch")
    values = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    out = torch.nn.functional.interpolate(
        values, size=size, mode="bilinear", align_corners=False, antialias=True
    )
    return (out * 255).to(torch.uint8)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("native", [(180, 320), (360, 640), (480, 640), (160, 320)])
@pytest.mark.parametrize("kind", ["noise", "flat", "white"])
def test_resize_agrees_with_pytorch(native, kind):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (*native, 3), dtype=np.uint8)
    if kind == "flat":
        image[:] = (31, 117, 200)
    if kind == "white":
        image[:] = 255
    top, left, rows, columns = crop_box(*native)
    crop = image[top : top + rows, left : left + columns]
    difference = resize(crop, (176, 320)).astype(int) - torch_twin(crop, (176, 320))
    if rows < 176:  # enlarging: the same sums in the same order
        assert not difference.any()
    assert np.abs(difference).max() <= 1
    if kind == "noise":
        assert abs(difference.mean()) <= 0.02


def slow_twin(image, size):
    """The same filter as its definition: a triangle as wide as the scale, pixel by pixel."""

    def along(values, target):
        source = len(values)
        support = max(source / target, 1.0)
        made = []
        for pixel in range(target):
            centre = (pixel + 0.5) * source / target
            reach = range(
                max(0, int(centre - support + 0.5)), min(source, int(centre + support + 0.5))
            )
            weights = np.array([max(0.0, 1 - abs(i + 0.5 - centre) / support) for i in reach])
            made.append(np.tensordot(weights / weights.sum(), values[list(reach)], axes=1))
        return np.array(made)

    wide = along(image.astype(np.float64).transpose(1, 0, 2), size[1]).transpose(1, 0, 2)
    return along(wide, size[0])


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(3, 90), st.integers(3, 90)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(0, 2**31),
)
def test_resize_agrees_with_its_slow_twin(source, target, seed):
    image = np.random.default_rng(seed).integers(0, 256, (*source, 3), dtype=np.uint8)
    exact = slow_twin(image, target)
    low, high = np.floor(exact - 1e-3), np.floor(exact + 1e-3)  # either side of a whole level
    for got, least, most in (
        (resize(image, target), low, high),
        (to_native(image, target), np.floor(exact + 0.499), np.floor(exact + 0.501)),
    ):
        assert got.shape == (*target, 3)
        assert np.all((least <= got) & (got <= most))


SUM_OF_PICTURES = """
import hashlib, numpy as np
from dreamzero_policy.observation.views import resize, to_native
sizes = ((171, 304), (176, 320)), ((342, 608), (176, 320)), ((720, 1280), (180, 320))
made = hashlib.sha256()
for source, target in sizes:
    image = np.random.default_rng(4).integers(0, 256, (*source, 3), dtype=np.uint8)
    made.update(resize(image, target))
    made.update(to_native(image, target))
print(made.hexdigest())
"""


def test_pictures_are_the_same_whatever_adds_the_terms():
    """numpy's products of matrices are OpenBLAS's, whose sums differ from kernel to kernel."""

    def made(kernel, threads):
        given = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
        given |= {"OPENBLAS_NUM_THREADS": threads, **kernel}
        done = subprocess.run(
            [sys.executable, "-c", SUM_OF_PICTURES],
            env=given, check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    if platform.machine() != "x86_64":
        pytest.skip("the kernels named here are x86-64's")
    named = [{"OPENBLAS_CORETYPE": name} for name in ("Nehalem", "Haswell")]
    assert len({made(kernel, threads) for kernel in (*named, {}) for threads in "12"}) == 1


THREADS = """
import time, numpy as np
from dreamzero_policy.observation.views import resize, to_native
views = [np.zeros((*size, 3), np.uint8) for size in ((456, 608), (1080, 1920), (240, 320))]
numbers = np.random.default_rng(0).random((600, 600))
time.sleep(0.5)  # threads that were just made spin for a while before they sleep
def helpers(work):
    before = time.process_time() - time.thread_time()
    for _ in range(10):
        work()
    return time.process_time() - time.thread_time() - before
sizes = (180, 320), (480, 640)
print(helpers(lambda: [(resize(v, size), to_native(v, size)) for v in views for size in sizes]))
print(helpers(lambda: numbers @ numbers))
"""


def test_no_other_thread_takes_part():
    """Threads that wait for one another would take most of the time of a busy machine."""
    given = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", THREADS], env=given | {"OPENBLAS_NUM_THREADS": "2"},
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    ours, large = map(float, done.stdout.split())
    if large < 1e-3:
        pytest.skip("no product of this library is shared among threads here")
    assert ours < 1e-3


def colours(robot, seed=0):
    rng = np.random.default_rng(seed)
    return {view.name: rng.integers(0, 256, 3) for view in robot.views}


def plain(robot, colour_by_view):
    return {
        name: np.broadcast_to(colour, (*robot.native_size, 3)).astype(np.uint8)
        for name, colour in colour_by_view.items()
    }


def quarter(canvas, row, column):
    height, width = canvas.shape[0] // 2, canvas.shape[1] // 2
    return canvas[row * height : (row + 1) * height, column * width : (column + 1) * width]


def test_every_view_of_droid_is_in_its_place():
    colour = colours(DROID)
    canvas = Tiler(DROID).canvas(plain(DROID, colour)).astype(int)
    assert canvas.shape == (352, 640, 3)
    for row, column, name in ((0, 0, "wrist"), (0, 1, "wrist"), (1, 0, "exterior_1")):
        assert np.abs(quarter(canvas, row, column) - colour[name]).max() <= 1
    assert np.abs(quarter(canvas, 1, 1) - colour["exterior_2"]).max() <= 1


def test_the_full_width_view_has_every_column_twice():
    rng = np.random.default_rng(2)
    images = {v.name: rng.integers(0, 256, (180, 320, 3), dtype=np.uint8) for v in DROID.views}
    tiler = Tiler(DROID)
    top = tiler.canvas(images)[:176]
    np.testing.assert_array_equal(top, np.repeat(tiler.view(images["wrist"]), 2, axis=1))


def test_a_quarter_without_a_view_is_black():
    robot = replace(DROID, views=QUARTERS)
    canvas = Tiler(robot).canvas(plain(robot, dict.fromkeys(("view_0", "view_1", "view_2"), 200)))
    assert not quarter(canvas, 1, 1).any()
    for row, column in ((0, 0), (1, 0), (0, 1)):
        assert quarter(canvas, row, column).min() >= 199


def test_a_single_view_is_the_canvas():
    robot = replace(DROID, views=(View("only", "only", 0, 0),))
    image = np.random.default_rng(3).integers(0, 256, (180, 320, 3), dtype=np.uint8)
    tiler = Tiler(robot)
    np.testing.assert_array_equal(tiler.canvas({"only": image}), tiler.view(image))


def test_a_larger_camera_of_the_same_shape_gives_the_same_picture():
    """A smooth scene seen at four times the pixels ends within two levels of the native view."""

    def scene(height, width):
        y, x = np.mgrid[0:height, 0:width]
        y, x = (y + 0.5) / height, (x + 0.5) / width
        wave = np.stack([np.sin(5 * x), np.cos(4 * y), np.sin(3 * x + 2 * y)], axis=-1)
        return np.rint(127.5 + 120 * wave).astype(np.uint8)

    tiler = Tiler(DROID)
    small, large = tiler.view(scene(180, 320)).astype(int), tiler.view(scene(720, 1280))
    assert np.abs(small - large).max() <= 2
    assert abs((small - large).mean()) < 0.1
    assert to_native(scene(720, 1280), (180, 320)).shape == (180, 320, 3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((480, 640, 3), np.uint8), "wrist: expected 320x180 pixels .* got 640x480"),
        (np.zeros((0, 0, 3), np.uint8), "got 0x0"),
        (np.zeros((180, 320), np.uint8), r"expected uint8 RGB \[H, W, 3\], got uint8 \[180, 320\]"),
        (np.zeros((180, 320, 4), np.uint8), r"got uint8 \[180, 320, 4\]"),
        (np.zeros((180, 320, 3), np.float32), "got float32"),
    ],
)
def test_an_image_of_another_kind_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        Tiler(DROID).view(image, "wrist")


def test_a_missing_view_is_never_filled_with_zeros():
    images = plain(DROID, colours(DROID))
    del images["wrist"]
    with pytest.raises(ValueError, match=r"got \['exterior_1', 'exterior_2'\]"):
        Tiler(DROID).canvas(images)


def test_a_tile_of_another_size_is_refused():
    tiles = {view.name: np.zeros((176, 320, 3), np.uint8) for view in DROID.views}
    tiles["wrist"] = np.zeros((180, 320, 3), np.uint8)
    with pytest.raises(ValueError, match=r"tile wrist: expected uint8 \[176, 320, 3\]"):
        Tiler(DROID).compose(tiles)
