"""The wheels: they obey a velocity while it comes, brake when it does not, and never run away."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_driver.models import robots
from sim_driver.models.base import Base
from sim_driver.models.description import SimBase

MS = 1_000_000
STEP_S, STEP_NS = 0.002, 2 * MS
WHEELS = SimBase(("x", "y", "turn"), forward=0.15, yaw=0.4, timeout_s=0.2, lead_s=0.05)


def roll(base, now_ns, seconds, place=None):
    """Steps wheels that go where they are told; returns the place and the time."""
    place = np.zeros(3) if place is None else place
    for _ in range(round(seconds / STEP_S)):
        now_ns += STEP_NS
        inputs = base.step(STEP_S, now_ns, place)
        place = place + np.clip(inputs - place, -0.01, 0.01) * 0.2
    return place, now_ns


def kept_up(base, forward, yaw, seconds):
    place, now = np.zeros(3), 0
    for _ in range(round(seconds * 30)):
        base.drive(forward, yaw, now)
        place, now = roll(base, now, 1 / 30, place)
    return place, now


def test_rolls_ahead_at_its_speed():
    place, _ = kept_up(Base(WHEELS), 0.1, 0.0, 3.0)
    assert place[0] == pytest.approx(0.3, abs=0.02)
    assert not place[1:].any()


def test_turns_and_then_goes_where_it_points():
    base = Base(WHEELS)
    place, now = kept_up(base, 0.0, 0.4, np.pi / 2 / 0.4)
    assert place[2] == pytest.approx(np.pi / 2, abs=0.04)
    for _ in range(60):
        base.drive(0.15, 0.0, now)
        place, now = roll(base, now, 1 / 30, place)
    assert place[1] == pytest.approx(0.3, abs=0.04)
    assert abs(place[0]) < 0.03


def test_brakes_when_commands_stop():
    base = Base(WHEELS)
    place, now = kept_up(base, 0.15, 0.4, 2.0)
    rolled, now = roll(base, now, 0.6, place)
    still, _ = roll(base, now, 5.0, rolled)
    assert 0 < rolled[0] - place[0] < 0.15 * 0.3 + 0.01
    np.testing.assert_allclose(still, rolled, atol=1e-3)


def test_stops_at_once_when_told():
    base = Base(WHEELS)
    place, now = kept_up(base, 0.15, 0.0, 2.0)
    base.stop()
    rolled, _ = roll(base, now, 2.0, place)
    assert rolled[0] - place[0] < 0.02


def test_blocked_wheels_do_not_gather_way():
    base, now = Base(WHEELS), 0
    for _ in range(30):
        base.drive(0.15, 0.0, now)
        for _ in range(100):
            now += STEP_NS
            inputs = base.step(STEP_S, now, np.zeros(3))
    assert inputs[0] < 0.05


@pytest.mark.parametrize(
    ("forward", "yaw", "message"),
    [
        (0.2, 0.0, r"base forward: command 0.2 is outside the range \[-0.15, 0.15\]"),
        (0.0, -0.5, r"base yaw: command -0.5 is outside the range \[-0.4, 0.4\]"),
        (np.nan, 0.0, "base forward: command nan"),
        (0.0, np.inf, "base yaw: command inf"),
    ],
)
def test_bad_velocities_are_named_and_change_nothing(forward, yaw, message):
    base = Base(WHEELS)
    with pytest.raises(ValueError, match=message):
        base.drive(forward, yaw, 0)
    place, _ = roll(base, 0, 0.5)
    assert not place.any()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-0.15, 0.15), st.floats(-0.4, 0.4), st.integers(1, 400)),
        min_size=1,
        max_size=8,
    )
)
def test_set_points_keep_the_speed(commands):
    base, now, place = Base(WHEELS), 0, np.zeros(3)
    for forward, yaw, steps in commands:
        base.drive(forward, yaw, now)
        for _ in range(steps):
            now += STEP_NS
            inputs = base.step(STEP_S, now, place)
            speed = (inputs - place) / (STEP_S + WHEELS.lead_s)
            assert np.hypot(*speed[:2]) <= 0.15 + 1e-6
            assert abs(speed[2]) <= 0.4 + 1e-6
            place = inputs - WHEELS.lead_s * speed
    rest, _ = roll(base, now, 1.0, place)
    still, _ = roll(base, now + 1000 * MS, 1.0, rest)
    np.testing.assert_allclose(still, rest, atol=1e-9)


def test_a_base_that_could_not_move_is_refused():
    with pytest.raises(ValueError, match="speeds and a timeout above 0"):
        SimBase(("x", "y", "turn"), forward=0.0, yaw=0.4, timeout_s=0.2, lead_s=0.05)


def test_the_speeds_are_the_embodiments():
    base = robots.get("agibot_g1").base
    assert (base.forward, base.yaw) == (0.15, 0.4)
    assert robots.get("droid").base is None
