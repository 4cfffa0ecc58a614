from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.embodiments.embodiment import TimeBase
from dreamzero_policy.observation.sync import (
    Grid,
    Instants,
    MissingView,
    StaleView,
    TimeBuffer,
    align,
    settled,
)

RATES = st.sampled_from([Fraction(5), Fraction(10), Fraction(15), Fraction(30), Fraction(7, 3)])
NOW = 1_785_000_000_123_456_789  # ns, as large as a real clock's


@settings(deadline=None)
@given(RATES, st.integers(0, 2 * NOW))
def test_a_stamp_lies_between_its_instant_and_the_next(hz, stamp):
    grid = Grid(hz)
    index = grid.index_at(stamp)
    assert grid.instant(index) <= stamp < grid.instant(index + 1)


@settings(deadline=None)
@given(RATES, st.integers(0, 10**11))
def test_an_instant_is_its_own_index(hz, index):
    grid = Grid(hz)
    assert grid.index_at(grid.instant(index)) == index
    assert grid.is_instant(grid.instant(index))
    assert not grid.is_instant(grid.instant(index) + 1)


@settings(deadline=None)
@given(st.integers(0, 10**11))
def test_canvas_instants_are_proprioception_instants(index):
    for frames in (Grid(5), Grid(10), Grid(15)):
        assert Grid(30).contains(frames)
        assert Grid(30).is_instant(frames.instant(index))
    assert not Grid(30).contains(Grid(7))


def test_the_grid_of_a_time_base_has_its_frame_interval():
    base = TimeBase(control_hz=30, frame_stride=6, rows_per_chunk=48)
    grid = Grid.of_frames(base)
    assert grid.hz == 5
    assert grid.instant(8) - grid.instant(0) == base.chunk_ns


def test_a_grid_needs_a_rate():
    with pytest.raises(ValueError, match="expected a positive number of Hz, got 0"):
        Grid(0)


def filled(stamps, capacity=100):
    buffer = TimeBuffer(capacity)
    for stamp in stamps:
        buffer.append(stamp, np.array([float(stamp), -float(stamp)]))
    return buffer


def test_the_oldest_values_leave_first():
    buffer = filled([1, 2, 3, 4], capacity=3)
    assert len(buffer) == 3
    assert buffer.at_or_before(1) is None
    assert buffer.newest[0] == 4
    with pytest.raises(ValueError, match="expected at least 1, got 0"):
        TimeBuffer(0)


def test_a_stamp_that_does_not_advance_is_refused_and_counted():
    buffer = filled([10, 20])
    assert not buffer.append(20, np.zeros(2))
    assert not buffer.append(5, np.zeros(2))
    assert (buffer.refused, buffer.newest[0]) == (2, 20)


def test_a_clock_that_was_set_back_empties_the_buffer():
    buffer = filled([10, 20, 5 * 10**9])  # the last one is wrong, or the clock went back after it
    assert buffer.append(30, np.zeros(2))
    assert (len(buffer), buffer.refused, buffer.newest[0]) == (1, 0, 30)


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, unique=True), st.integers(-10, 10**6 + 10))
def test_lookups_agree_with_a_plain_search(stamps, query):
    stamps = sorted(stamps)
    buffer = filled(stamps, capacity=len(stamps))
    before = [stamp for stamp in stamps if stamp <= query]
    found = buffer.at_or_before(query)
    assert (found[0] if found else None) == (before[-1] if before else None)
    # The values are linear in the stamp, so the value between two is the query itself.
    expected = None if not before else min(max(query, stamps[0]), stamps[-1])
    value = buffer.interpolate(query)
    if expected is None:
        assert value is None
    else:
        np.testing.assert_allclose(value, [expected, -expected])


def test_nothing_is_extrapolated():
    buffer = filled([10, 20])
    assert buffer.interpolate(9) is None
    assert buffer.interpolate(1000)[0] == 20.0
    assert filled([10]).interpolate(15)[0] == 10.0
    assert filled([]).interpolate(15) is None
    assert filled([10]).around(15) is None


