"""What latches, what ends what, and that nothing but ``enable`` allows motion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.control.permission import Permission

CALLS = {
    "enable": lambda p: p.enable() if not p.blocked() else None,
    "disable": lambda p: p.disable(),
    "disarm": lambda p: p.disarm("driver_fault", "reflex"),
    "ended": lambda p: p.ended(),
    "estop": lambda p: p.estop("button"),
    "reset_estop": lambda p: p.reset_estop(),
    "release": lambda p: p.release(),
    "take_back": lambda p: p.take_back(),
}


def test_motion_is_allowed_by_enable_alone_and_ends_in_two_steps():
    permission = Permission()
    assert permission.denied().reason == "not_enabled"
    permission.enable()
    assert permission.denied() is None
    permission.disable()
    assert (permission.enabled, permission.sends) == (False, True)
    assert "come to rest" in permission.blocked()
    with pytest.raises(ValueError, match="come to rest"):
        permission.enable()
    permission.ended()
    assert not permission.sends
    assert permission.blocked() == ""


def test_the_first_reason_to_disarm_stays_until_the_next_enable():
    permission = Permission()
    permission.enable()
    permission.disarm("driver_fault", "reflex")
    permission.disarm("second_publisher", "two of them")
    permission.disable()
    permission.ended()
    assert (permission.denied().reason, permission.denied().message) == ("driver_fault", "reflex")
    permission.enable()
    permission.disable()
    assert permission.denied().reason == "not_enabled"


def test_an_emergency_stop_outlives_release_and_take_back():
    permission = Permission()
    permission.enable()
    permission.estop("button")
    permission.estop("another")
    for call in (permission.release, permission.take_back, permission.disable, permission.ended):
        call()
        assert permission.estopped
        assert permission.denied().message == "button"
        assert "reset_estop" in permission.blocked()
    assert permission.reset_estop()[0]
    assert not permission.reset_estop()[0]
    assert permission.denied().reason == "not_enabled"


def test_a_released_robot_has_to_be_taken_back_first():
    permission = Permission()
    assert permission.release()[0]
    assert permission.release() == (True, "the robot was released already")
    assert permission.denied().reason == "released"
    assert "take it back" in permission.blocked()
    assert permission.take_back()[0]
    assert permission.take_back() == (True, "the robot was not released")
    assert permission.blocked() == ""


@given(st.lists(st.sampled_from(sorted(CALLS)), max_size=40))
def test_whatever_is_called_in_whatever_order(calls):
    permission = Permission()
    for call in calls:
        was_enabled, was_stopped = permission.enabled, permission.estopped
        CALLS[call](permission)
        assert not (permission.enabled and permission.ending)
        assert not (permission.enabled and permission.released)
        if permission.enabled and not was_enabled:
            assert call == "enable"
            assert not was_stopped
        if was_stopped and not permission.estopped:
            assert call == "reset_estop"
            assert not permission.enabled
        if permission.denied() is None:
            assert permission.enabled
            assert not permission.estopped
