"""Motions: from rest to rest, no faster than the rates, along a curve that stays in its hull."""

import numpy as np
import pytest

from sim_driver.experts.motion import Motion, Rates, rounded

RATES = Rates(np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([20.0, 50.0]))


@pytest.mark.parametrize("count", [2, 3, 14])
def test_a_motion_keeps_its_rates_and_ends_at_rest(count):
    samples = rounded([[0.0, 0.0], [0.5, -0.2], [0.3, 0.9]], count)
    motion = Motion(samples, RATES, pause_s=0.3)
    step = 1e-3
    positions = np.array([motion.at(t) for t in np.arange(-0.05, motion.seconds + 0.05, step)])
    rates = positions
    for most in ([1.0, 2.0], [3.0, 4.0], [20.0, 50.0]):
        rates = np.diff(rates, axis=0) / step
        assert (np.abs(rates) <= np.multiply(most, 1.03)).all()
    np.testing.assert_allclose(positions[0], samples[0], atol=1e-12)
    np.testing.assert_allclose(positions[-1], samples[-1], atol=1e-12)
    assert np.abs(np.diff(positions[-300:], axis=0)).max() == 0.0  # the pause


def test_it_is_as_fast_as_the_tightest_rate_lets_it():
    samples = np.array([[0.0, 0.0], [2.0, 0.0]])
    motion = Motion(samples, Rates(np.ones(2), np.full(2, 1e3), np.full(2, 1e5)))
    assert motion.seconds == pytest.approx(2.0 * 15 / 8, rel=0.01)  # peak speed of least jerk


def test_a_rounded_curve_keeps_ends_and_stays_above_its_lowest_corner():
    corners = np.array([[0, 0, 0.3], [0.2, 0, 0.3], [0.4, 0.1, 0.1], [0.4, 0.1, 0.02]])
    curve = rounded(corners, 40)
    np.testing.assert_allclose(curve[[0, -1]], corners[[0, -1]], atol=1e-12)
    assert curve[:, 2].min() >= 0.02 - 1e-12
    np.testing.assert_allclose(rounded(corners[:2], 3)[1], [0.1, 0, 0.3])
