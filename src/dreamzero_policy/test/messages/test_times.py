"""Times and durations there and back, and what does not fit."""

import pytest
from builtin_interfaces.msg import Duration
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.messages.times import duration_message, nanoseconds, time_message


@given(st.integers(0, 2**31 * 10**9 - 1), st.integers(-(2**60), 2**60))
def test_time_and_duration_keep_every_nanosecond(time_ns, duration_ns):
    assert nanoseconds(time_message(time_ns)) == time_ns
    assert nanoseconds(duration_message(duration_ns)) == duration_ns


@pytest.mark.parametrize("ns", [-1, 2**31 * 10**9])
def test_a_time_that_does_not_fit_is_refused(ns):
    with pytest.raises(ValueError, match="a ROS time is 0 to"):
        time_message(ns)


def test_a_duration_that_does_not_fit_is_clamped():
    assert duration_message(-(2**63)) == Duration(sec=-(2**31))
    assert duration_message(2**63) == Duration(sec=2**31 - 1, nanosec=999_999_999)
