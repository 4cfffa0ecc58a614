"""The command timeline: even under jitter, gentle after a late tick, never ahead of the clock."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.control.pace import Pace

PERIOD, JUMP = 33_333_333, 250_000_000


def test_jitter_hardly_reaches_the_timeline():
    pace, rng = Pace(PERIOD, JUMP), np.random.default_rng(0)
    instants = []
    for k in range(300):
        assert pace.advance(10**9 + k * PERIOD + int(rng.uniform(-5e6, 5e6))) == "tick"
        instants.append(pace.at_ns)
    assert np.abs(np.diff(instants) - PERIOD).max() < 0.3e6


def test_after_a_late_tick_it_catches_up_by_a_quarter_at_most():
    pace, now, instants = Pace(PERIOD, JUMP), 10**9, []
    for k in range(60):
        now += 200_000_000 if k == 20 else PERIOD
        assert pace.advance(now) == "tick"
        instants.append(pace.at_ns)
    steps = np.diff(instants)
    assert steps.max() <= 1.25 * PERIOD + 1
    assert now - instants[-1] < PERIOD


def test_two_ticks_at_once_are_one():
    pace = Pace(PERIOD, JUMP)
    assert pace.advance(10**9) == "tick"
    assert pace.advance(10**9) == "early"
    assert pace.advance(10**9 + PERIOD // 4) == "early"
    assert pace.advance(10**9 + PERIOD) == "tick"


def test_a_clock_that_goes_back_or_far_ahead_has_jumped():
    pace = Pace(PERIOD, JUMP)
    pace.advance(10**9)
    assert pace.advance(10**9 - 1) == "jump"
    assert pace.advance(10**9 + PERIOD) == "tick"
    assert pace.advance(2 * 10**9) == "jump"
    assert pace.at_ns == 2 * 10**9


@settings(deadline=None)
@given(st.lists(st.integers(0, 200_000_000), min_size=2, max_size=200))
def test_commands_never_outrun_the_clock(gaps):
    pace, now, ticks = Pace(PERIOD, JUMP), 10**9, 0
    for gap in gaps:
        now += gap
        beat = pace.advance(now)
        if beat == "jump":
            return
        ticks += beat == "tick"
        assert pace.at_ns <= now + PERIOD
        assert ticks <= (now - 10**9) / (0.8 * PERIOD) + 2
