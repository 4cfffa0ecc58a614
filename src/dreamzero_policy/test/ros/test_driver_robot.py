"""The rules that every driver keeps about following, holding, letting go and faults."""

import threading

import numpy as np
import pytest

pytest.importorskip("dreamzero_msgs")

from dreamzero_policy.ros.driver_robot import Mode, ModeLatch, in_order
from dreamzero_policy.types import NS_PER_S


@pytest.fixture
def latch():
    return ModeLatch(0.4)


def test_it_holds_follows_and_holds_again_after_silence(latch):
    assert latch.state == (Mode.HOLDING, "no command yet")
    assert not latch.silent(10 * NS_PER_S)
    latch.follow(NS_PER_S)
    assert latch.state == (Mode.FOLLOWING, "")
    assert not latch.silent(NS_PER_S + 400_000_000)
    assert latch.silent(NS_PER_S + 400_000_001)
    assert latch.state == (Mode.HOLDING, "no command for 0.4 s")
    assert not latch.silent(2 * NS_PER_S)  # said once: the robot is halted once


def test_hold_says_whether_it_ended_following(latch):
    assert not latch.hold("a")
    latch.follow(0)
    assert latch.hold("b")
    assert latch.state == (Mode.HOLDING, "b")


def test_a_released_robot_obeys_nothing_and_is_only_taken_back(latch):
    latch.follow(0)
    with pytest.raises(ValueError, match="commands are being followed"):
        latch.release("by hand")
    latch.hold("x")
    latch.release("by hand")
    latch.hold("y")
    assert not latch.silent(10 * NS_PER_S)
    assert latch.state == (Mode.RELEASED, "by hand")
    with pytest.raises(ValueError, match="take it back"):
        latch.follow(0)
    assert latch.take_back()
    assert not latch.take_back()
    assert latch.state == (Mode.HOLDING, "taken back; no command since")


@pytest.mark.parametrize("before", ["hold", "follow", "release"])
def test_a_fault_outlasts_everything_but_clearing(latch, before):
    if before == "follow":
        latch.follow(0)
    elif before == "release":
        latch.release("by hand")
    latch.fault("reflex")
    latch.fault("what came of it")
    latch.hold("x")
    latch.take_back()
    latch.silent(10 * NS_PER_S)
    assert latch.state == (Mode.FAULT, "reflex")
    with pytest.raises(ValueError, match=r"driver/clear_fault clears it: reflex"):
        latch.follow(0)
    with pytest.raises(ValueError, match="clear the fault first"):
        latch.release("x")
    latch.clear()
    assert latch.state == (Mode.HOLDING, "fault cleared; no command since")
    with pytest.raises(ValueError, match="no fault"):
        latch.clear()


def test_a_fault_is_never_lost_to_a_command_of_another_thread(latch):
    def command():
        for now in range(2000):
            try:
                latch.follow(now)
            except ValueError:
                return

    threads = [threading.Thread(target=command) for _ in range(4)]
    for thread in threads:
        thread.start()
    latch.fault("reflex")
    for thread in threads:
        thread.join()
    assert latch.state[0] == Mode.FAULT


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
def test_a_timeout_must_be_positive(timeout):
    with pytest.raises(ValueError, match="command_timeout_s"):
        ModeLatch(timeout)


def test_positions_come_in_the_robots_order():
    ordered = in_order(("a", "b", "c"), ["c", "a", "b"], [3, 1, 2])
    np.testing.assert_array_equal(ordered, [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("names", "positions", "message"),
    [
        (["a", "b"], [1.0], "2 names but 1 positions"),
        (["a", "a"], [1.0, 2.0], "names a twice"),
        (["a"], [1.0], "missing: b"),
        (["a", "b", "z"], [1.0] * 3, "unknown: z"),
        (["a", "b"], [1.0, float("inf")], "b: command is inf"),
    ],
)
def test_a_bad_command_is_refused_with_what_is_wrong(names, positions, message):
    with pytest.raises(ValueError, match=message):
        in_order(("a", "b"), names, positions)
