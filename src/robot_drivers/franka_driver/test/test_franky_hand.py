"""The Franka Hand through a stand-in whose calls block, as the vendor's do."""

import time

import pytest

from franka_driver.franky_hand import FrankyHand
from franka_driver.hardware import HardwareFaultError


@pytest.fixture
def gripper(franky):
    return franky.Gripper("172.16.0.2")


@pytest.fixture
def hand(gripper):
    made = FrankyHand(gripper, speed=0.2, force=30.0, step=0.05, now_ns=time.monotonic_ns)
    yield made
    made.close()


def wait(done, seconds=5.0):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def test_closing_grasps_with_a_force_and_opening_moves(hand, gripper):
    wait(lambda: hand.read() is not None)
    assert hand.read()[0] == pytest.approx(0.0)
    gripper.object_m = 0.03
    hand.make_for(1.0)
    wait(lambda: hand.read()[0] == pytest.approx(0.625, abs=0.01))  # holds what is 3 cm wide
    assert gripper.calls == [("grasp", 0.0, 0.2, 30.0, 1.0)]
    hand.make_for(0.0)
    wait(lambda: hand.read()[0] == pytest.approx(0.0, abs=0.01))
    assert gripper.calls[-1] == ("move", 0.08, 0.2)
    hand.step(0)


def test_small_changes_are_not_sent_and_a_turn_stops_what_is_under_way(hand, gripper):
    wait(lambda: hand.read() is not None)
    for closed in (0.5, 0.52, 0.48, 0.51):
        hand.make_for(closed)
    wait(lambda: gripper.calls)
    assert len(gripper.calls) == 1
    hand.make_for(1.0)  # while it moves: stopped, then on; never two at once (the fake asserts it)
    wait(lambda: hand.read()[0] == pytest.approx(1.0, abs=0.01))
    assert [call[0] for call in gripper.calls] == ["grasp", "stop", "grasp"]
    hand.step(0)


def test_a_lost_hand_is_a_fault_until_it_is_there_again(hand, gripper):
    gripper.fails = "libfranka gripper: Connection lost"
    wait(lambda: hand._trouble)
    with pytest.raises(HardwareFaultError, match="the Franka Hand: libfranka gripper: Connection"):
        hand.step(0)
    gripper.fails = None
    time.sleep(0.2)
    with pytest.raises(HardwareFaultError):
        hand.step(0)
    hand.recover()
    time.sleep(0.2)
    hand.step(0)


def test_a_hand_that_was_not_homed_is_refused(gripper):
    gripper.max_width = 0.0
    with pytest.raises(ValueError, match="was not homed"):
        FrankyHand(gripper, speed=0.1, force=30.0, step=0.05, now_ns=time.monotonic_ns)
