"""The cross-fade: no jump in position, velocity or acceleration at either end."""

import numpy as np
import pytest

from dreamzero_policy.chunks.cross_fade import CrossFade
from dreamzero_policy.chunks.interpolation import Point, Trajectory
from dreamzero_policy.chunks.remainder import Remainder
from dreamzero_policy.control.limits import Limits

STEP, FADE = 100_000_000, 300_000_000
NO = np.zeros(2, dtype=bool)


def path() -> Trajectory:
    t = np.arange(20)[:, None] * 0.1
    return Trajectory(np.hstack((np.sin(t), np.cos(t))), 0, STEP, NO, NO)


def limits(gripper: np.ndarray = NO, acceleration: float = 1e3, jerk: float = 1e6) -> Limits:
    one = np.ones(2)
    return Limits(
        ("a", "b"), NO, gripper, NO, -9 * one, 9 * one, 9 * one, acceleration * one, jerk * one
    )


def join(
    present: Point,
    own: Limits | None = None,
    at_ns: int = 450_000_000,
    speed: float = 9.0,
    most_jerk=np.inf,
):
    remainder = Remainder(
        limits() if own is None else own, np.full(2, speed), np.full(2, most_jerk)
    )
    fade = CrossFade(remainder)
    return fade.join(present, None, path(), at_ns, FADE)


def test_it_starts_at_the_command_and_ends_on_the_chunk():
    present = Point(np.array([0.3, 0.7]), np.array([0.5, -0.2]), np.array([1.0, 2.0]))
    motion, chunk = join(present), path()
    begin = motion.at(450_000_000)
    for name in ("position", "velocity", "acceleration"):
        np.testing.assert_allclose(getattr(begin, name), getattr(present, name), atol=1e-9)
    for ns in (750_000_000 - 1, 750_000_000, 1_000_000_000):
        for name in ("position", "velocity"):
            np.testing.assert_allclose(
                getattr(motion.at(ns), name), getattr(chunk.at(ns), name), atol=1e-6
            )
    np.testing.assert_allclose(
        motion.at(750_000_000 - 1).acceleration, chunk.at(750_000_000).acceleration, atol=1e-4
    )


def test_a_chunk_that_agrees_is_followed_as_it_is():
    chunk = path()
    motion = join(chunk.at(450_000_000))
    for ns in range(450_000_000, chunk.end_ns, 7_000_000):
        np.testing.assert_allclose(motion.at(ns).position, chunk.at(ns).position, atol=1e-12)


def test_rates_are_the_derivatives_and_the_gap_closes_at_the_stated_speed():
    gap = np.array([0.1, -0.05])
    start = path().at(450_000_000)
    motion, h = join(Point(start.position + gap, start.velocity, start.acceleration)), 10_000
    fastest = 0.0
    for ns in range(460_000_000, 740_000_000, 5_000_000):
        slope = (motion.at(ns + h).position - motion.at(ns - h).position) / (2e-9 * h)
        np.testing.assert_allclose(motion.at(ns).velocity, slope, atol=1e-5)
        fastest = max(fastest, np.abs(motion.at(ns).velocity - path().at(ns).velocity)[0])
    assert fastest == pytest.approx(1.875 * 0.1 / 0.3, rel=0.02)


def test_a_sharp_column_changes_over_at_once():
    start = path().at(450_000_000)
    gripper = np.array([True, False])
    motion = join(Point.resting(start.position + 0.2), limits(gripper))
    assert motion.at(450_000_000).position[0] == start.position[0]
    assert motion.at(450_000_000).position[1] == pytest.approx(start.position[1] + 0.2)


@pytest.mark.parametrize("speed", [9.0, 0.1])
@pytest.mark.parametrize(("own_jerk", "most_jerk"), [(20.0, np.inf), (1e6, 10.0)])
@pytest.mark.parametrize(
    ("away", "rate", "push"), [(0.1, 0.0, 0.0), (0.0, 0.4, 0.0), (0.0, 0.0, 2.0), (0.05, 0.3, 1.0)]
)
def test_a_fade_takes_the_time_that_slow_joints_need(speed, own_jerk, most_jerk, away, rate, push):
    own = limits(acceleration=4.0, jerk=own_jerk)
    start = path().at(450_000_000)
    motion = join(
        Point(start.position + away, start.velocity + rate, start.acceleration + push),
        own,
        speed=speed,
        most_jerk=most_jerk,
    )
    parts = sum(value != 0 for value in (away, rate, push))
    end = min(motion.from_ns + motion.fade_ns, motion.end_ns)
    instants = np.arange(motion.from_ns, end, 5_000_000)
    gaps = [
        [
            getattr(motion.at(ns), n) - getattr(path().at(ns), n)
            for n in ("velocity", "acceleration")
        ]
        for ns in instants.tolist()
    ]
    fastest, hardest = np.abs(np.array(gaps)).max(axis=(0, 2))
    jerk = np.abs(np.diff(np.array(gaps)[:, 1], axis=0)).max() / 5e-3
    if not rate and not push:
        assert fastest <= speed * 1.001
        assert hardest <= 2.0 * 1.001
        assert jerk <= 10.0 * 1.01
    # What would lead astray may take nine tenths of what the joint can.
    assert hardest <= max(parts * 3.6, push) * 1.001
    assert jerk <= parts * 0.9 * own_jerk * 1.01


@pytest.mark.parametrize(("rate", "push"), [(0.05, 0.0), (0.6, 0.0), (0.0, 0.5), (0.0, 8.0)])
def test_taking_a_gap_in_the_rates_away_leads_little_astray(rate, push):
    start = path().at(450_000_000)
    motion = join(
        Point(start.position, start.velocity + rate, start.acceleration + push),
        limits(acceleration=20.0, jerk=1e4),
        most_jerk=10.0,
    )
    instants = range(motion.from_ns, min(motion.from_ns + motion.fade_ns, motion.end_ns), 5_000_000)
    astray = [motion.at(ns).position - path().at(ns).position for ns in instants]
    assert np.abs(astray).max() <= max(0.03, 0.198 * rate * 0.3) * 1.01


def test_nothing_is_known_outside():
    motion = join(Point.resting(np.zeros(2)))
    assert motion.at(motion.start_ns - 1) is None
    assert motion.at(motion.end_ns + 1) is None
    assert motion.end_ns == path().end_ns
    with pytest.raises(ValueError, match="seam: expected an instant"):
        join(Point.resting(np.zeros(2)), at_ns=path().end_ns + 1)
