"""Messages and what they amount to, on a clock of the test's own."""

from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and the built workspace")

from dreamzero_msgs.msg import DriverStatus
from sensor_msgs.msg import CompressedImage, JointState

from dreamzero_bringup.facts.heard import Heard, HeardCamera, HeardDriver, joints
from dreamzero_policy.messages.images import image_message
from dreamzero_policy.messages.times import time_message
from dreamzero_policy.types import NS_PER_S

pytestmark = pytest.mark.ros

START = 1_000 * NS_PER_S


class Clock:
    def __init__(self):
        self.ns = START

    def __call__(self):
        return self.ns

    def after(self, seconds):
        self.ns = START + round(seconds * NS_PER_S)


@pytest.fixture
def clock():
    return Clock()


def state(seconds):
    message = JointState(name=["a"], position=array("d", [0.5]))
    message.header.stamp = time_message(START + round(seconds * NS_PER_S))
    return message


def picture(shade, seconds=0.0, size=(4, 6)):
    stamp = START + round(seconds * NS_PER_S)
    return image_message(stamp, "wrist", np.full((*size, 3), shade, np.uint8))


def test_rates_ages_and_gaps(clock):
    heard = Heard(clock)
    for stamp, arrival in ((0.1, 0.15), (0.2, 0.22), (0.5, 0.52), (0.6, 0.61)):
        clock.after(arrival)
        heard.take(state(stamp))
    clock.after(0.7)
    stream = heard.stream("/x", publishers=("/a",))
    assert stream.count == 4
    assert stream.rate_hz == pytest.approx(3 / 0.46)
    assert stream.ages_s == pytest.approx((0.05, 0.02, 0.02, 0.01))
    assert stream.gap_s == pytest.approx(0.3)
    assert stream.standing_stamps == 0
    assert stream.publishers == ("/a",)


def test_messages_that_wait_in_this_process_make_no_gap(clock):
    heard = Heard(clock)
    for stamp in (0.0, 0.1, 0.2, 0.3):
        clock.after(max(0.01, 0.9 * (stamp > 0.05)))
        heard.take(state(stamp))
    assert heard.stream("/x").gap_s == pytest.approx(0.1)


def test_silence_before_and_after_is_a_gap(clock):
    heard = Heard(clock)
    clock.after(0.4)
    heard.take(state(0.4))
    clock.after(1.0)
    assert heard.stream("/x").gap_s == pytest.approx(0.6)
    heard.forget()
    clock.after(3.0)
    stream = heard.stream("/x")
    assert (stream.count, stream.rate_hz, stream.gap_s) == (0, 0.0, 2.0)
    assert heard.newest is not None


def test_stamps_that_stand_or_go_back_are_counted(clock):
    heard = Heard(clock)
    for stamp in (0.1, 0.1, 0.3, 0.2):
        heard.take(state(stamp))
    assert heard.stream("/x").standing_stamps == 2


def test_a_camera(clock):
    heard = HeardCamera(clock)
    for shade in (10, 10, 200):
        heard.take(picture(shade))
    camera = heard.camera(heard.stream("/wrist/image_raw"), ("/other",))
    assert camera.sizes == ((6, 4),)
    assert (camera.encoding, camera.frame_id, camera.error) == ("rgb8", "wrist", "")
    assert (camera.pictures, camera.brightest, camera.spread) == (2, 200.0, 0.0)
    assert camera.alternatives == ("/other",)


def test_a_camera_that_changes_its_size_or_cannot_be_converted(clock):
    heard = HeardCamera(clock)
    heard.take(picture(10))
    broken = picture(10, size=(8, 8))
    broken.encoding = "32FC1"
    heard.take(broken)
    camera = heard.camera(heard.stream("/wrist/image_raw"), ())
    assert camera.sizes == ((6, 4), (8, 8))
    assert "32FC1" in camera.error


def test_a_compressed_camera(clock):
    import cv2

    data = cv2.imencode(".png", np.full((4, 6, 3), 90, np.uint8))[1].tobytes()
    heard = HeardCamera(clock)
    heard.take(CompressedImage(format="png", data=array("B", data)))
    camera = heard.camera(heard.stream("/x"), ())
    assert camera.sizes == ((6, 4),)
    assert camera.encoding == "png"
    heard.take(CompressedImage(format="png", data=array("B", b"no picture")))
    assert "expected JPEG or PNG data" in heard.camera(heard.stream("/x"), ()).error


def test_nothing_came(clock):
    heard = HeardCamera(clock)
    assert heard.camera(heard.stream("/x"), ()).pictures == 0
    assert joints(heard, heard.stream("/x"), ()).names == ()


def test_joints_and_sessions(clock):
    heard = Heard(clock)
    heard.take(state(0.1))
    said = joints(heard, heard.stream("/x"), ())
    assert (said.names, said.positions) == (("a",), (0.5,))
    driver = HeardDriver(clock)
    for session in (3, 3, 4):
        driver.take(DriverStatus(session_id=session))
    assert list(driver.sessions) == [3, 4]
    driver.forget()
    assert not driver.sessions