def test_an_instant_takes_the_newest_image_not_later():
    buffers = {"a": filled([90, 100, 110]), "b": filled([80, 101])}
    found = align(buffers, 100, max_age_ns=50)
    assert found.complete
    assert (found.views["a"].stamp_ns, found.views["a"].age_ns) == (100, 0)
    assert (found.views["b"].stamp_ns, found.views["b"].age_ns) == (80, 20)
    assert settled(buffers, 100)
    assert not settled(buffers, 105)


def test_a_fresh_image_is_not_waited_upon():
    """At 15 Hz the next image comes 67 ms after the last; nothing can come for a time between."""
    stream = filled([0, 67, 133])
    assert stream.period_ns == 66
    assert settled({"a": stream}, 133 + 51)
    assert not settled({"a": stream}, 133 + 52)
    assert filled([0, 67]).period_ns is None
    assert not settled({"a": filled([0, 67])}, 68)


def test_missing_and_stale_views_are_named_and_not_filled():
    buffers = {"wrist": filled([]), "left": filled([0]), "right": filled([10**9])}
    found = align(buffers, 10**9, max_age_ns=200_000_000)
    assert found.problems == (MissingView("wrist"), StaleView("left", 10**9, 200_000_000))
    assert set(found.views) == {"right"}
    assert str(found.problems[0]) == "wrist: no image yet"
    assert str(found.problems[1]) == "left: newest image is 1.000 s old, expected at most 0.200 s"
    assert not settled(buffers, 0)


def test_an_image_from_after_the_instant_does_not_count():
    found = align({"wrist": filled([200])}, 100, max_age_ns=50)
    assert found.problems == (MissingView("wrist", ahead_ns=100),)
    assert "stamped up to 0.000 s after the instant" in str(found.problems[0])


MS = 1_000_000


def instants(settle_ms=40, horizon_ms=200):
    return Instants(Grid(5), settle_ms * MS, horizon_ms * MS)


def due(schedule, now_ms, settled=False):
    return [ns // MS for ns in schedule.due(now_ms * MS, lambda _: settled)]


def test_an_instant_is_served_once_at_the_end_of_its_wait():
    schedule = instants()
    assert due(schedule, 10, settled=True) == []  # 0 ms lies before the start
    assert schedule.wait_ns(10 * MS) == 230 * MS
    assert schedule.wait_ns(10 * MS, early=True) == 190 * MS
    assert due(schedule, 200) == []
    assert schedule.wait_ns(200 * MS, early=True) == 40 * MS
    assert due(schedule, 239) == []
    assert due(schedule, 240) == [200]
    assert due(schedule, 241, settled=True) == []
    assert schedule.wait_ns(241 * MS) == 199 * MS


def test_an_instant_is_served_early_when_nothing_more_can_come():
    schedule = instants()
    due(schedule, 10)
    assert due(schedule, 199, settled=True) == []
    assert due(schedule, 203, settled=True) == [200]


def test_after_being_held_up_only_fresh_instants_are_served():
    schedule = instants()
    due(schedule, 10)
    assert due(schedule, 1010, settled=True) == [1000]
    assert schedule.skipped == 4
    assert due(schedule, 1390) == [1200]
    assert schedule.wait_ns(9_000 * MS) == MS


def test_a_clock_that_was_set_back_starts_anew():
    schedule = instants()
    due(schedule, 100_000)
    assert due(schedule, 10) == []
    assert due(schedule, 240) == [200]


def test_a_wait_must_end_before_an_instant_is_given_up():
    with pytest.raises(ValueError, match=r"expected 0 to less than the 0.2 s .* got 0.2 s"):
        instants(settle_ms=200)


def test_a_clock_that_is_set_for_the_first_time_leaps_over_decades_at_once():
    schedule = instants()
    assert due(schedule, 0) == []
    decades_ms = 56 * 365 * 24 * 3600 * 1000
    assert due(schedule, decades_ms + 3, settled=True) == [decades_ms]
    assert schedule.skipped == decades_ms // 200 - 1
