"""The offset of two clocks, bounded by what both directions took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.clock_offset import Transit, offset
from dreamzero_policy.types import NS_PER_S

START = 1000 * NS_PER_S
STEP_NS = NS_PER_S * 45 // 100  # longer than any way: messages do not overtake each other
WAYS = st.lists(st.integers(100_000, 400_000_000), min_size=1, max_size=20)


@given(st.integers(-3 * NS_PER_S, 3 * NS_PER_S), WAYS, WAYS)
def test_the_bounds_hold_whatever_the_ways_take(ahead_ns, there_ways, back_ways):
    there, back = Transit(), Transit()
    for index, way in enumerate(there_ways):
        sent = START + index * STEP_NS
        there.note(sent, sent + way + ahead_ns)
    for index, way in enumerate(back_ways):
        sent = START + index * STEP_NS
        back.note(sent + ahead_ns, sent + way)
    now = START + 20 * STEP_NS
    found = offset(there.least_ns(now + ahead_ns), back.least_ns(now))
    assert found.least_ns <= ahead_ns <= found.most_ns
    assert found.certain_s <= abs(ahead_ns) / NS_PER_S
    assert abs(found.middle_s - ahead_ns / NS_PER_S) <= found.uncertainty_s + 1e-9
    best = min(there_ways) + min(back_ways)
    assert found.uncertainty_s == pytest.approx(best / 2 / NS_PER_S)


def test_a_direction_that_brought_nothing_says_nothing():
    transit = Transit()
    assert transit.least_ns(START) is None
    assert offset(None, 5) is None
    assert offset(5, None) is None
    transit.note(START, START + 5)
    assert transit.least_ns(START + 10 * NS_PER_S) == 5
    assert transit.least_ns(START + 11 * NS_PER_S) is None


def test_a_clock_that_is_set_is_noticed_within_the_window():
    transit = Transit()
    for second in range(30):
        jump = NS_PER_S if second >= 12 else 0  # this host's clock is set one second ahead
        transit.note(START + second * NS_PER_S, START + second * NS_PER_S + jump + 2_000_000)
    assert transit.least_ns(START + 30 * NS_PER_S) == NS_PER_S + 2_000_000
    transit.note(START + 30 * NS_PER_S, START + 20 * NS_PER_S)  # and ten seconds back
    assert transit.least_ns(START + 20 * NS_PER_S) == -10 * NS_PER_S
