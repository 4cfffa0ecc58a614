"""The command timeline: even under jitter, gentle after a late tick, never ahead of the clock."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.control.pace import Pace

PERIOD, JUMP, OVERRUN = 33_333_333, 250_000_000, 100_000_000


def test_jitter_hardly_reaches_the_timeline():
    pace, rng = Pace(PERIOD, JUMP, OVERRUN), np.random.default_rng(0)
    instants = []
    for k in range(300):
        assert pace.advance(10**9 + k * PERIOD + int(rng.uniform(-5e6, 5e6))) == "tick"
        instants.append(pace.at_ns)
    assert np.abs(np.diff(instants) - PERIOD).max() < 0.3e6


def test_after_a_late_tick_it_catches_up_by_a_quarter_at_most():
    pace, now, instants = Pace(PERIOD, JUMP, OVERRUN), 10**9, []
    for k in range(60):
        now += 120_000_000 if k == 20 else PERIOD
        assert pace.advance(now) == "tick"
        instants.append(pace.at_ns)
    steps = np.diff(instants)
    assert steps.max() <= 1.25 * PERIOD + 1
    assert now - instants[-1] < PERIOD


def test_a_tick_that_comes_too_late_has_overrun_and_begins_anew():
    pace = Pace(PERIOD, JUMP, OVERRUN)
    assert pace.advance(10**9) == "tick"
    due = 10**9 + PERIOD
    assert pace.advance(due + OVERRUN) == "tick"
    assert pace.at_ns < due + OVERRUN
    now = due + OVERRUN + PERIOD + OVERRUN + 1
    assert pace.advance(now) == "overrun"
    assert pace.at_ns == now
    assert pace.advance(now + PERIOD) == "tick"


def test_ticks_that_are_always_late_overrun_before_the_timeline_is_a_jump_behind():
    pace, now, beats = Pace(PERIOD, JUMP, OVERRUN), 10**9, []
    for _ in range(100):
        now += PERIOD + OVERRUN // 2
        beats.append(pace.advance(now))
        assert 0 <= now - pace.at_ns <= JUMP + PERIOD
    assert set(beats) == {"tick", "overrun"}


def test_two_ticks_at_once_are_one():
    pace = Pace(PERIOD, JUMP, OVERRUN)
    assert pace.advance(10**9) == "tick"
    assert pace.advance(10**9) == "early"
    assert pace.advance(10**9 + PERIOD // 4) == "early"
    assert pace.advance(10**9 + PERIOD) == "tick"


def test_a_clock_that_goes_back_or_far_ahead_has_jumped():
    pace = Pace(PERIOD, JUMP, OVERRUN)
    pace.advance(10**9)
    assert pace.advance(10**9 - 1) == "jump"
    assert pace.advance(10**9 + PERIOD) == "tick"
    assert pace.advance(2 * 10**9) == "jump"
    assert pace.at_ns == 2 * 10**9


@settings(deadline=None)
@given(st.lists(st.integers(0, 200_000_000), min_size=2, max_size=200))
def test_commands_never_outrun_the_clock(gaps):
    pace, now, ticks = Pace(PERIOD, JUMP, OVERRUN), 10**9, 0
    for gap in gaps:
        now += gap
        beat = pace.advance(now)
        if beat == "jump":
            return
        ticks += beat != "early"
        assert pace.at_ns <= now + PERIOD
        assert ticks <= (now - 10**9) / (0.8 * PERIOD) + 2
