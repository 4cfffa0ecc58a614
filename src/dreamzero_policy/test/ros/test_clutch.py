"""The clutch changes at a press, and not at a button that was down from the start."""

from dreamzero_policy.ros.clutch import Clutch


def test_the_clutch_changes_at_a_press():
    clutch = Clutch()
    taken = [clutch.take(pressed) for pressed in (True, True, False, True, True, False, True)]
    assert taken == [False, False, False, True, True, True, False]
