"""A topic is missing, doubled, slow, or stamped with another clock."""

import pytest

from dreamzero_bringup.doctor.finding import Level
from dreamzero_bringup.doctor.stream_checks import clocks, presence, rate, stamps

KIND = "sensor_msgs/msg/Image"


@pytest.mark.parametrize(
    ("changes", "found", "fix"),
    [
        ({"publishers": (), "types": ()}, "nobody publishes", "wrist/image_raw:=/cam/color"),
        ({"kind": "sensor_msgs/msg/CompressedImage"}, "CompressedImage", "compressed_views"),
        ({"count": 0, "ages_s": ()}, "not one message", "ros2 lifecycle get /driver"),
        ({"publishers": ("/a", "/b")}, "2 publishers: /a, /b", "stop all but one"),
    ],
)
def test_what_keeps_a_topic_from_being_heard(expected, stream, changes, found, fix):
    finding = presence(
        "wrist", stream(**changes), KIND, "wrist/image_raw", ("/cam/color",), expected
    )
    assert finding.level is Level.FAIL
    assert found in finding.found
    assert fix in finding.fix


def test_a_topic_that_is_heard(expected, stream):
    assert presence("wrist", stream(), KIND, "wrist/image_raw", (), expected) is None


def test_rates(stream, complaints):
    assert not complaints(rate("x", stream(), 15.0, 0.2))
    slow = complaints(rate("x", stream(rate_hz=4.0), 5.0, 0.2))["x"]
    assert (slow.level, slow.found, slow.expected) == (Level.FAIL, "4.0 Hz", "5 Hz or more")
    gap = complaints(rate("x", stream(gap_s=0.5), 5.0, 0.2))["x"]
    assert gap.level is Level.WARN
    assert "once 0.50 s" in gap.found


@pytest.mark.parametrize(
    ("changes", "level", "found"),
    [
        ({"ages_s": (-0.3, -0.29)}, Level.FAIL, "0.300 s in the future"),
        ({"ages_s": (-0.02, 0.01)}, Level.WARN, "0.020 s in the future"),
        ({"ages_s": (1.0, 1.01, 1.005)}, Level.FAIL, "1.005 s old on arrival, always the same"),
        ({"ages_s": (0.1, 1.5, 0.9)}, Level.FAIL, "0.900 s old on arrival"),
        ({"ages_s": (0.15, 0.12, 0.14)}, Level.WARN, "0.140 s old"),
        ({"ages_s": (1.79e9, 1.79e9)}, Level.FAIL, "20718 days off"),
        ({"standing_stamps": 3}, Level.FAIL, "3 of 45 stamps"),
    ],
)
def test_stamps(stream, complaints, changes, level, found):
    complaint = complaints(stamps("x", stream(**changes), 0.2, 0.1))
    assert complaint["x"].level == level
    assert found in complaint["x"].found


def test_sound_stamps(stream, complaints):
    assert not complaints(stamps("x", stream(), 0.2, 0.1))
    assert not complaints(stamps("x", stream(ages_s=()), 0.2, 0.1))


def test_clocks_of_hosts(stream):
    def on(host, *ages):
        return stream(hosts={"/driver": host}, ages_s=ages)

    found = {
        finding.what: finding
        for finding in clocks(
            [
                on("host 01", -0.4, -0.39),
                on("host 02", 1.0, 1.02),
                on("host 02", 0.9, 1.2),
                on("host 03", 0.004, 0.03),
                on("this host", 2.0),
                stream(hosts={"/a": "host 04", "/b": "host 05"}),
                stream(ages_s=()),
            ]
        )
    }
    assert found["clock: host 01"].level is Level.FAIL
    assert "ahead by 0.400 s" in found["clock: host 01"].found
    assert "behind by up to 0.900 s" in found["clock: host 02"].found
    assert "chrony" in found["clock: host 02"].fix
    assert found["clock: host 03"].level is Level.PASS
    assert found["clock: this host"].level is Level.PASS
    assert len(found) == 4


def test_no_stamps_no_clocks(stream):
    (finding,) = clocks([stream(ages_s=(), count=0)])
    assert finding.level is Level.SKIP
