"""Which camera saw an arm move."""

import numpy as np
import pytest

from dreamzero_bringup.walk import views
from dreamzero_policy import embodiments


@pytest.mark.parametrize(
    ("robot", "hands", "arm", "others"),
    [
        ("yam", {"left": "left", "right": "right"}, "left", ("right",)),
        ("agibot_g1", {"left": "hand_left", "right": "hand_right"}, "right", ("hand_left",)),
        ("droid", {"": "wrist"}, "", ("exterior_1", "exterior_2")),
    ],
)
def test_hands_by_name(robot, hands, arm, others):
    layout = embodiments.get(robot)
    assert views.hand_views(layout) == hands
    assert views.others(layout, arm) == others


def test_the_view_that_changes_most_saw_it():
    judge = views.judge
    assert judge({"left": 9.0, "right": 0.4}, "left", ("right",)) == "own"
    assert judge({"left": 0.4, "right": 9.0}, "left", ("right",)) == "other"
    assert judge({"left": 5.0, "right": 4.0}, "left", ("right",)) == "unclear"
    assert judge({"left": 0.9, "right": 0.1}, "left", ("right",)) == "unclear"
    assert judge({"left": 9.0}, "left", ("right",)) == "unclear"


def test_small_pictures_of_any_size():
    for height, width in ((180, 320), (480, 640), (37, 50)):
        picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        before = views.small(picture)
        assert views.difference(before, before) == 0.0
        shifted = views.small(np.roll(picture, 9, axis=1))
        assert views.difference(before, shifted) > 1.0
    assert views.difference(before, before[1:]) == float("inf")
