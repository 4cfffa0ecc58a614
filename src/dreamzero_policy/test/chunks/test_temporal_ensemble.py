"""The mean over chunks: inside their hull, weighted by age, and steady when one comes or goes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.chunks.interpolation import Point, Trajectory
from dreamzero_policy.chunks.remainder import Remainder
from dreamzero_policy.chunks.temporal_ensemble import Ensemble, TemporalEnsemble
from dreamzero_policy.control.limits import Limits

STEP, FADE, SECOND = 100_000_000, 200_000_000, 1_000_000_000
NO = np.zeros(1, dtype=bool)
ONE = np.ones(1)
# Wide limits, so that a change takes as long as asked for.
LIMITS = Limits(("a",), NO, NO, NO, -9 * ONE, 9 * ONE, 9 * ONE, 1e4 * ONE, 1e7 * ONE)


def level(value: float, start_ns: int, rows: int = 17) -> Trajectory:
    return Trajectory(np.full((rows, 1), value), start_ns, STEP, NO, NO)


def ensemble(decay: float = 1.0) -> TemporalEnsemble:
    return TemporalEnsemble(Remainder(LIMITS, np.full(1, 9.0), np.full(1, np.inf)), decay)


def played(seam: TemporalEnsemble, chunks: list[Trajectory], seams: list[int]):
    motion = None
    for chunk, at in zip(chunks, seams, strict=True):
        present = chunk.at(at) if motion is None else motion.at(at)
        motion = seam.join(present, motion, chunk, at, FADE)
    return motion


@pytest.mark.parametrize("decay", [0.0, 1.0, 5.0])
def test_weights_are_exponential_in_age(decay):
    values, starts = (0.1, 0.5, -0.2), (0, 300_000_000, 700_000_000)
    chunks = [level(v, s) for v, s in zip(values, starts, strict=True)]
    motion = played(ensemble(decay), chunks, [0, 400_000_000, 800_000_000])
    weights = np.exp([-decay * (starts[2] - s) / SECOND for s in starts])
    # After the newest has risen and before the oldest (until 1.6 s) begins to leave.
    settled = motion.at(1_200_000_000)
    assert settled.position[0] == pytest.approx(np.dot(weights, values) / weights.sum(), abs=1e-9)
    assert settled.velocity[0] == pytest.approx(0.0, abs=1e-9)


def test_each_chunk_has_left_before_it_ends_and_the_last_remains():
    chunks = [level(0.1, 0), level(0.5, 300_000_000), level(-0.2, 700_000_000)]
    motion = played(ensemble(), chunks, [0, 400_000_000, 800_000_000])
    two = math.exp(-0.4)
    second = (0.5 * (two + math.exp(-0.7)) - 0.2) / (1.0 + two + math.exp(-0.7))
    assert motion.at(chunks[0].end_ns).position[0] == pytest.approx(second, abs=1e-9)
    assert motion.at(chunks[1].end_ns).position[0] == pytest.approx(-0.2, abs=1e-9)
    assert motion.end_ns == chunks[2].end_ns
    for end in (chunks[0].end_ns, chunks[1].end_ns):
        just = [motion.at(end + d) for d in (-1, 0, 1)]
        for name in ("position", "velocity", "acceleration"):
            values = [getattr(point, name)[0] for point in just]
            np.testing.assert_allclose(values, values[1], atol=1e-4)


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    gaps=st.lists(st.integers(30_000_000, 900_000_000), min_size=1, max_size=20),
    decay=st.sampled_from([0.0, 0.5, 2.0, 10.0]),
)
def test_it_stays_inside_the_hull_of_the_chunks_that_cover_the_instant(seed, gaps, decay):
    rng, seam, motion, chunks, now = np.random.default_rng(seed), ensemble(decay), None, [], 0
    for gap in [0, *gaps]:
        now += gap
        rows = np.cumsum(rng.normal(0.0, 0.01, (17, 1)), axis=0)
        new = Trajectory(rows, now - int(rng.integers(0, 600_000_000)), STEP, NO, NO)
        if motion is None or motion.at(now) is None:
            motion, chunks = None, []
        present = new.at(now) if motion is None else motion.at(now)
        motion, chunks = seam.join(present, motion, new, now, FADE), [*chunks, new]
        if isinstance(motion.base, Trajectory):  # faded to: nothing was left to average with
            chunks = [new]
            continue
        if np.abs(motion.powers).max() > 1e-9:  # a remainder from such a fade is still closing
            continue
        for ns in range(now, min(now + 300_000_000, new.end_ns), 7_000_000):
            points = [c.at(ns).position[0] for c in chunks if c.at(ns) is not None]
            mean = motion.at(ns).position[0]
            assert min(points) - 1e-8 <= mean <= max(points) + 1e-8


def test_a_chunk_at_rest_or_near_the_end_is_faded_to():
    seam = ensemble()
    first = seam.join(Point.resting(np.zeros(1)), None, level(0.1, 0), 0, FADE)
    assert isinstance(first.base, Trajectory)
    late = seam.join(first.at(1_450_000_000), first, level(0.2, SECOND), 1_450_000_000, FADE)
    assert isinstance(late.base, Trajectory)
    soon = seam.join(first.at(900_000_000), first, level(0.2, SECOND), SECOND, FADE)
    assert isinstance(soon.base, Ensemble)


def test_chunks_that_are_over_or_too_many_are_let_go():
    seam, motion = ensemble(0.0), None
    for n in range(60):
        at = n * 20_000_000
        chunk = level(0.01 * n, at)
        present = chunk.at(at) if motion is None else motion.at(at)
        motion = seam.join(present, motion, chunk, at, FADE)
        deep, base = 1, motion.base
        while isinstance(base, Ensemble):
            deep, base = deep + 1, base.old
        assert deep <= 16
    assert deep == 16
