"""Which camera a picture is from: pins, swaps, one camera twice."""

import pytest

from dreamzero_policy.observation.frame_ids import FrameIds, parse_frame_ids

VIEWS = ("exterior_1", "exterior_2", "wrist")


def test_given_frame_ids_are_read():
    assert parse_frame_ids(["wrist = hand_optical", "exterior_1=left"], VIEWS) == {
        "wrist": "hand_optical",
        "exterior_1": "left",
    }
    assert parse_frame_ids([], VIEWS) == {}


@pytest.mark.parametrize(
    "texts",
    [["wrist"], ["wrist="], ["head=a"], ["wrist=a", "wrist=b"], ["wrist=a", "exterior_1=a"]],
)
def test_frame_ids_of_another_form_are_refused(texts):
    with pytest.raises(ValueError, match="frame_ids: expected view=frame_id with a view of") as got:
        parse_frame_ids(texts, VIEWS)
    assert repr(texts[-1]) in str(got.value)


def test_the_first_picture_pins_its_view_and_a_restarted_camera_goes_on():
    ids = FrameIds(VIEWS, {})
    assert ids.pinned("wrist") is None
    assert [ids.refusal("wrist", "hand") for _ in range(3)] == ["", "", ""]
    assert ids.pinned("wrist") == "hand"
    assert ids.refusal("wrist", "face") == "wrist: expected frame_id 'hand', got 'face'"
    assert ids.refusal("wrist", "hand") == ""


def test_cameras_that_are_swapped_while_running_are_named():
    ids = FrameIds(VIEWS, {})
    for view, frame_id in zip(VIEWS, ("left", "right", "hand"), strict=True):
        assert ids.refusal(view, frame_id) == ""
    assert ids.refusal("exterior_1", "right") == (
        "exterior_1 receives pictures of exterior_2: swapped? exterior_1: expected frame_id "
        "'left', got 'right'"
    )
    assert ids.refusal("exterior_2", "left").startswith(
        "exterior_2 receives pictures of exterior_1"
    )
    assert ids.refusal("exterior_1", "left") == ""


def test_cameras_that_are_swapped_from_the_start_are_named_where_their_frame_ids_are_known():
    ids = FrameIds(VIEWS, {"exterior_2": "right"})
    assert ids.refusal("exterior_1", "right") == (
        "exterior_1 receives pictures of exterior_2: swapped? exterior_1: expected frame_id one of "
        "its own, got 'right'"
    )
    assert ids.refusal("exterior_2", "left") == "exterior_2: expected frame_id 'right', got 'left'"


def test_a_frame_id_that_is_another_view_s_name_is_that_view_s():
    ids = FrameIds(VIEWS, {})
    assert "exterior_1 receives pictures of wrist: swapped?" in ids.refusal("exterior_1", "wrist")
    assert ids.refusal("exterior_1", "exterior_1") == ""


def test_cameras_without_names_of_their_own_may_share_one_and_are_reported():
    ids = FrameIds(VIEWS, {})
    assert [ids.refusal(view, "") for view in VIEWS[:2]] == ["", ""]
    assert ids.refusal("wrist", "hand") == ""
    assert ids.shared() == [("exterior_1", "exterior_2")]
    assert ids.refusal("exterior_1", "hand").startswith("exterior_1 receives pictures of wrist")


def test_clear_keeps_what_was_given():
    ids = FrameIds(VIEWS, {"wrist": "hand"})
    ids.refusal("exterior_1", "left")
    ids.clear()
    assert (ids.pinned("exterior_1"), ids.pinned("wrist")) == (None, "hand")
    assert ids.refusal("exterior_1", "middle") == ""
