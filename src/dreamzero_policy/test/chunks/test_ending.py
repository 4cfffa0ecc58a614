"""The end of a motion: the same path, ever slower, at rest when it is over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.chunks.ending import Ending
from dreamzero_policy.chunks.interpolation import Trajectory

STEP, STRETCH = 100_000_000, 400_000_000
NO = np.zeros(2, dtype=bool)


def path() -> Trajectory:
    t = np.arange(17)[:, None] * 0.1
    return Trajectory(np.hstack((np.sin(2 * t), np.cos(t))), 0, STEP, NO, NO)


def test_it_is_the_motion_until_the_stretch_and_at_rest_at_the_end():
    base = path()
    ending = Ending.of(base, 0, STRETCH)
    for ns in (0, 700_000_000, base.end_ns - STRETCH):
        np.testing.assert_array_equal(ending.at(ns).position, base.at(ns).position)
        assert ending.rate(ns) == 1.0
    last = ending.at(base.end_ns)
    # Half of the stretch is played.
    half = base.at(base.end_ns - STRETCH // 2)
    np.testing.assert_allclose(last.position, half.position, atol=1e-12)
    np.testing.assert_allclose(last.velocity, 0.0, atol=1e-12)
    np.testing.assert_allclose(last.acceleration, 0.0, atol=1e-9)
    assert ending.rate(base.end_ns) == 0.0
    assert (ending.start_ns, ending.end_ns) == (base.start_ns, base.end_ns)
    assert ending.at(-1) is None
    assert ending.at(base.end_ns + 1) is None


@given(at_ns=st.integers(0, 1_600_000_000), stretch_ns=st.integers(0, 1_000_000_000))
def test_rates_are_the_derivatives_and_nothing_steps(at_ns, stretch_ns):
    base, h = path(), 10_000
    ending = Ending.of(base, at_ns, stretch_ns)
    assert ending.from_ns >= at_ns
    length = base.end_ns - ending.from_ns
    np.testing.assert_array_equal(ending.at(at_ns).position, base.at(at_ns).position)
    np.testing.assert_array_equal(ending.at(at_ns).velocity, base.at(at_ns).velocity)
    if length < 20_000_000:
        return
    for ns in np.linspace(ending.from_ns + h, base.end_ns - h, 9).astype(int).tolist():
        before, here, after = (ending.at(ns + d) for d in (-h, 0, h))
        slope = (after.position - before.position) / (2e-9 * h)
        np.testing.assert_allclose(here.velocity, slope, atol=1e-3)
        slope = (after.velocity - before.velocity) / (2e-9 * h)
        np.testing.assert_allclose(here.acceleration, slope, atol=0.05 * (1 + 1e9 / length))


@pytest.mark.parametrize("stretch_ns", [0, STRETCH])
def test_a_motion_that_is_over_has_nothing_left_to_slow(stretch_ns):
    base = path()
    ending = Ending.of(base, base.end_ns, stretch_ns)
    np.testing.assert_allclose(ending.at(base.end_ns).position, base.rows[-1])
    assert ending.rate(base.end_ns) == 1.0
