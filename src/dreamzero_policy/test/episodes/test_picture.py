"""The picture is drawn of whatever there is, and says what there is not."""

import cv2
import pytest

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.episodes import joint_panels, panels, picture
from dreamzero_policy.episodes.strip import canvases
from dreamzero_policy.types import NS_PER_S


def no_wrist(topic, at_ns, values):
    return None if topic.startswith("wrist") or topic == "joint_commands" else values


@pytest.mark.parametrize("options", [{}, {"change": no_wrist}, {"facts": {"robot": "hal"}}])
def test_a_picture_is_drawn(tmp_path, record, options):
    folder = record(tmp_path / "droid_1", instructions=((0.0, "a"), (1.0, "b")), **options)
    picture.draw(folder, tmp_path / "out" / "droid_1.png")
    pixels = cv2.imread(str(tmp_path / "out" / "droid_1.png"))
    assert pixels.shape[1] == 1920
    assert pixels.std() > 10


def test_the_strip_shows_what_a_live_node_would_tile(tmp_path, record, droid):
    with Episode(record(tmp_path / "droid_1")) as episode:
        shown, early = canvases(episode, [episode.span_ns[1], episode.span_ns[0] - NS_PER_S])
        assert shown.shape == early.shape == (*droid.canvas_size, 3)
        from dreamzero_policy.conversion.resample import camera_stream
        from dreamzero_policy.observation.views import Tiler

        newest = {v.name: camera_stream(episode, v.name).picture(-1) for v in droid.views}
        assert (shown == Tiler(droid).canvas(newest)).all()


def test_every_joint_has_its_panel(tmp_path, record, droid):
    with Episode(record(tmp_path / "droid_1")) as episode:
        moved = joint_panels.motion(episode, droid, panels.Clock(0, 1.0))
        groups = joint_panels.joint_groups(droid, moved)
        assert tuple(name for group in groups for name in group.names) == droid.action_joints
        assert panels.required(episode, droid)[2:] == [
            f"/{view.name}/image_raw/compressed" for view in droid.views
        ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("panda_finger_joint1", "panda_finger_joint1"),
        ("a" * 26, "a" * 26),
        ("station/left_arm_of_the_robot/joint_states", "…of_the_robot/joint_states"),
    ],
)
def test_a_name_that_does_not_fit_is_shown_by_its_end(name, shown):
    assert panels.ending(name) == shown
