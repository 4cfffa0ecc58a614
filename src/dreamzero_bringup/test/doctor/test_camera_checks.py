"""A camera is spoilt one fact at a time."""

from dataclasses import replace

import pytest

from dreamzero_bringup.doctor.camera_checks import check
from dreamzero_bringup.doctor.finding import Level


def test_a_sound_camera_is_one_row(camera, expected):
    (row,) = check("wrist", camera(), expected)
    assert row.level is Level.PASS
    assert row.found == "15.0 Hz, 320x180 rgb8, frame wrist, 11 ms old on arrival"


@pytest.mark.parametrize("size", [(320, 180), (640, 360), (1280, 720)])
def test_larger_images_of_the_aspect_ratio_will_do(camera, expected, size):
    assert check("wrist", camera(sizes=(size,)), expected)[0].level is Level.PASS


@pytest.mark.parametrize(
    ("changes", "what", "level", "found"),
    [
        ({"sizes": ((640, 480),)}, "wrist: size", Level.FAIL, "640x480: another aspect"),
        ({"sizes": ((160, 90),)}, "wrist: size", Level.WARN, "160x90: enlarged"),
        ({"sizes": ((320, 180), (640, 360))}, "wrist: size", Level.FAIL, "320x180, 640x360"),
        ({"error": "expected encoding rgb8, got '8UC3'"}, "wrist: encoding", Level.FAIL, "8UC3"),
        ({"frame_id": ""}, "wrist: frame_id", Level.WARN, "empty"),
        ({"brightest": 3.0}, "wrist: picture", Level.WARN, "black"),
        ({"spread": 0.5}, "wrist: picture", Level.WARN, "of one colour"),
        ({"pictures": 1}, "wrist: picture", Level.WARN, "frozen: 45 images"),
        ({"spoilt": {"rate_hz": 2.0}}, "wrist: rate", Level.FAIL, "2.0 Hz"),
        ({"spoilt": {"ages_s": (1.0, 1.0)}}, "wrist: stamps", Level.FAIL, "1.000 s old"),
        ({"spoilt": {"publishers": ()}}, "wrist", Level.FAIL, "nobody publishes"),
    ],
)
def test_one_fault_is_one_complaint(camera, expected, complaints, changes, what, level, found):
    complaint = complaints(check("wrist", camera(**changes), expected))
    assert list(complaint) == [what]
    assert complaint[what].level == level
    assert found in complaint[what].found


def test_a_still_scene_in_simulation_is_not_frozen(camera, expected):
    (row,) = check("wrist", camera(pictures=1), replace(expected, simulated=True))
    assert row.level is Level.PASS


def test_a_compressed_view_has_its_own_topic_and_type(camera, expected):
    wanted = replace(expected, compressed=frozenset({"wrist"}))
    (row,) = check("wrist", camera(), wanted)
    assert row.level is Level.FAIL
    assert row.expected == "sensor_msgs/msg/CompressedImage"
    compressed = camera({"kind": "sensor_msgs/msg/CompressedImage"}, encoding="jpeg")
    assert check("wrist", compressed, wanted)[0].level is Level.PASS
