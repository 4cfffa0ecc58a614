"""Every threshold in virtual time: broken once, marked once, with stream, figure and instant."""

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.recording.quality import QualityWatch, Thresholds
from dreamzero_policy.recording.recorded_streams import streams_of

S = 1_000_000_000
DROID = embodiments.get("droid")
CAMERA = "wrist/image_raw"


class Station:
    """A robot whose streams come as they should, unless told otherwise."""

    def __init__(self, **thresholds):
        self.watch = QualityWatch(DROID, streams_of(DROID), Thresholds(**thresholds))
        self.now, self.silent, self.late = 10 * S, set(), {}
        self.still, self.black, self.rng = False, False, np.random.default_rng(0)
        self.frozen = False
        self.picture = self.rng.integers(50, 255, (48, 64, 3), dtype=np.uint8)
        self.marks, self.pose = [], np.zeros(8)

    def run(self, seconds, hz=20):
        for _ in range(round(seconds * hz)):
            self.now += S // hz
            if not self.still:
                self.pose = np.sin(np.arange(8) + self.now / S)
            speed = np.zeros(8) if self.still else np.cos(np.arange(8) + self.now / S)
            self.watch.moved(self.now, self.pose, speed)
            for stream in streams_of(DROID):
                if stream.required and stream.name not in self.silent:
                    delay = self.late.get(stream.name, 0.01)
                    self.watch.took(stream.name, self.now, self.now - round(delay * S))
            if not self.frozen:
                self.picture = self.rng.integers(50, 255, (48, 64, 3), dtype=np.uint8)
            self.watch.saw("wrist", self.now, self.picture * (not self.black))
            if self.now % (S // 2) == 0:
                reports, new = self.watch.check(self.now)
                self.reports = {report.stream.name: report for report in reports}
                self.marks += new

    @property
    def texts(self):
        return [f"{mark.stream}: {mark.text}" for mark in self.marks]


@pytest.fixture
def station():
    station = Station()
    station.run(2)
    assert not station.watch.missing(station.now)
    station.watch.begin(station.now)
    return station


def test_an_episode_without_fault_has_no_mark(station):
    station.run(30)
    assert station.texts == []
    assert station.reports[CAMERA].rate_hz == station.reports[CAMERA].nominal_hz == 20
    assert station.watch.idle_share == 0.0


def test_a_missing_stream_refuses_the_start():
    station = Station()
    assert len(station.watch.missing(station.now)) == 4
    station.silent = {CAMERA}
    station.run(1)
    assert station.watch.missing(station.now) == ["wrist/image_raw: no message yet"]
    station.silent = set()
    station.run(1)
    station.silent = {"joint_states"}
    station.run(1)
    assert station.watch.missing(station.now) == ["joint_states: newest message is 1.0 s old"]


def test_a_gap_is_marked_once_where_it_began_and_again_where_it_comes_again(station):
    station.run(2)
    before = station.now
    station.silent = {CAMERA}
    station.run(2)
    assert station.texts[0] == "wrist/image_raw: nothing for 0.5 s"
    assert before < station.marks[0].stamp_ns <= before + S
    assert len([text for text in station.texts if "nothing for" in text]) == 1
    station.silent = set()
    station.run(2)
    assert any("gap of 2." in text for text in station.texts)
    station.silent = {CAMERA}
    station.run(1)
    assert len([text for text in station.texts if "nothing for" in text]) == 2


def test_a_gap_between_two_looks_is_found(station):
    station.run(2.05)
    station.silent = {CAMERA}
    station.run(0.35)
    station.silent = set()
    station.run(1)
    assert "wrist/image_raw: gap of 0.40 s" in station.texts


def test_a_camera_that_slows_down_is_marked():
    station = Station(max_gap_s=0.4)
    station.run(2)
    station.watch.begin(station.now)
    for _ in range(10):
        station.silent = {CAMERA}
        station.run(0.2)
        station.silent = set()
        station.run(0.1)
    assert len(station.texts) == 1
    assert "messages a second, expected 20" in station.texts[0]


@pytest.mark.parametrize(("delay", "sign"), [(0.5, "+0.500"), (-0.4, "-0.400")])
def test_stamps_that_are_off_are_marked(station, delay, sign):
    station.late = {"joint_states": delay}
    station.run(2)
    assert station.texts == [f"joint_states: received {sign} s after its stamp"]


def test_a_stream_that_stamps_what_it_speaks_of_is_not_late(station):
    for _ in range(4):
        station.watch.took("authority", station.now, station.now - 9 * S)
        station.run(0.5)
    assert station.texts == []


def test_a_mark_says_its_instant_from_the_begin(station):
    began = station.now
    station.watch.dropped(CAMERA, 3)
    station.run(1)
    said = [mark.since(began) for mark in station.marks]
    assert said == ["0.5 s: wrist/image_raw: 3 messages were not recorded"]


def test_a_frozen_camera_is_marked_only_while_the_robot_moves(station):
    station.frozen = station.still = True
    station.run(5)
    assert station.texts == []
    station.still = False
    station.run(4)
    assert len(station.texts) == 1
    assert "wrist/image_raw: wrist: frozen, not one pixel has changed" in station.texts[0]


def test_a_black_camera_is_marked(station):
    station.black = True
    station.run(5)
    assert "wrist/image_raw: black" in station.texts or "frozen" in station.texts[-1]


def test_an_idle_episode_is_marked(station):
    station.run(10)
    station.still = True
    station.run(25)
    assert any("the robot stood still for 5" in text for text in station.texts)
    assert station.watch.idle_share == pytest.approx(25 / 35, abs=0.02)


def test_refused_commands_of_this_episode_are_marked(station):
    station.watch.refused(7, "an old session")
    station.watch.begin(station.now)
    station.run(1)
    assert station.texts == []
    station.watch.refused(9, "too far")
    station.run(1)
    assert station.texts == ["joint_commands: the driver refused 2 commands: too far"]


def test_messages_that_were_not_recorded_are_marked(station):
    station.watch.dropped(CAMERA, 3)
    station.run(1)
    assert station.texts == ["wrist/image_raw: 3 messages were not recorded"]


def test_without_an_episode_there_are_problems_but_no_marks(station):
    station.watch.end()
    station.silent = {CAMERA}
    station.run(3)
    assert station.texts == []
    assert "nothing for" in station.reports[CAMERA].problem


def test_a_robots_streams_are_its_cameras_its_joints_and_what_the_stack_says():
    streams = streams_of(
        embodiments.get("agibot_g1"),
        joint_topics=("joint_states", "head/joint_states"),
        compressed_views=["head"],
        without=["canvas"],
        also=["tf=tf2_msgs/msg/TFMessage"],
    )
    names = {stream.name: stream for stream in streams}
    assert names["head/image_raw/compressed"].msgtype == "sensor_msgs/msg/CompressedImage"
    assert names["hand_left/image_raw"].required
    assert names["head/joint_states"].required
    assert "base_command" in names
    assert "canvas" not in names
    assert names["tf"].msgtype == "tf2_msgs/msg/TFMessage"
    assert "base_command" not in {stream.name for stream in streams_of(DROID)}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"compressed_views": ["nose"]}, "compressed_views: expected some of"),
        ({"without": ["nose"]}, "without: expected some of"),
        ({"also": ["tf"]}, "expected name=package/msg/Type, got 'tf'"),
        ({"also": ["canvas=a/msg/B"]}, "are not recorded anyway, got"),
    ],
)
def test_streams_that_cannot_be_are_named(change, match):
    with pytest.raises(BagError, match=match):
        streams_of(DROID, **change)
