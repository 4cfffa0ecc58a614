"""Frozen views: the same pixels for a while in which the robot moved, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.embodiments import get
from dreamzero_policy.embodiments.embodiment import View
from dreamzero_policy.observation.frozen import PictureWatch
from dreamzero_policy.types import NS_PER_S

DROID = get("droid")
HOME = DROID.state_at_home()
START_NS = 1_700_000_000 * NS_PER_S
AFTER_NS, MOTION = NS_PER_S, 0.1
FRAME_NS = NS_PER_S // 5


def watch(**changed):
    return PictureWatch(DROID, **{"after_ns": AFTER_NS, "motion": MOTION, **changed})


def picture(level=100):
    return np.full((176, 320, 3), level, np.uint8)


def pose(turned):
    return HOME + np.eye(len(HOME))[0] * turned


def frozen_after(checked, pictures, poses, view="wrist"):
    """Seconds from the first picture until ``view`` is reported; None if it never is."""
    for k, (shown, turned) in enumerate(zip(pictures, poses, strict=True)):
        stamp_ns = START_NS + k * FRAME_NS
        checked.moved(stamp_ns, pose(turned))
        checked.saw(view, stamp_ns, shown)
        if checked.frozen():
            return k * FRAME_NS / NS_PER_S
    return None


def test_the_same_picture_while_the_robot_moves_is_frozen():
    checked = watch()
    assert frozen_after(checked, [picture()] * 20, np.arange(20) * 0.05) == 1.0
    (found,) = checked.frozen()
    assert (found.view, found.unchanged_ns) == ("wrist", AFTER_NS)
    assert found.motion == pytest.approx(0.2)  # what came in the last 0.2 s does not count yet
    assert str(found) == (
        "wrist: frozen, not one pixel has changed for 1.0 s in which the joints moved by 0.20 rad "
        "in all"
    )


def test_a_robot_that_stands_still_shows_the_same_picture():
    assert frozen_after(watch(), [picture()] * 100, np.zeros(100)) is None


def test_poses_are_needed_only_while_a_picture_is_the_same():
    checked = watch(still=["exterior_2"])
    checked.saw("exterior_2", START_NS, picture(0))
    checked.saw("exterior_2", START_NS + FRAME_NS, picture(0))
    for k, level in enumerate((1, 2, 2)):
        assert not checked.needs_poses
        checked.saw("wrist", START_NS + k * FRAME_NS, picture(level))
    assert checked.needs_poses
    checked.saw("wrist", START_NS + 3 * FRAME_NS, picture(3))
    assert not checked.needs_poses


def test_one_pixel_that_changes_is_a_picture():
    pictures = [picture() for _ in range(50)]
    for k, shown in enumerate(pictures):
        shown[k, k, 1] = 7
    assert frozen_after(watch(), pictures, np.arange(50) * 0.05) is None


def test_motion_before_the_picture_froze_does_not_count():
    turned = [*np.arange(10) * 0.1, *[0.9] * 50]
    pictures = [*[picture(k) for k in range(10)], *[picture(9)] * 50]
    assert frozen_after(watch(), pictures, turned) is None


def test_a_step_that_a_late_picture_cannot_show_yet_does_not_count():
    checked = watch()
    assert frozen_after(checked, [picture()] * 20, [*[0.0] * 19, 1.0]) is None
    checked.saw("wrist", START_NS + 20 * FRAME_NS, picture())
    assert checked.frozen()


def test_noise_of_a_standing_robot_does_not_add_up():
    rng = np.random.default_rng(0)
    assert frozen_after(watch(), [picture()] * 500, rng.normal(0, 0.005, 500)) is None


def test_it_stays_frozen_while_the_robot_holds_and_ends_with_the_first_change():
    checked = watch()
    frozen_after(checked, [picture()] * 10, np.arange(10) * 0.1)
    for k in range(10, 200):
        checked.moved(START_NS + k * FRAME_NS, pose(1.0))
        checked.saw("wrist", START_NS + k * FRAME_NS, picture())
        assert checked.frozen()
    checked.saw("wrist", START_NS + 200 * FRAME_NS, picture(101))
    assert not checked.frozen()


def test_grippers_are_not_motion():
    checked = watch()
    for k in range(20):
        moved = HOME.copy()
        moved[-1] = k % 2
        checked.moved(START_NS + k * FRAME_NS, moved)
        checked.saw("wrist", START_NS + k * FRAME_NS, picture())
    assert not checked.frozen()


def test_only_the_view_that_froze_is_named_and_a_still_view_never():
    for still, expected in (((), ["exterior_2"]), (("exterior_2",), [])):
        checked = watch(still=still)
        for k in range(20):
            stamp_ns = START_NS + k * FRAME_NS
            checked.moved(stamp_ns, pose(k * 0.1))
            for view in ("exterior_1", "exterior_2", "wrist"):
                checked.saw(view, stamp_ns, picture(100 if view == "exterior_2" else k))
        assert [found.view for found in checked.frozen()] == expected


def test_an_image_that_serves_two_canvases_is_one_picture():
    checked = watch()
    for k in range(20):
        checked.moved(START_NS + k * FRAME_NS, pose(k * 0.1))
        checked.saw("wrist", START_NS, picture())
    assert not checked.frozen()
    assert checked.unchanged_s("wrist") == 0.0


def test_what_the_robot_did_while_no_picture_came_does_not_count():
    checked = watch()
    for k in range(100):
        stamp_ns = START_NS + k * FRAME_NS
        checked.moved(stamp_ns, pose(0.5 if 10 < k < 90 else 0.0))
        if not 5 <= k < 95:
            checked.saw("wrist", stamp_ns, picture())
    assert checked.unchanged_s("wrist") > 19.0
    assert not checked.frozen()


def test_a_frozen_view_is_still_frozen_after_a_gap():
    checked = watch()
    frozen_after(checked, [picture()] * 9, np.arange(9) * 0.1)
    checked.saw("wrist", START_NS + 60 * NS_PER_S, picture())
    assert checked.frozen()


def test_two_poses_that_look_the_same_are_proof_even_with_a_gap_between_them():
    checked = watch()
    for k in (*range(4), *range(20, 24)):
        stamp_ns = START_NS + k * FRAME_NS
        checked.moved(stamp_ns, pose(0.2 if k >= 20 else 0.0))
        checked.saw("wrist", stamp_ns, picture())
    assert checked.frozen()


def test_a_picture_from_the_past_is_another_clock_s():
    checked = watch()
    frozen_after(checked, [picture()] * 9, np.arange(9) * 0.1)
    checked.saw("wrist", START_NS - 60 * NS_PER_S, picture())
    assert not checked.frozen()


def test_a_clock_that_was_set_back_does_not_end_the_watch():
    checked = watch()
    frozen_after(checked, [picture()] * 9, np.arange(9) * 0.1)
    for k in range(10):
        stamp_ns = START_NS - 60 * NS_PER_S + k * FRAME_NS
        checked.moved(stamp_ns, pose(k * 0.1))
        checked.saw("wrist", stamp_ns, picture())
    assert checked.frozen()


def test_clear_forgets():
    checked = watch()
    frozen_after(checked, [picture()] * 9, np.arange(9) * 0.1)
    checked.clear()
    assert not checked.frozen()
    assert checked.unchanged_s("wrist") == 0.0


def test_a_black_view_is_dark_after_a_while_whether_it_is_noisy_or_not():
    checked, rng = watch(still=["exterior_1"]), np.random.default_rng(0)
    for k in range(6):
        assert not checked.dark()
        for view in ("exterior_1", "exterior_2", "wrist"):
            noisy = rng.integers(0, 3, (176, 320, 3), dtype=np.uint8)
            shown = {"exterior_1": noisy, "exterior_2": noisy, "wrist": picture(k)}[view]
            checked.saw(view, START_NS + k * FRAME_NS, shown)
        checked.saw("wrist", START_NS + k * FRAME_NS, picture(50))
    assert checked.dark() == ["exterior_2"]
    checked.saw("exterior_2", START_NS + 6 * FRAME_NS, picture(80))
    assert not checked.dark()


def test_an_unknown_still_view_is_refused():
    with pytest.raises(ValueError, match=r"still_views: expected some of \['exterior_1'.*'head'"):
        watch(still=["head"])


def test_a_robot_with_one_view():
    single = replace(DROID, views=(View("top", "top", 0, 0),))
    checked = PictureWatch(single, AFTER_NS, MOTION)
    assert frozen_after(checked, [picture()] * 9, np.arange(9) * 0.1, "top") == 1.0


@given(
    levels=st.lists(st.integers(0, 2), min_size=2, max_size=40),
    steps=st.lists(st.floats(0.0, 0.2), min_size=40, max_size=40),
)
def test_frozen_is_what_the_definition_says(levels, steps):
    checked, turned = watch(), np.cumsum(steps)
    for k, level in enumerate(levels):
        checked.moved(START_NS + k * FRAME_NS, pose(turned[k]))
        checked.saw("wrist", START_NS + k * FRAME_NS, picture(level))
        first = k
        while first and levels[first - 1] == level:
            first -= 1
        seen = turned[first:k]  # the pose at k is too late for picture k
        motion = np.ptp(seen) if len(seen) else 0.0
        long = (k - first) * FRAME_NS >= AFTER_NS
        if abs(motion - MOTION) > 1e-9:
            assert bool(checked.frozen()) == (long and motion > MOTION)
