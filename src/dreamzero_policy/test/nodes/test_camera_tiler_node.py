"""The tiler as a process over real DDS: the grid, the picture, missing views, bad images."""

import math
import time
from array import array
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from dreamzero_msgs.msg import Canvas, Proprioception
from sensor_msgs.msg import CompressedImage, Image

from dreamzero_policy.embodiments import get
from dreamzero_policy.messages.images import canvas_pixels, image_message, rgb_pixels
from dreamzero_policy.messages.joints import Proprioception as State
from dreamzero_policy.messages.joints import proprioception_message
from dreamzero_policy.messages.times import nanoseconds, time_message
from dreamzero_policy.observation.views import Tiler
from dreamzero_policy.parameters.camera_tiler_parameters import CameraTilerParameters
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.parameters import resolve

pytestmark = pytest.mark.ros

DROID = get("droid")
FRAME_NS = DROID.time_base.frame_ns
VIEWS = [view.name for view in DROID.views]


class Cameras:
    """Synthetic cameras at 15 Hz; each picture has one colour, known from its stamp."""

    def __init__(self, bench, compressed=()):
        self.bench, self.off, self.cut, self.frozen = bench, set(), set(), {}
        self.frame_ids = {view: view for view in VIEWS}
        self.publishers = {
            view: bench.node.create_publisher(
                CompressedImage, f"{view}/image_raw/compressed", qos.CAMERA
            )
            if view in compressed
            else bench.node.create_publisher(Image, f"{view}/image_raw", qos.CAMERA)
            for view in VIEWS
        }
        self.compressed = compressed
        self.timer = bench.node.create_timer(1 / 15, self.publish)

    @staticmethod
    def picture(view, stamp_ns):
        level = stamp_ns // 1_000_000 % 200
        colour = np.roll([level, 255 - level, 40 * VIEWS.index(view)], VIEWS.index(view))
        return np.broadcast_to(colour.astype(np.uint8), (*DROID.native_size, 3))

    def publish(self):
        for index, view in enumerate(VIEWS):
            # Cameras are not in step: each has stamps of its own.
            stamp = self.bench.now_ns() - 3_000_000 * index
            if view in self.off:
                continue
            pixels = self.picture(view, self.frozen.get(view, stamp))
            if view in self.compressed:
                data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
                data = data[: len(data) // 2] if view in self.cut else data
                message = CompressedImage(format="rgb8; png compressed bgr8", data=array("B", data))
                message.header.stamp = time_message(stamp)
            else:
                message = image_message(stamp, self.frame_ids[view], pixels)
            self.publishers[view].publish(message)


def test_canvases_are_on_the_grid_and_show_the_newest_images(bench, start):
    cameras = Cameras(bench, compressed=["exterior_2"])
    cameras.off.add("wrist")
    canvases = bench.listen(Canvas, "canvas", qos.CANVAS)
    process = start("camera_tiler_node", robot="droid", compressed_views="[exterior_2]")

    bench.spin_until(lambda: "no canvas: wrist: no image yet (" in process.log)
    assert not canvases

    cameras.off.clear()
    bench.spin_until(lambda: len(canvases) >= 2)
    assert "canvases again after" in process.log
    pictures = bench.listen(Image, "canvas/image", qos.PICTURE)
    bench.spin_until(lambda: len(canvases) >= 8 and pictures)
    stamps = [nanoseconds(canvas.header.stamp) for canvas in canvases]
    assert all(stamp % FRAME_NS == 0 for stamp in stamps)
    assert np.diff(stamps).min() >= FRAME_NS  # none twice
    tiler = Tiler(DROID)
    for canvas in canvases:
        assert canvas.view_names == VIEWS
        seen = [nanoseconds(stamp) for stamp in canvas.view_stamps]
        ages = [nanoseconds(age) for age in canvas.view_ages]
        assert ages == [nanoseconds(canvas.header.stamp) - stamp for stamp in seen]
        assert min(ages) >= 0
        assert max(ages) <= 200_000_000
        expected = tiler.canvas(
            {view: Cameras.picture(view, stamp) for view, stamp in zip(VIEWS, seen, strict=True)}
        )
        np.testing.assert_array_equal(rgb_pixels(canvas.image), expected)
    assert pictures[0].header.stamp.sec > 0
    assert (pictures[0].width, pictures[0].height) == (640, 352)

    cameras.off.add("exterior_1")
    bench.spin_until(lambda: "no canvas: exterior_1: newest image is" in process.log)
    assert "expected at most 0.200 s" in process.log
    assert process.stop() == 0


def test_canvases_go_out_as_png_and_a_camera_that_sends_cut_pictures_stops_them(bench, start):
    cameras = Cameras(bench, compressed=["wrist"])
    cameras.cut.add("wrist")
    canvases = bench.listen(Canvas, "canvas", qos.CANVAS)
    process = start(
        "camera_tiler_node", robot="droid", compressed_views="[wrist]", canvas_encoding="png"
    )
    refusal = "no canvas: /wrist/image_raw/compressed: format 'rgb8; png compressed bgr8'"
    bench.spin_until(lambda: refusal in process.log)  # even of the first: the next may be whole
    assert not canvases

    cameras.cut.clear()
    bench.spin_until(lambda: len(canvases) >= 3)
    tiler = Tiler(DROID)
    for canvas in canvases:
        assert (len(canvas.image.data), canvas.compressed.format) == (0, "png")
        seen = [nanoseconds(stamp) for stamp in canvas.view_stamps]
        expected = tiler.canvas(
            {view: Cameras.picture(view, stamp) for view, stamp in zip(VIEWS, seen, strict=True)}
        )
        np.testing.assert_array_equal(canvas_pixels(canvas), expected)

    cameras.cut.add("wrist")
    bench.spin_until(lambda: process.log.count(refusal) >= 2)
    assert "cut short or damaged" in process.log
    assert process.stop() == 0


class Arm:
    """The proprioception of a robot whose first joint goes to and fro, or stands."""

    def __init__(self, bench):
        self.bench, self.moving = bench, True
        self.publisher = bench.node.create_publisher(Proprioception, "proprioception", qos.STATE)
        self.timer = bench.node.create_timer(1 / 30, self.publish)
        self.turned = 0.0

    def publish(self):
        stamp_ns = self.bench.now_ns()
        if self.moving:
            self.turned = 0.3 * math.sin(2.0 * stamp_ns / 1e9)
        positions = DROID.state_at_home() + np.eye(8)[0] * self.turned
        state = State(stamp_ns, DROID.state_joints, positions, np.zeros(8), {})
        self.publisher.publish(proprioception_message(state))


def test_a_frozen_camera_stops_the_canvases_while_a_still_scene_does_not(bench, start):
    cameras, arm = Cameras(bench), Arm(bench)
    canvases = bench.listen(Canvas, "canvas", qos.CANVAS)
    process = start("camera_tiler_node", robot="droid", still_views="[exterior_2]")
    bench.spin_until(lambda: len(canvases) >= 3)

    arm.moving = False
    cameras.frozen = dict.fromkeys(VIEWS, bench.now_ns())
    canvases.clear()
    bench.spin_until(lambda: len(canvases) >= 10)
    assert "frozen" not in process.log

    arm.moving = True
    bench.spin_until(lambda: "no canvas: exterior_1: frozen, not one pixel" in process.log)
    assert "; wrist: frozen, not one pixel" in process.log
    assert "exterior_2: frozen" not in process.log
    arm.moving = False  # the controller holds: that must not make the picture good again
    canvases.clear()
    bench.spin(1.5)
    assert not canvases

    cameras.frozen.clear()
    bench.spin_until(lambda: len(canvases) >= 3)
    assert process.stop() == 0


def test_images_of_another_camera_are_refused_until_their_own_come_again(bench, start):
    cameras = Cameras(bench)
    canvases = bench.listen(Canvas, "canvas", qos.CANVAS)
    process = start("camera_tiler_node", robot="droid", frame_ids="['wrist=hand']")
    bench.spin_until(lambda: "wrist: expected frame_id 'hand', got 'wrist'" in process.log)
    assert not canvases
    cameras.frame_ids["wrist"] = "hand"
    bench.spin_until(lambda: len(canvases) >= 3)

    cameras.frame_ids |= {"exterior_1": "exterior_2", "exterior_2": "exterior_1"}
    bench.spin_until(lambda: "no canvas: exterior_1: newest image is" in process.log)
    assert "since exterior_1 receives pictures of exterior_2: swapped?" in process.log
    assert "since exterior_2 receives pictures of exterior_1: swapped?" in process.log
    canvases.clear()
    bench.spin(0.6)
    assert not canvases

    cameras.frame_ids |= {view: view for view in VIEWS[:2]}
    bench.spin_until(lambda: len(canvases) >= 3)
    cameras.off.add("exterior_1")  # a driver that is started again goes on where it was
    bench.spin(0.5)
    cameras.off.clear()
    canvases.clear()
    bench.spin_until(lambda: len(canvases) >= 3)
    assert process.stop() == 0


def blank(width, height, encoding, step):
    message = Image(width=width, height=height, encoding=encoding, step=step)
    message.data = array("B", bytes(step * height))
    return message


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (
            blank(320, 180, "8UC3", 960),
            "wrist cannot be used: /wrist/image_raw: expected encoding rgb8, ",
        ),
        (
            blank(640, 480, "bgr8", 1920),
            "/wrist/image_raw: expected 320x180 pixels or the same aspect ratio, got 640x480",
        ),
    ],
)
def test_a_first_image_that_cannot_be_used_ends_the_node(bench, start, image, complaint):
    publisher = bench.node.create_publisher(Image, "wrist/image_raw", qos.CAMERA)
    process = start("camera_tiler_node", robot="droid")
    end = time.monotonic() + 20
    while process.child.poll() is None and time.monotonic() < end:
        image.header.stamp = time_message(bench.now_ns())
        publisher.publish(image)
        bench.spin(0.1)
    assert process.wait() == 3
    assert complaint in process.log


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"robot": "droyd"}, "unknown robot 'droyd'; known robots: "),
        (
            {"robot": "droid", "compressed_views": "[head]"},
            "parameter compressed_views: expected some of ['exterior_1', 'exterior_2', 'wrist'], "
            "got ['head']",
        ),
        ({"robot": "droid", "max_image_age_s": 0.05}, "parameter max_image_age_s: expected"),
        (
            {"robot": "droid", "view_size": "[160]"},
            "parameter view_size: expected height and width of at least 16 pixels, or 0 and 0 for "
            "the robot's own, got [160]",
        ),
        (
            {"robot": "droid", "frame_ids": "['head=x']"},
            "parameter frame_ids: expected view=frame_id with a view of",
        ),
        ({"robot": "droid", "still_views": "[head]"}, "parameter still_views: expected some of"),
        ({"robot": "droid", "compresed_views": "[wrist]"}, "did you mean compressed_views?"),
    ],
)
def test_a_wrong_setting_is_refused_at_start(start, parameters, complaint):
    process = start("camera_tiler_node", **parameters)
    assert process.wait() == 2
    assert complaint in process.log


