"""Slow inference: how fast chunks are played, and that a robot then moves on steadily."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.chunks.chunk_buffer import Accepted
from dreamzero_policy.chunks.playback import Playback, Played, retimed
from dreamzero_policy.control.controller import Controller
from dreamzero_policy.control.report import Mode
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.types import ActionChunk

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def shares(chunk_of, droid, still, delays, intervals, **changes):
    """The share of each of some chunks with these delays, the observations so far apart."""
    playback, now, given_ = Playback(ControllerSettings(**changes)), NOW, []
    for sequence, (delay, interval) in enumerate(zip(delays, intervals, strict=True)):
        chunk = chunk_of(droid, still(droid), now, sequence=sequence)
        given_.append(playback.take(chunk, now + int(delay * SECOND)))
        now += int(interval * SECOND)
    return given_, playback


def test_chunks_that_last_are_played_at_their_own_speed(chunk_of, droid, still):
    given_, playback = shares(chunk_of, droid, still, [0.3] * 8, [0.6] * 8)
    assert given_ == [1.0] * 8
    assert playback.delay_s == pytest.approx(0.3)


def test_chunks_that_do_not_last_are_stretched_until_the_next(chunk_of, droid, still):
    given_, _ = shares(chunk_of, droid, still, [2.0] * 8, [2.0] * 8)
    span = 23 / 15
    for share in given_:
        assert 4.0 < span / share < 4.8
    slowest, _ = shares(chunk_of, droid, still, [2.0] * 8, [2.0] * 8, slowest_playback=0.5)
    assert slowest == [0.5] * 8
    hold, _ = shares(chunk_of, droid, still, [2.0] * 8, [2.0] * 8, slow_inference="hold")
    assert hold == [1.0] * 8


def test_neither_a_slow_first_call_nor_one_held_up_slows_the_others(chunk_of, droid, still):
    given_, _ = shares(chunk_of, droid, still, [3.0, 0.3, 0.3, 0.3], [3.0, 0.6, 0.6, 0.6])
    assert given_[0] < 0.3
    assert given_[1:] == [1.0] * 3
    delays = [0.3] * 6 + [3.0] + [0.3] * 3
    intervals = [0.6] * 6 + [3.0] + [0.6] * 3
    assert shares(chunk_of, droid, still, delays, intervals)[0] == [1.0] * 10


def test_a_new_session_is_measured_anew(chunk_of, droid, still):
    playback = Playback(ControllerSettings())
    for session, delay in ((1, 2.0), (2, 0.2)):
        for k in range(4):
            at = NOW + session * 100 * SECOND + int(k * (delay + 0.1) * SECOND)
            chunk = chunk_of(droid, still(droid), at, session=session, sequence=k)
            share = playback.take(chunk, at + int(delay * SECOND))
        assert (share == 1.0) == (session == 2)
    playback.restart()
    assert playback.delay_s is None


def test_stamps_from_another_clock_are_no_measurement(chunk_of, droid, still):
    playback = Playback(ControllerSettings())
    for k, late in enumerate((0.3, 0.3, 3600.0, -3600.0, 0.3)):
        at = NOW + k * SECOND
        chunk = chunk_of(droid, still(droid), at - int(late * SECOND), sequence=k)
        playback.take(chunk, at)
        assert playback.delay_s is None or playback.delay_s == pytest.approx(0.3)


def test_rows_are_due_where_the_formula_says(chunk_of, droid, still):
    chunk = chunk_of(droid, still(droid), NOW, start_ns=NOW + SECOND // 10)
    own = retimed(chunk, 1.0, float(SECOND), NOW + SECOND)
    assert (own.start_ns, own.step_ns) == (chunk.start_ns, chunk.step_ns)
    half = retimed(chunk, 0.5, 0.5 * SECOND, NOW + SECOND)  # followed all the while, at half speed
    for k in range(24):
        expected = NOW + (chunk.start_ns - NOW + k * chunk.step_ns) / 0.5
        assert half.start_ns + k * half.step_ns == pytest.approx(expected, abs=50)
    rested = retimed(chunk, 0.5, 0.0, NOW + SECOND)
    assert rested.start_ns == pytest.approx(NOW + SECOND + SECOND // 5, abs=2)


def test_what_was_played_is_the_speed_over_time():
    played = Played()
    assert played.between(NOW, NOW + SECOND) == SECOND  # nothing is known of the robot
    assert played.between(NOW + 5, NOW) == -5
    for second, share in ((0, 1.0), (1, 1.0), (2, 0.0), (4, 0.5)):
        played.follow(NOW + second * SECOND, share)
    for begin, end, expected in ((0, 1, 1), (0, 3, 2), (1, 8, 3), (2, 4, 0), (3, 6, 1), (-2, 1, 3)):
        between = played.between(NOW + begin * SECOND, NOW + end * SECOND)
        assert between == pytest.approx(expected * SECOND)
    played.begin()  # whatever was before, the robot stands still now
    assert played.between(NOW, NOW + SECOND) == 0.0
    played.follow(NOW + SECOND, 1.0)
    assert played.between(NOW, NOW + 3 * SECOND) == 2 * SECOND
    played.restart()
    assert played.between(NOW, NOW + SECOND) == SECOND


def test_rows_held_to_the_chunk_before_are_due_by_the_clock_alone(chunk_of, droid, still):
    def offered(seam: str, prefix_rows: int, delay: float):
        playback = Playback(ControllerSettings(seam=seam))
        playback.played.begin()  # the robot stood still
        at = NOW - int(delay * SECOND)
        chunk = chunk_of(droid, still(droid), at, prefix_rows=prefix_rows)
        timed, share = playback.due(chunk, NOW)
        return (timed.start_ns - at) / SECOND, share

    assert offered("cross_fade", 4, 0.5) == (pytest.approx(0.5), 1.0)
    assert offered("real_time_chunking", 4, 0.5) == (0.0, 1.0)
    assert offered("real_time_chunking", 0, 0.5) == (pytest.approx(0.5), 1.0)
    assert offered("real_time_chunking", 4, 2.0) == (0.0, 1.0)
    late, share = offered("real_time_chunking", 0, 2.0)  # nothing was held: it may be slowed
    assert share < 0.5
    assert late == pytest.approx(2.0)


class SlowPolicy:
    """Sees where the robot is on a path, and some time later says how the path goes on.

    The path's first joint goes evenly from its start, so that it tells where on it the robot is.
    """

    def __init__(self, droid, delay_s: float, jitter: float, seed: int) -> None:
        self.droid, self.home = droid, np.array(droid.home)
        self.delay_s, self.jitter, self.rng = delay_s, jitter, np.random.default_rng(seed)
        self.coming: tuple[int, ActionChunk] | None = None
        self.sequence = 0

    def path(self, progress: float) -> np.ndarray:
        """The pose at some seconds of the path."""
        waves = 0.2 * (np.sin(0.5 * progress + np.arange(8)) - np.sin(np.arange(8)))
        pose = self.home + waves * (np.arange(8) < 7)
        pose[0] = self.home[0] - 1.2 + 0.1 * progress
        return pose

    def progress(self, pose: np.ndarray) -> float:
        """Where on the path a pose is [s]."""
        return float(pose[0] - self.home[0] + 1.2) / 0.1

    def turn(self, now: int, pose: np.ndarray) -> ActionChunk | None:
        """A chunk that is ready; begins the next one, from the pose now."""
        ready = None
        if self.coming is not None and now >= self.coming[0]:
            ready, self.coming = self.coming[1], None
        if self.coming is None:
            began, step = self.progress(pose), self.droid.time_base.row_ns
            rows = np.array([self.path(began + k * step / SECOND) for k in range(24)])
            names = self.droid.action_joints
            chunk = ActionChunk(now, now, step, rows, names, NOW, self.sequence)
            self.sequence += 1
            late = self.delay_s * (1.0 + self.jitter * self.rng.uniform(-1, 1))
            self.coming = (now + int(late * SECOND), chunk)
        return ready


@settings(deadline=None, max_examples=12)
@given(
    delay_s=st.floats(0.1, 3.0),
    jitter=st.sampled_from([0.0, 0.1, 0.3]),
    seed=st.integers(0, 999),
    seam=st.sampled_from(["cross_fade", "real_time_chunking"]),
)
def test_a_robot_moves_on_steadily_however_slow_inference_is(
    droid, require_within, delay_s, jitter, seed, seam
):
    """Never back along its path, never beyond the rows, at most short holds, inside the limits.

    Under real-time chunking too, of a policy whose chunks are not held to the ones before.
    """
    controller = Controller(droid, ControllerSettings(seam=seam))
    policy = SlowPolicy(droid, delay_s, jitter, seed)
    period, pose = controller.settings.period_ns, policy.path(0.0)
    commands, progress, active, limit = [], [], [], 0.0
    for tick in range(int((4.0 + 5.0 * delay_s) * 30)):
        now = NOW + tick * period
        controller.on_state(now, droid.state_joints, pose)
        if tick == 1:
            assert controller.enable(now)[0]
        chunk = policy.turn(now, pose)
        if chunk is not None:
            outcome = controller.on_chunk(chunk, now)
            assert isinstance(outcome, Accepted)
            limit = policy.progress(chunk.rows[-1])
        result = controller.tick(now)
        if result.command is not None:
            pose = result.command
            commands.append(pose)
            progress.append(policy.progress(pose))
            active.append(result.mode == Mode.ACTIVE)
            assert progress[-1] <= limit + 0.05
            on_path = policy.path(progress[-1])
            assert np.abs(pose - on_path)[:7].max() < 0.06
    began = active.index(True)
    assert np.mean(active[began:]) > (0.8 if jitter == 0.3 else 0.9)
    steps = np.diff(progress[began:])
    assert steps.min() > -0.35 / 30  # a jitter may take it back by a hair
    assert steps.max() < 2.5 / 30
    assert progress[-1] > 1.0
    require_within(commands, controller.limits, controller.settings.period_s)


def test_with_hold_a_chunk_ends_where_it_ends(droid):
    controller = Controller(droid, ControllerSettings(slow_inference="hold"))
    policy = SlowPolicy(droid, 1.0, 0.0, 0)
    period, pose, modes = controller.settings.period_ns, policy.path(0.0), []
    for tick in range(240):
        now = NOW + tick * period
        controller.on_state(now, droid.state_joints, pose)
        if tick == 1:
            assert controller.enable(now)[0]
        chunk = policy.turn(now, pose)
        if chunk is not None:
            controller.on_chunk(chunk, now)
            assert controller.buffer.playback == 1.0
        result = controller.tick(now)
        pose = pose if result.command is None else result.command
        modes.append(result.mode)
    share = np.mean(np.array(modes[40:]) == Mode.ACTIVE)
    assert 0.4 < share < 0.7  # 0.53 s of every 1 s


def test_a_dead_slow_policy_is_held_by_the_end_of_its_last_chunk(droid):
    controller, policy = Controller(droid), SlowPolicy(droid, 3.0, 0.0, 0)
    period, pose, last = controller.settings.period_ns, policy.path(0.0), None
    for tick in range(30 * 30):
        now = NOW + tick * period
        controller.on_state(now, droid.state_joints, pose)
        if tick == 1:
            assert controller.enable(now)[0]
        chunk = policy.turn(now, pose) if tick < 13 * 30 else None
        if chunk is not None:
            controller.on_chunk(chunk, now)
            last = chunk
        result = controller.tick(now)
        pose = pose if result.command is None else result.command
        if tick >= 13 * 30 and result.mode == Mode.HOLDING:
            assert result.hold_reason == "stale_chunk"
            limits = controller.settings
            most = limits.chunk_max_age_s / limits.slowest_playback
            assert (now - last.observation_ns) / SECOND <= most + 2 * limits.period_s
            return
    pytest.fail("the robot went on without a policy")
