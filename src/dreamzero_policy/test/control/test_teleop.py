"""A human's stream: what is taken, and that it becomes smooth motion a stated time behind."""

import numpy as np
import pytest

from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.control.teleop import DELAY_S, TeleopStream

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.fixture
def stream(droid) -> TeleopStream:
    return TeleopStream(Limits.of(droid), ControllerSettings())


def test_samples_are_checked_and_the_reason_says_what_was_expected(droid, stream):
    names, home = droid.action_joints, np.array(droid.home)
    assert "in any order" in stream.take(NOW, names[:-1], home[:-1], NOW)
    assert "in any order" in stream.take(NOW, (*names[:-1], "thumb"), home, NOW)
    assert "in any order" in stream.take(NOW, (*names, names[0]), np.zeros(9), NOW)
    assert "expected 8 values" in stream.take(NOW, names, np.zeros((8, 1)), NOW)
    for bad in (np.nan, np.inf):
        assert "not finite" in stream.take(NOW, names, np.full(8, bad), NOW)
    assert "5.000 s from now" in stream.take(NOW + 5 * SECOND, names, home, NOW)
    assert not stream.fresh(NOW)
    assert stream.take(NOW, names, home, NOW) is None
    assert "0.000 s before the newest" in stream.take(NOW, names, home, NOW)
    assert "1.000 s before the newest" in stream.take(NOW - SECOND, names, home, NOW)
    assert stream.take(NOW + 1, names[::-1], home[::-1], NOW) is None


def test_it_is_fresh_for_as_long_as_set(droid, stream):
    stream.take(NOW, droid.action_joints, np.array(droid.home), NOW)
    assert stream.fresh(NOW)
    assert stream.fresh(NOW + SECOND // 5)
    assert not stream.fresh(NOW + SECOND // 5 + 1)
    assert not stream.fresh(NOW - SECOND // 5)
    stream.forget()
    assert not stream.fresh(NOW)


def test_without_a_fresh_stream_there_is_no_motion(droid, stream):
    assert stream.at(NOW) is None
    stream.take(NOW, droid.action_joints, np.array(droid.home), NOW)
    stream.advance(NOW + 1, NOW)
    assert stream.at(NOW + 1) is not None
    assert stream.at(NOW + 2) is None  # no instant but the tick's is known
    stream.advance(NOW + SECOND, NOW + SECOND)
    assert stream.at(NOW + SECOND) is None


@pytest.mark.parametrize("control_hz", [30.0, 100.0])
@pytest.mark.parametrize(("rate", "jitter_s"), [(100, 0.0), (100, 0.003), (50, 0.004), (30, 0.005)])
def test_a_smooth_human_is_smooth_and_the_stated_delay_behind(droid, rate, jitter_s, control_hz):
    settings = ControllerSettings(rate_hz=control_hz)
    stream, rng = TeleopStream(Limits.of(droid), settings), np.random.default_rng(1)
    home, period = np.array(droid.home), settings.period_s

    def human(seconds: float) -> np.ndarray:
        return home + 0.2 * np.sin(2 * np.pi * 0.5 * seconds) * (np.arange(8) < 7)

    instants = np.sort(np.arange(0, 6, 1 / rate) + rng.uniform(-jitter_s, jitter_s, 6 * rate))
    arrives = instants + 0.002 + rng.uniform(0, 0.003, len(instants))
    points, expected, sample = [], [], 0
    for tick in range(1, int(6 * control_hz)):
        now = tick * period
        while sample < len(instants) and arrives[sample] <= now:
            stamp = NOW + int(instants[sample] * SECOND)
            stream.take(stamp, droid.action_joints, human(instants[sample]), NOW + int(now * 1e9))
            sample += 1
        at_ns = NOW + round((now + period) * SECOND)
        stream.advance(at_ns, NOW + int(now * SECOND))
        if now > 1.0:
            points.append(stream.at(at_ns))
            expected.append(human(now - DELAY_S)[0])
    position = np.array([p.position[0] for p in points])
    velocity = np.array([p.velocity[0] for p in points])
    acceleration = np.array([p.acceleration[0] for p in points])
    assert np.abs(position - expected).max() < 0.004
    # The rates are the motion's own: the trapezoid over a tick, to the third order.
    step = (velocity[1:] + velocity[:-1]) / 2 - np.diff(acceleration) * period / 12
    assert np.abs(np.diff(position) / period - step).max() < 0.01
    assert np.abs(velocity).max() < 1.05 * 0.2 * np.pi
    assert np.abs(acceleration).max() < 2.0 * 0.2 * np.pi**2


def test_targets_outside_the_range_end_at_it_and_garbage_stays_finite(droid, stream):
    limits, names = Limits.of(droid), droid.action_joints
    for k in range(100):
        stamp = NOW + k * SECOND // 100
        assert stream.take(stamp, names, np.full(8, (-1.0) ** k * 1e300), stamp) is None
        stream.advance(stamp + SECOND // 100, stamp)
        point = stream.at(stamp + SECOND // 100)
        assert (point.position <= limits.upper).all()
        assert (point.position >= limits.lower).all()
        assert np.isfinite(point.velocity).all()
        assert np.isfinite(point.acceleration).all()


def test_a_flood_of_samples_is_bounded(droid, stream):
    home = np.array(droid.home)
    for k in range(5000):
        assert stream.take(NOW + k, droid.action_joints, home, NOW) is None
    assert len(stream._samples) < 300


def test_a_pause_longer_than_a_stream_may_take_is_not_bridged(droid, stream):
    home = np.array(droid.home)
    stream.take(NOW, droid.action_joints, home, NOW)
    later = NOW + SECOND
    stream.take(later, droid.action_joints, home + 0.1, later)
    stream.advance(later, later)
    np.testing.assert_allclose(stream.at(later).position, home + 0.1)