def test_views_of_another_checkpoint_s_size(bench, start):
    cameras = Cameras(bench)
    canvases = bench.listen(Canvas, "canvas", qos.CANVAS)
    process = start("camera_tiler_node", robot="droid", view_size="[160, 320]")
    bench.spin_until(lambda: canvases)
    stamps = [nanoseconds(stamp) for stamp in canvases[0].view_stamps]
    views = {v: cameras.picture(v, stamp) for v, stamp in zip(VIEWS, stamps, strict=True)}
    expected = Tiler(replace(DROID, view_size=(160, 320))).canvas(views)
    assert expected.shape == (320, 640, 3)
    np.testing.assert_array_equal(rgb_pixels(canvases[0].image), expected)
    assert process.stop() == 0


@pytest.mark.parametrize("size", [(), (160,), (160, 320, 3), (0, 320), (8, 320)])
def test_a_size_that_no_view_has_is_refused(size):
    with pytest.raises(ValueError, match="parameter view_size: expected height and width of"):
        CameraTilerParameters(robot="droid", view_size=size).robot_layout()


def test_the_installed_settings_are_the_defaults():
    path = Path(__file__).resolve().parents[4] / "config" / "camera_tiler.yaml"
    if not path.is_file():
        pytest.skip(f"no {path}")
    installed = yaml.safe_load(path.read_text())["/**"]["ros__parameters"]
    defaults = resolve(CameraTilerParameters, {"robot": "droid"})
    assert resolve(CameraTilerParameters, {"robot": "droid", **installed}) == defaults
