"""Every strategy by its name, and what all of them owe: no step at a seam, whatever arrives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.chunks.cross_fade import CrossFade
from dreamzero_policy.chunks.interpolation import Point, Trajectory
from dreamzero_policy.chunks.real_time_chunking import RealTimeChunking
from dreamzero_policy.chunks.seam import make_seam
from dreamzero_policy.chunks.temporal_ensemble import TemporalEnsemble
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings

STEP = 1_000_000_000 // 15
STRATEGIES = {
    "cross_fade": CrossFade,
    "temporal_ensemble": TemporalEnsemble,
    "real_time_chunking": RealTimeChunking,
}
NAMES = ("position", "velocity", "acceleration")


def chunk(droid, rng, start_ns: int, rows: int, rough: float) -> Trajectory:
    """A chunk that wanders around home."""
    limits = Limits.of(droid)
    steps = rng.normal(0.0, rough, (rows, len(limits.names)))
    wander = np.cumsum(np.cumsum(steps, axis=0) * 0.1, axis=0)
    return Trajectory(np.array(droid.home) + wander, start_ns, STEP, limits.gripper, limits.base)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_is_made_by_its_name(droid, name):
    seam = make_seam(ControllerSettings(seam=name), Limits.of(droid))
    assert isinstance(seam, STRATEGIES[name])


@pytest.mark.parametrize("name", STRATEGIES)
@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rough=st.sampled_from([0.0, 0.01, 0.1]),
    gaps=st.lists(st.integers(1, 900_000_000), min_size=2, max_size=12),
    late=st.integers(0, 1_200_000_000),
    fade=st.sampled_from([100_000_000, 300_000_000]),
)
def test_no_step_at_any_seam_and_rates_are_derivatives(droid, name, seed, rough, gaps, late, fade):
    seam, rng = (
        make_seam(ControllerSettings(seam=name), Limits.of(droid)),
        np.random.default_rng(seed),
    )
    arm, motion, now, h = np.arange(7), None, 0, 20_000
    for gap in gaps:
        begin, now = now, now + gap
        instants = rng.integers(begin, now, 4).tolist() if motion is not None else []
        for ns in instants:
            if motion.at(ns - h) is None or motion.at(ns + h) is None:
                continue
            before, here, after = (motion.at(ns + d) for d in (-h, 0, h))
            slope = (after.position - before.position)[arm] / (2e-9 * h)
            np.testing.assert_allclose(here.velocity[arm], slope, atol=2e-3)
            slope = (after.velocity - before.velocity)[arm] / (2e-9 * h)
            np.testing.assert_allclose(here.acceleration[arm], slope, atol=0.1)
        new = chunk(droid, rng, now - late, 24, rough)
        covers = motion is not None and motion.at(now) is not None
        present = motion.at(now) if covers else Point.resting(np.array(droid.home))
        held = None if rng.random() < 0.5 else now + STEP
        joined = seam.join(present, motion if covers else None, new, now, fade, held)
        for field in NAMES:
            np.testing.assert_allclose(
                getattr(joined.at(now), field)[arm], getattr(present, field)[arm], atol=1e-6
            )
        assert joined.at(joined.start_ns - 1) is None
        assert joined.at(joined.end_ns + 1) is None
        assert joined.end_ns == new.end_ns
        assert joined.at(joined.end_ns) is not None
        motion = joined


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_gripper_changes_over_at_once(droid, name):
    limits = Limits.of(droid)
    seam = make_seam(ControllerSettings(seam=name), limits)
    rows = np.tile(droid.home, (24, 1))
    closed = rows.copy()
    closed[:, 7] = 1.0
    one, two = (Trajectory(r, 0, STEP, limits.gripper, limits.base) for r in (rows, closed))
    first = seam.join(one.at(0), None, one, 0, 300_000_000)
    second = seam.join(first.at(400_000_000), first, two, 400_000_000, 300_000_000)
    assert second.at(400_000_000).position[7] == 1.0
    assert second.at(450_000_000).velocity[7] == 0.0


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_chunk_that_does_not_cover_the_seam_is_an_error(droid, name):
    new = chunk(droid, np.random.default_rng(0), 0, 24, 0.0)
    seam = make_seam(ControllerSettings(seam=name), Limits.of(droid))
    with pytest.raises(ValueError, match="seam: expected an instant"):
        seam.join(new.at(0), None, new, new.end_ns + 1, 100_000_000)
