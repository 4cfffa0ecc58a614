"""What a chunk goes on from: the rows, how many are committed, and when there is nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.embodiments import get
from dreamzero_policy.inference.continuation import Continuation, Loose, continuation, rows_at
from dreamzero_policy.inference.session import Plan, ResetReason, Session
from dreamzero_policy.types import NS_PER_S, ActionChunk, Observation

ROBOT = get("droid")
BASE = ROBOT.time_base
HOME = ROBOT.state_at_home()
START = 7 * NS_PER_S
SLOPE = np.array([0.01 * (joint + 1) for joint in range(7)] + [0.0])


def chunk_at(start_ns=START, sequence=0):
    rows = HOME + SLOPE * np.arange(BASE.rows_per_chunk)[:, None]
    return ActionChunk(start_ns, start_ns, BASE.row_ns, rows, ROBOT.action_joints, 1, sequence)


def session(delays=(0.9, 0.3, 0.3), frames=3):
    """A session in which chunks came one interval apart; the newest was observed at START."""
    made = Session(1, BASE.frame_ns, BASE.frames_per_chunk, 4)
    for index, delay in enumerate(delays):
        observed = START - (len(delays) - 1 - index) * frames * BASE.frame_ns
        made.note_published(chunk_at(observed, index), observed + round(delay * NS_PER_S))
    return made


def observation(frames=3, state=None):
    now = START + frames * BASE.frame_ns
    state = HOME + SLOPE * BASE.frame_stride * frames if state is None else state
    return Observation(np.zeros((1, 4, 4, 3), np.uint8), np.array([now]), state, "move")


def go_on(made=None, plan=None, seen=None, decay="exponential"):
    return continuation(
        made or session(), plan or Plan(), seen or observation(), ROBOT, decay=decay
    )


def test_the_chunk_before_is_read_at_the_new_rows_instants():
    held = go_on()
    assert isinstance(held, Continuation)
    # 9 rows later the chunk before has 15 of its 24 rows left.
    expected = HOME + SLOPE * np.arange(9, 24)[:, None]
    np.testing.assert_allclose(held.rows, expected, atol=1e-12)
    # Five rows of 1/15 s begin within 0.3 s, and the motion is on its way to the sixth then.
    assert held.committed == 6
    assert np.all(held.weights[:6] == 1.0)
    assert np.all(np.diff(held.weights[5:16]) < 0)
    assert not held.weights[15:].any()
    assert len(held.weights) == 24


@pytest.mark.parametrize(
    ("reset", "soft"),
    [
        (None, True),
        (ResetReason.WINDOW_FULL, True),
        (ResetReason.PROMPT_CHANGED, False),
        (ResetReason.GAP_IN_FRAMES, False),
        (ResetReason.CALL_FAILED, False),
        (ResetReason.REQUESTED, False),
    ],
)
def test_what_is_committed_stays_and_what_was_only_wanted_goes_with_the_reason(reset, soft):
    held = go_on(plan=Plan(reset=reset))
    assert held.committed == 6
    assert np.all(held.weights[:6] == 1.0)
    assert bool(held.weights[6:].any()) == soft


def test_no_row_is_held_before_something_was_published_and_timed():
    fresh = Session(1, BASE.frame_ns, BASE.frames_per_chunk, 4)
    assert go_on(fresh) is None
    assert go_on(session(delays=(0.9,))) is None
    assert isinstance(go_on(session(delays=(0.9, 0.3))), Continuation)


def test_the_first_call_s_delay_does_not_count():
    assert go_on(session(delays=(1.4, 0.2, 0.2))).committed == 4
    assert session(delays=(1.4, 0.2, 0.2)).delay.seconds == pytest.approx(0.2)


@pytest.mark.parametrize(("delay", "frames"), [(1.0, 3), (0.5, 6), (1.6, 1)])
def test_chunks_that_end_before_the_next_comes_are_loose(delay, frames):
    loose = go_on(session((delay,) * 3, frames), seen=observation(frames))
    assert isinstance(loose, Loose)
    assert loose.reason == "too_slow"
    assert "a chunk lasts 1.53 s" in loose.text
    assert f"{delay:.2f} s delay" in loose.text


def test_slow_intervals_are_remembered_as_the_controller_remembers_them():
    """One short interval among long ones: rows are still played slower than they are due."""
    made = session((0.5, 0.5, 0.5), frames=6)
    assert go_on(made, seen=observation(1)).reason == "too_slow"


def test_a_late_observation_is_too_slow_whatever_the_estimates_say():
    assert go_on(seen=observation(8)).reason == "too_slow"


def test_an_observation_from_before_the_chunk_is_not_covered():
    assert go_on(seen=observation(-2, HOME)).reason == "not_covered"


def test_a_robot_that_does_not_follow_is_left_out():
    away = HOME + SLOPE * 9
    away[3] += 0.19
    assert isinstance(go_on(seen=observation(state=away)), Continuation)
    away[3] += 0.02
    loose = go_on(seen=observation(state=away))
    assert loose.reason == "not_followed"
    assert ROBOT.action_joints[3] in loose.text
    gripper = HOME + SLOPE * 9
    gripper[7] = 1.0
    assert isinstance(go_on(seen=observation(state=gripper)), Continuation)


def test_joints_are_compared_by_name_and_bases_not_at_all():
    robot = get("agibot_g1")
    base, home = robot.time_base, np.array(robot.home)
    rows = np.tile(home, (base.rows_per_chunk, 1))
    rows[:, [joint.kind == "base" for joint in robot.joints]] = 0.5
    made = Session(1, base.frame_ns, base.frames_per_chunk, 4)
    step = 3 * base.frame_ns
    for index in range(3):
        at = START + index * step
        chunk = ActionChunk(at, at, base.row_ns, rows, robot.action_joints, 1, index)
        made.note_published(chunk, at + NS_PER_S // 20)
    now = np.array([START + 3 * step])
    seen = Observation(np.zeros((1, 4, 4, 3), np.uint8), now, robot.state_at_home(), "move")
    assert isinstance(continuation(made, Plan(), seen, robot), Continuation)


def test_the_clock_set_back_starts_the_estimates_anew():
    made = session()
    earlier = chunk_at(START - 60 * NS_PER_S, 3)
    made.note_published(earlier, earlier.observation_ns - 1)
    assert made.delay.seconds is None
    assert made.interval.seconds is None
    assert go_on(made, seen=observation(-290, HOME)) is None


@given(
    start=st.integers(-40, 40),
    between=st.sampled_from([0.0, 0.25, 0.5, 0.9]),
    step=st.sampled_from([BASE.row_ns, BASE.row_ns // 2, 3 * BASE.row_ns]),
)
def test_reading_a_chunk_never_leaves_its_span(start, between, step):
    chunk = chunk_at()
    first = START + round((start + between) * BASE.row_ns)
    rows = rows_at(chunk, first, step)
    inside = START <= first <= chunk.end_ns
    assert len(rows) == (min((chunk.end_ns - first) // step + 1, 24) if inside else 0)
    if inside:
        instants = first + step * np.arange(len(rows))
        expected = HOME + SLOPE * ((instants - START) / BASE.row_ns)[:, None]
        np.testing.assert_allclose(rows, expected, atol=1e-8)


def test_a_nanosecond_beside_a_row_is_on_the_row():
    chunk = replace(chunk_at(), rows=np.random.default_rng(0).normal(size=(24, 8)))
    for beside in (-3, 0, 3):
        np.testing.assert_array_equal(
            rows_at(chunk, START + 9 * BASE.row_ns + beside, BASE.row_ns), chunk.rows[9:]
        )
        last = rows_at(chunk, chunk.end_ns + beside, BASE.row_ns)
        np.testing.assert_array_equal(last, chunk.rows[23:])
