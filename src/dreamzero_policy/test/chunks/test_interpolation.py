"""Trajectories: through the rows, smooth between them, unknown outside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dreamzero_policy.chunks.interpolation import Trajectory

NO, STEP = np.zeros(3, dtype=bool), 66_666_667
MIXED = {
    "stepped": np.array([False, True, False]),
    "straight": np.array([False, False, True]),
}
rows_of = st.integers(2, 30).flatmap(
    lambda horizon: arrays(np.float64, (horizon, 3), elements=st.floats(-3, 3))
)


def smooth_rows(horizon: int = 24) -> np.ndarray:
    t = np.arange(horizon) * STEP / 1e9
    return np.stack((np.sin(2 * t), np.cos(3 * t), t), axis=1)


@settings(deadline=None)
@given(rows_of, st.integers(0, 2**62))
def test_it_goes_through_every_row(rows, start):
    motion = Trajectory(rows, start, STEP, NO, NO)
    for k, row in enumerate(rows):
        np.testing.assert_allclose(motion.position(start + k * STEP), row, atol=1e-9)


@settings(deadline=None)
@given(rows_of)
def test_position_velocity_and_acceleration_do_not_jump(rows):
    motion = Trajectory(rows, 0, STEP, NO, NO)
    scale = 1.0 + np.abs(np.diff(rows, axis=0)).max()
    for k in range(1, len(rows) - 1):
        before, after = motion.at(k * STEP - 1), motion.at(k * STEP)
        assert np.abs(before.position - after.position).max() < 1e-6 * scale
        assert np.abs(before.velocity - after.velocity).max() < 1e-4 * scale
        assert np.abs(before.acceleration - after.acceleration).max() < 1e-2 * scale


def test_rates_are_the_derivatives():
    motion, h = Trajectory(smooth_rows(), 0, STEP, **MIXED), 1_000
    for ns in range(STEP // 3, motion.end_ns - h, STEP // 2):
        low, here, high = motion.at(ns - h), motion.at(ns), motion.at(ns + h)
        slope = (high.position - low.position) / (2e-9 * h)
        bend = (high.velocity - low.velocity) / (2e-9 * h)
        np.testing.assert_allclose(here.velocity, slope, atol=1e-5)
        np.testing.assert_allclose(here.acceleration[0], bend[0], atol=1e-3)


def test_a_smooth_path_is_met_between_the_rows():
    motion = Trajectory(smooth_rows(), 0, STEP, NO, NO)
    for ns in range(2 * STEP, motion.end_ns - 2 * STEP, STEP // 5):
        t = ns / 1e9
        np.testing.assert_allclose(
            motion.position(ns), [np.sin(2 * t), np.cos(3 * t), t], atol=1e-4
        )


def test_a_gripper_keeps_the_row_in_force_and_a_base_goes_straight():
    rows = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    motion = Trajectory(rows, 100, STEP, **MIXED)
    point = motion.at(100 + STEP - 1)
    assert point.position[1] == 0.0
    assert point.position[2] == pytest.approx(2.0, abs=1e-6)
    assert motion.at(100 + STEP).position[1] == 1.0
    assert motion.at(100 + 3 * STEP // 2).position[2] == pytest.approx(1.0, abs=1e-6)
    assert motion.at(motion.end_ns).position[1] == 0.0
    assert point.velocity[1] == 0.0
    assert point.velocity[2] == pytest.approx(2.0 / (STEP / 1e9))


def test_nothing_is_known_outside():
    motion = Trajectory(smooth_rows(), 1000, STEP, NO, NO)
    assert motion.end_ns == 1000 + 23 * STEP
    assert motion.at(999) is None
    assert motion.at(motion.end_ns + 1) is None
    assert motion.at(motion.end_ns) is not None
    with pytest.raises(ValueError, match="expected an instant in"):
        motion.position(999)
    with pytest.raises(ValueError, match="expected an instant in"):
        motion.velocity(motion.end_ns + 1)


def test_it_is_immutable_and_checks_its_input():
    rows = smooth_rows()
    motion = Trajectory(rows, 0, STEP, NO, NO)
    rows[:] = 9.0
    assert np.abs(motion.position(0)).max() <= 1.0
    with pytest.raises(ValueError, match="read-only"):
        motion.rows[0, 0] = 1.0
    for bad in (rows[:1], np.full((4, 3), np.nan), np.zeros(3)):
        with pytest.raises(ValueError, match="finite rows"):
            Trajectory(bad, 0, STEP, NO, NO)
    with pytest.raises(ValueError, match="masks of 3 columns"):
        Trajectory(smooth_rows(), 0, STEP, NO[:2], NO)
    with pytest.raises(ValueError, match="step must be positive"):
        Trajectory(smooth_rows(), 0, 0, NO, NO)
