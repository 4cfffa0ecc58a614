"""Noise that a slow joint cannot follow is taken off; what it can, and real motion, is left."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.chunks.followable import followable
from dreamzero_policy.chunks.smoothing import smooth

STEP = 1 / 30
BOTH = np.array([True, True])
CHANGE = np.full(2, 0.05)


def made(rows, acceleration=(1.0, 10.0), jerk=(5.0, 5000.0), columns=BOTH, change=CHANGE):
    return followable(rows, STEP, np.array(acceleration), np.array(jerk), change, columns)


def noisy(size=0.03, seed=0):
    rng = np.random.default_rng(seed)
    return smooth(np.clip(rng.normal(0.0, 0.01, (48, 2)), -size, size), BOTH)


def rates(rows):
    return [np.abs(np.diff(rows, n=n, axis=0)).max(axis=0) / STEP**n for n in (2, 3)]


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_joint_s_noise_becomes_a_motion_that_it_can_follow(seed):
    rows = noisy(seed=seed)
    assert (rates(rows)[0][0] > 1.0) | (rates(rows)[1][0] > 5.0)
    result = made(rows)
    acceleration, jerk = rates(result)
    assert acceleration[0] <= 0.7
    assert jerk[0] <= 3.5
    assert np.abs(result[:, 0] - rows[:, 0]).max() <= 0.05


def test_joints_that_can_follow_are_left_as_they_are():
    rows = noisy()
    np.testing.assert_array_equal(made(rows)[:, 1], rows[:, 1])
    assert made(rows, acceleration=(100.0, 100.0), jerk=(1e5, 1e5)) is rows
    assert made(rows, columns=~BOTH) is rows


def test_a_motion_that_is_really_too_fast_is_not_bent():
    time = np.arange(48) * STEP
    rows = np.stack([0.3 * np.sin(6.0 * time), 0.0 * time], axis=1)
    assert np.abs(made(rows) - rows).max() <= 0.05


def test_few_rows_are_left_as_they_are():
    rows = noisy()[:4]
    assert made(rows) is rows


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.floats(-3.0, 3.0), min_size=5, max_size=48),
    slow=st.floats(0.1, 100.0),
)
def test_no_row_is_moved_further_than_noise(rows, slow):
    rows = np.stack([rows, rows], axis=1)
    result = made(rows, acceleration=(slow, slow), jerk=(5 * slow, 5 * slow))
    assert np.abs(result - rows).max() <= 0.05
    assert np.isfinite(result).all()
