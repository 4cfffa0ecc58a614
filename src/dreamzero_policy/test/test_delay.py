"""The delay estimate: first call left out, outliers without weight, never above what was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.delay import DelayEstimate


def test_the_first_measurement_of_a_run_is_left_out():
    estimate = DelayEstimate()
    estimate.add(9.0)
    assert estimate.seconds is None
    estimate.add(0.3)
    assert estimate.seconds == 0.3
    estimate.restart()
    estimate.add(0.1)
    assert estimate.seconds is None


def test_one_outlier_in_ten_moves_nothing():
    estimate = DelayEstimate()
    for _ in range(11):
        estimate.add(0.30)
    estimate.add(3.0)
    assert estimate.seconds == pytest.approx(0.30)


def test_it_follows_a_change_within_its_memory():
    estimate = DelayEstimate(remembered=8)
    for seconds in [0.2] * 9 + [0.8] * 8:
        estimate.add(seconds)
    assert estimate.seconds == pytest.approx(0.8)


@given(st.lists(st.floats(0.0, 100.0), min_size=2, max_size=60))
def test_it_lies_between_the_median_and_the_largest(delays):
    estimate = DelayEstimate()
    for seconds in delays:
        estimate.add(seconds)
    kept = sorted(delays[1:][-20:])
    assert kept[(len(kept) - 1) // 2] <= estimate.seconds <= kept[-1]


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf")])
def test_what_is_no_delay_is_refused(seconds):
    with pytest.raises(ValueError, match="delay"):
        DelayEstimate().add(seconds)
