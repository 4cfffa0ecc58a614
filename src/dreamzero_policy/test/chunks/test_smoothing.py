"""The paper's filter: shape kept, noise removed, no delay, grippers untouched."""

import numpy as np
import pytest
from scipy.signal import savgol_coeffs

from dreamzero_policy.chunks.smoothing import paper_filter, smooth

ALL = np.array([True])


@pytest.mark.parametrize("horizon", [3, 5, 11, 24, 48])
def test_a_cubic_is_unchanged(horizon):
    t = np.linspace(-1.0, 1.0, horizon)
    rows = (0.3 - t + 2.0 * t**2 - 1.5 * t**3)[:, None]
    if horizon == 3:  # three rows carry a parabola at most
        rows = (0.3 - t + 2.0 * t**2)[:, None]
    np.testing.assert_allclose(smooth(rows, ALL), rows, atol=1e-12)


@pytest.mark.parametrize("horizon", [24, 48])
def test_a_sine_keeps_phase_and_ends(horizon):
    sine = np.sin(2 * np.pi * np.arange(horizon) / (horizon - 1))[:, None]
    noisy = sine + np.random.default_rng(0).normal(0.0, 0.02, sine.shape)
    assert np.abs(smooth(noisy, ALL) - sine).max() < 0.05
    # An odd signal stays odd about the middle: nothing is shifted in time.
    np.testing.assert_allclose(smooth(sine, ALL), -smooth(sine, ALL)[::-1], atol=1e-12)


def test_the_middle_is_the_plain_convolution():
    """Slow twin: away from the ends a row is the weighted mean of its 21 neighbours."""
    from scipy.interpolate import CubicSpline

    rows = np.random.default_rng(1).normal(size=(30, 1))
    fine = CubicSpline(np.arange(30), rows[:, 0])(np.arange(59) / 2)
    weights = savgol_coeffs(21, 3)
    expected = [fine[2 * k - 10 : 2 * k + 11] @ weights for k in range(5, 25)]
    np.testing.assert_allclose(paper_filter(rows, ALL)[5:25, 0], expected, atol=1e-12)


def test_response_at_fifteen_rows_per_second():
    """Half amplitude at 0.061 cycles per doubled sample (design: data.md 9.2)."""
    t = np.arange(401)
    wave = np.sin(2 * np.pi * 0.061 * 2 * t)[:, None]
    ratio = np.abs(paper_filter(wave, ALL)[50:-50]).max() / np.abs(wave[50:-50]).max()
    assert ratio == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("frequency", "kept"), [(1 / 6, 0.5), (0.122, 0.91), (1 / 3, 0.012)])
def test_response_of_the_second_fit(frequency, kept):
    wave = np.sin(2 * np.pi * frequency * np.arange(401))[:, None]
    once, both = (f(wave, ALL)[50:-50] for f in (paper_filter, smooth))
    np.testing.assert_allclose(both, kept * once, atol=5e-3)
    response = 1 / (1 + (2 * np.sin(np.pi * frequency)) ** 8)
    np.testing.assert_allclose(both, response * once, atol=1e-9)


@pytest.mark.parametrize("horizon", [5, 24])
def test_the_second_fit_is_the_least_squares_one(horizon):
    """Slow twin: the normal equations, written out."""
    rows = np.random.default_rng(2).normal(size=(horizon, 1))
    fourth = np.diff(np.eye(horizon), n=4, axis=0)
    expected = np.linalg.solve(np.eye(horizon) + fourth.T @ fourth, paper_filter(rows, ALL))
    np.testing.assert_allclose(smooth(rows, ALL), expected, atol=1e-12)


def test_little_of_the_noise_is_left_as_jerk():
    rows = np.random.default_rng(3).normal(0.0, 0.01, (24, 50))
    columns = np.ones(50, dtype=bool)
    paper, both = (
        np.abs(np.diff(f(rows, columns), n=3, axis=0)).max(axis=0) for f in (paper_filter, smooth)
    )
    assert np.median(both) < 0.25 * np.median(paper)


def test_grippers_are_untouched_and_input_is_kept():
    rows = np.zeros((24, 2))
    rows[12:] = 1.0
    before = rows.copy()
    result = smooth(rows, np.array([True, False]))
    np.testing.assert_array_equal(result[:, 1], rows[:, 1])
    assert np.abs(result[:, 0] - rows[:, 0]).max() > 0.01
    np.testing.assert_array_equal(rows, before)


def test_two_rows_are_left_alone():
    rows = np.array([[0.0], [1.0]])
    np.testing.assert_array_equal(smooth(rows, ALL), rows)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="expected rows"):
        smooth(np.zeros((4, 2)), ALL)
