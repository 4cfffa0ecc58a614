"""Real-time chunking: what a held prefix leaves fades; chunks without one are counted."""

import numpy as np

from dreamzero_policy.chunks.interpolation import Point, Trajectory
from dreamzero_policy.chunks.real_time_chunking import RealTimeChunking
from dreamzero_policy.chunks.remainder import Remainder
from dreamzero_policy.control.limits import Limits

STEP, FADE = 100_000_000, 200_000_000
NO, ONE = np.zeros(1, dtype=bool), np.ones(1)
LIMITS = Limits(("a",), NO, NO, NO, -9 * ONE, 9 * ONE, 9 * ONE, 1e4 * ONE, 1e7 * ONE)


def chunk(start_ns: int, bend: float = 0.0) -> Trajectory:
    t = (start_ns + np.arange(17)[:, None] * STEP) / 1e9
    return Trajectory(np.sin(t) + bend * np.maximum(t - 1.0, 0.0) ** 3, start_ns, STEP, NO, NO)


def test_a_chunk_that_was_held_is_followed_as_it_is():
    seam = RealTimeChunking(Remainder(LIMITS, np.full(1, 9.0), np.full(1, np.inf)))
    first = seam.join(chunk(0).at(0), None, chunk(0), 0, FADE)
    new = chunk(300_000_000, bend=0.2)
    second = seam.join(first.at(600_000_000), first, new, 600_000_000, FADE, 900_000_000)
    for ns in range(600_000_000, new.end_ns, 50_000_000):
        np.testing.assert_allclose(second.at(ns).position, new.at(ns).position, atol=1e-3)
    assert seam.without_prefix == 0


def test_a_chunk_without_a_prefix_is_cross_faded_and_counted_unless_it_is_the_first():
    seam = RealTimeChunking(Remainder(LIMITS, np.full(1, 9.0), np.full(1, np.inf)))
    first = seam.join(Point.resting(np.zeros(1)), None, chunk(0), 0, FADE)
    assert seam.without_prefix == 0
    present = first.at(600_000_000)
    second = seam.join(present, first, chunk(300_000_000, 1.0), 600_000_000, FADE)
    assert seam.without_prefix == 1
    np.testing.assert_allclose(second.at(600_000_000).position, present.position, atol=1e-12)
    np.testing.assert_allclose(
        second.at(800_000_000).position, chunk(300_000_000, 1.0).at(800_000_000).position
    )
