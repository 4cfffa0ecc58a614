"""The braking profile: it stops, keeps its limits, and its extremes are exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.profiles.braking import at_rest, brake

finite = st.floats(-3.0, 3.0)


@settings(deadline=None)
@given(finite, finite, st.floats(-1.0, 1.0), st.floats(0.1, 10.0), st.floats(0.5, 5000.0))
def test_extremes_match_a_dense_sampling(position, velocity, push, most, jerk):
    limits = np.array([most]), np.array([jerk])
    start = np.array([position]), np.array([velocity]), np.array([push * most])
    profile = brake(*start, *limits)
    total = (profile.first + profile.second + profile.third)[0]
    times = np.linspace(0.0, total, 400)
    path = np.array([profile.after(t) for t in times])[:, :, 0]
    slack = 1e-9 + total**2 * most * 1e-5  # what falls between two samples
    for column, low, high in (
        (0, profile.lowest, profile.highest),
        (1, profile.slowest, profile.fastest),
    ):
        assert low[0] - 1e-9 <= path[:, column].min() <= low[0] + slack * (1 + 400 * column)
        assert high[0] + 1e-9 >= path[:, column].max() >= high[0] - slack * (1 + 400 * column)
    assert np.abs(path[:, 2]).max() <= most * (1 + 1e-9)
    assert profile.after(total + 1.0)[0] == pytest.approx(profile.stop)


@settings(deadline=None)
@given(finite, finite, st.floats(-1.0, 1.0), st.floats(0.0, 1.0))
def test_the_rest_of_a_profile_is_the_profile_from_there(position, velocity, push, share):
    most, jerk = np.array([5.0]), np.array([60.0])
    whole = brake(np.array([position]), np.array([velocity]), push * most, most, jerk)
    total = (whole.first + whole.second + whole.third)[0]
    later = brake(*whole.after(share * total), most, jerk)
    assert later.stop == pytest.approx(whole.stop, abs=1e-9)
    assert later.highest[0] <= whole.highest[0] + 1e-9
    assert later.lowest[0] >= whole.lowest[0] - 1e-9


def test_at_rest_there_is_nothing_to_do():
    zero = np.zeros(2)
    profile = brake(np.array([1.0, -2.0]), zero, zero, np.ones(2), np.ones(2))
    for name, value in vars(at_rest(np.array([1.0, -2.0]), np.ones(2))).items():
        np.testing.assert_array_equal(value, getattr(profile, name))
    np.testing.assert_array_equal(profile.stop, [1.0, -2.0])
    for values in profile.after(0.1)[1:]:
        np.testing.assert_array_equal(values, zero)


def test_a_joint_driven_backwards_turns_round_inside_the_profile():
    # Moving down while pushed up: it turns, overshoots up, and stops.
    profile = brake(*(np.array([v]) for v in (0.0, -0.1, 3.0, 5.0, 20.0)))
    assert profile.lowest[0] < -1e-3
    assert profile.stop[0] > 0.0
    assert profile.fastest[0] > 0.0 > profile.slowest[0]
