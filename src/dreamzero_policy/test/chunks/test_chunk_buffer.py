"""Chunks on the clock: order, skipped rows, supersession, seams."""

from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.chunks.chunk_buffer import Accepted, ChunkBuffer
from dreamzero_policy.chunks.interpolation import Point
from dreamzero_policy.chunks.screening import Refused
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
PERIOD = 33_333_333


@pytest.fixture
def buffer(droid) -> ChunkBuffer:
    return ChunkBuffer(Limits.of(droid), ControllerSettings(smoothing=False))


@pytest.fixture
def home(droid) -> np.ndarray:
    return np.array(droid.home)


def test_rows_that_are_over_are_skipped_by_arithmetic(droid, buffer, chunk_of, still):
    rows = still(droid)
    # Row k is due at k/15 s; at 0.3 s rows 0 to 4 are over and row 5 (0.333 s) is next.
    outcome = buffer.accept(chunk_of(droid, rows, NOW), NOW + 3 * SECOND // 10)
    assert outcome == Accepted(skipped=5, clamped=0)
    # Exactly on a row: that row is due, not over.
    chunk = chunk_of(droid, rows, NOW, sequence=1)
    assert buffer.accept(chunk, NOW + 3 * chunk.step_ns).skipped == 3
    assert buffer.accept(chunk_of(droid, rows, NOW + SECOND // 20, sequence=2), NOW).skipped == 0
    assert buffer.skipped_rows == 8


def test_only_newer_chunks_are_taken(droid, buffer, chunk_of, still):
    rows = still(droid)

    def offer(session: int, sequence: int) -> str:
        chunk = chunk_of(droid, rows, NOW, session=session, sequence=sequence)
        outcome = buffer.accept(chunk, NOW)
        return outcome.reason if isinstance(outcome, Refused) else "accepted"

    assert offer(10, 3) == "accepted"
    assert offer(10, 3) == "out_of_order"  # twice
    assert offer(10, 2) == "out_of_order"
    assert offer(9, 99) == "old_session"
    assert offer(11, 0) == "accepted"
    assert offer(10, 4) == "old_session"
    assert (buffer.accepted, buffer.refused) == (2, 4)
    assert buffer.last_refusal.reason == "old_session"
    assert buffer.refusal_in_force is not None
    assert offer(11, 1) == "accepted"
    assert buffer.refusal_in_force is None


def test_a_refused_chunk_does_not_count_as_the_newest(droid, buffer, chunk_of, still):
    bad = still(droid)
    bad[0, 0] = np.nan
    assert buffer.accept(chunk_of(droid, bad, NOW, sequence=5), NOW).reason == "non_finite"
    assert isinstance(buffer.accept(chunk_of(droid, still(droid), NOW, sequence=1), NOW), Accepted)


def test_the_row_in_force_is_the_one_due_now(droid, buffer, chunk_of, still, home):
    rows = still(droid) + np.linspace(0.0, 0.23, 24)[:, None] * (np.arange(8) < 7)
    buffer.accept(chunk_of(droid, rows, NOW), NOW)
    at = NOW + 5 * chunk_of(droid, rows).step_ns
    buffer.wanted(at, Point.resting(rows[5]))
    np.testing.assert_allclose(buffer.planned(at), rows[5], atol=1e-9)


def test_without_a_chunk_and_after_the_last_row_nothing_is_wanted(
    droid, buffer, chunk_of, still, home
):
    rest = Point.resting(home)
    assert buffer.wanted(NOW, rest).reason == "no_chunk"
    chunk = chunk_of(droid, still(droid), NOW)
    buffer.accept(chunk, NOW)
    assert isinstance(buffer.wanted(NOW + PERIOD, rest), Point)
    assert isinstance(buffer.wanted(chunk.end_ns, rest), Point)
    assert buffer.wanted(chunk.end_ns + 1, rest).reason == "stale_chunk"


def test_an_old_observation_ends_a_chunk_before_its_rows_do(droid, chunk_of, home):
    buffer = ChunkBuffer(Limits.of(droid), ControllerSettings(chunk_max_age_s=1.0))
    buffer.accept(chunk_of(droid, np.tile(home, (60, 1)), NOW), NOW)
    assert isinstance(buffer.wanted(NOW + SECOND, Point.resting(home)), Point)
    assert buffer.wanted(NOW + SECOND + 1, Point.resting(home)).reason == "stale_chunk"


def test_a_chunk_that_starts_later_waits_while_the_other_goes_on(
    droid, buffer, chunk_of, still, home
):
    buffer.accept(chunk_of(droid, still(droid), NOW), NOW)
    later = chunk_of(droid, still(droid), NOW, start_ns=NOW + SECOND, sequence=1)
    buffer.accept(later, NOW)
    buffer.wanted(NOW + SECOND // 2, Point.resting(home))
    assert buffer.in_force is None or buffer.in_force.sequence == 0
    buffer.wanted(NOW + SECOND, Point.resting(home))
    assert buffer.in_force.sequence == 1


def test_the_newest_of_several_between_two_ticks_is_followed(droid, buffer, chunk_of, still, home):
    for sequence in range(500):
        buffer.accept(chunk_of(droid, still(droid), NOW, sequence=sequence), NOW)
    buffer.wanted(NOW + PERIOD, Point.resting(home))
    assert buffer.in_force.sequence == 499


def test_a_seam_starts_at_the_command_and_lasts_the_inference_delay(
    droid, buffer, chunk_of, still, home
):
    buffer.accept(chunk_of(droid, still(droid), NOW), NOW)
    buffer.wanted(NOW + PERIOD, Point.resting(home))
    moved = home + 0.02 * (np.arange(8) == 0)
    late = NOW + 11 * SECOND // 10  # the ramp from rest is over
    observed = late - 4 * SECOND // 10
    buffer.accept(chunk_of(droid, still(droid, moved), observed, sequence=1), late)
    at = late + PERIOD
    first = buffer.wanted(at, Point.resting(home))
    assert abs(first.position[0] - home[0]) < 2e-4
    almost = buffer.wanted(late + 4 * SECOND // 10 - PERIOD, first)
    assert 1e-6 < moved[0] - almost.position[0] < 1e-3
    done = buffer.wanted(late + 4 * SECOND // 10 + 1, first)
    np.testing.assert_allclose(done.position, moved, atol=1e-12)


def test_a_wide_gap_closes_no_faster_than_set(droid, chunk_of, still, home):
    settings_ = ControllerSettings(smoothing=False, seam_speed=0.2)
    buffer = ChunkBuffer(Limits.of(droid), settings_)
    buffer.accept(chunk_of(droid, still(droid), NOW), NOW)
    buffer.wanted(NOW + PERIOD, Point.resting(home))
    moved = home + 0.15 * (np.arange(8) == 0)
    buffer.accept(chunk_of(droid, still(droid, moved), NOW, sequence=1), NOW + PERIOD)
    at = NOW + 2 * PERIOD
    point, speeds = buffer.wanted(at, Point.resting(home)), []
    while at < NOW + 3 * SECOND // 2:
        at += PERIOD
        point = buffer.wanted(at, point)
        speeds.append(point.velocity[0])
    assert max(speeds) == pytest.approx(0.2, rel=0.02)


def test_a_hold_is_left_by_a_ramp(droid, buffer, chunk_of, still, home):
    moved = home + 0.1 * (np.arange(8) == 0)
    buffer.accept(chunk_of(droid, still(droid, moved), NOW), NOW)
    first = buffer.wanted(NOW + PERIOD, Point.resting(home), resting=True)
    assert first.position[0] == pytest.approx(home[0], abs=1e-4)
    half = buffer.wanted(NOW + SECOND // 2, first)
    assert half.position[0] == pytest.approx(home[0] + 0.05, abs=1e-3)
    assert buffer.wanted(NOW + SECOND + 1, half).position[0] == pytest.approx(moved[0])


def test_after_a_clock_jump_everything_is_forgotten(droid, buffer, chunk_of, still, home):
    buffer.accept(chunk_of(droid, still(droid), NOW, session=NOW), NOW)
    buffer.forget()
    assert buffer.wanted(NOW + PERIOD, Point.resting(home)).reason == "no_chunk"
    before = NOW - 3600 * SECOND
    chunk = chunk_of(droid, still(droid), before, session=before)
    assert isinstance(buffer.accept(chunk, before), Accepted)


def test_a_ramp_that_has_begun_is_not_cut_short_by_the_next_chunk(
    droid, buffer, chunk_of, still, home
):
    moved = home + 0.1 * (np.arange(8) == 0)
    buffer.accept(chunk_of(droid, still(droid, moved), NOW), NOW)
    point, at = buffer.wanted(NOW + PERIOD, Point.resting(home), resting=True), NOW + PERIOD
    speeds = []
    while at < NOW + SECOND - 2 * PERIOD:
        at += PERIOD
        if (at - NOW) // PERIOD % 6 == 0:
            late = at - SECOND // 10
            chunk = chunk_of(droid, still(droid, moved), late, sequence=at)
            assert isinstance(buffer.accept(chunk, at), Accepted)
        assert buffer.ramping(at)
        point = buffer.wanted(at, point)
        speeds.append(point.velocity[0])
    assert max(speeds) < 1.3 * 1.875 * 0.1  # as fast as one quintic over the whole second
    assert not buffer.ramping(NOW + SECOND + PERIOD)


def test_a_session_that_has_ended_is_dropped_and_refused(droid, buffer, chunk_of, still, home):
    rest = Point.resting(home)
    assert buffer.end()  # nothing was there
    buffer.accept(chunk_of(droid, still(droid), NOW, session=5), NOW)
    buffer.wanted(NOW + PERIOD, rest)
    assert not buffer.end(4)  # an older one has ended
    assert isinstance(buffer.wanted(NOW + PERIOD, rest), Point)
    assert buffer.end(5)
    assert buffer.wanted(NOW + PERIOD, rest).reason == "no_chunk"
    assert buffer.planned(NOW + PERIOD) is None
    late = chunk_of(droid, still(droid), NOW, session=5, sequence=1)
    assert buffer.accept(late, NOW).reason == "old_session"
    newer = chunk_of(droid, still(droid), NOW, session=6)
    assert isinstance(buffer.accept(newer, NOW), Accepted)
    assert buffer.end()  # the newest, which waits
    assert buffer.accept(newer, NOW).reason == "old_session"


def test_the_policy_of_a_chunk_that_is_over_does_not_count(droid, buffer, chunk_of, still):
    assert buffer.policy(NOW) is None
    chunk = chunk_of(droid, still(droid), NOW, policy=7)
    buffer.accept(chunk, NOW)
    assert buffer.policy(chunk.end_ns) == 7
    assert buffer.policy(chunk.end_ns + 1) is None


def test_the_seam_is_told_which_rows_were_held(droid, chunk_of, still, home):
    class Listening:
        held: ClassVar[list] = []

        def join(self, present, following, new, at_ns, fade_ns, held_ns=None):
            self.held.append(held_ns)
            return new

    buffer = ChunkBuffer(Limits.of(droid), ControllerSettings(), Listening())
    for sequence, rows in enumerate((0, 4)):
        chunk = chunk_of(droid, still(droid), NOW, sequence=sequence, prefix_rows=rows)
        buffer.accept(chunk, NOW)
        buffer.wanted(NOW + PERIOD, Point.resting(home))
    assert Listening.held == [None, NOW + 3 * chunk.step_ns]


@settings(deadline=None)
@given(
    arrivals=st.lists(
        st.tuples(st.integers(-200, 2500), st.integers(0, 2000), st.floats(-0.1, 0.1)),
        min_size=1,
        max_size=12,
    )
)
def test_wanted_never_jumps_whatever_arrives_when(droid, chunk_of, still, arrivals):
    """Followed exactly, what is wanted moves at most as fast as chunk and seam together."""
    home = np.array(droid.home)
    buffer = ChunkBuffer(Limits.of(droid), ControllerSettings(smoothing=False))
    now, point, sequence = NOW, Point.resting(home), 0
    for delay_ms, ahead_ms, offset in arrivals:
        rows = still(droid, home + offset * (np.arange(8) < 7))
        observed = now - delay_ms * 1_000_000
        chunk = chunk_of(
            droid, rows, observed, start_ns=observed + ahead_ms * 1_000_000, sequence=sequence
        )
        buffer.accept(chunk, now, point.position)
        sequence += 1
        for _ in range(10):
            now += PERIOD
            wanted = buffer.wanted(now, point, resting=not np.any(point.velocity))
            if isinstance(wanted, Refused):
                point = Point.resting(point.position)
                continue
            step = np.abs(wanted.position - point.position)[:7].max()
            assert step <= 1.5 * 0.5 * PERIOD / SECOND
            point = wanted
