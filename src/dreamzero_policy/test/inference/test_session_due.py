"""When a call is due, and which clips the calls to come will need."""

import pytest
from fake_model import CHUNK, frames_before, run

from dreamzero_policy.inference.session import Session


@pytest.mark.parametrize(
    ("replan", "acted"),
    [
        (1, list(range(0, 25))),
        (3, [0, 3, 6, 8, 11, 14, 16, 19, 22, 24]),
        (4, [0, 4, 8, 12, 16, 20, 24]),
        (8, [0, 8, 16, 24]),
        (100, [0, 8, 16, 24]),
    ],
)
def test_what_is_due(fake, replan, acted):
    session, ours = Session(0, fake.robot.time_base.frame_ns, CHUNK, 4), []
    for newest in range(25):
        observation = fake.observe(frames_before(newest))
        if session.due(observation, replan):
            session.advance(session.plan(observation), observation)
            ours.append(newest)
    assert ours == acted


def test_a_replan_that_was_passed_over_is_made_up_for(fake):
    session = Session(0, fake.robot.time_base.frame_ns, CHUNK, 4)
    for newest, due in ((0, True), (5, True), (6, False), (7, False), (9, True), (11, False)):
        observation = fake.observe(frames_before(newest))
        assert session.due(observation, 4) == due
        if due:
            session.advance(session.plan(observation), observation)


def test_the_next_due_instant(fake):
    frame_ns = fake.robot.time_base.frame_ns
    session = Session(0, frame_ns, CHUNK, 4)
    assert session.next_due_ns(4) is None
    start = fake.observe([0]).newest_ns
    for newest, following in ((0, 4), (3, 4), (4, 8), (9, 12)):
        observation = fake.observe(frames_before(newest))
        session.advance(session.plan(observation), observation)
        assert session.next_due_ns(4) == start + following * frame_ns
    assert session.next_due_ns(3) == start + 11 * frame_ns
    assert session.next_due_ns(64) == start + 16 * frame_ns


def test_with_predicted_frames_only_boundaries_are_due(fake):
    engine = fake.engine(refresh="predicted")
    session = engine.new_session(1)
    assert session.due(fake.observe([0]), 3)
    run(fake, engine, session, 0)
    acted = [n for n in range(1, 18) if session.due(fake.observe(frames_before(n)), 3)]
    assert acted == [8, 16]
    assert session.next_due_ns(3) == fake.start_ns + 8 * fake.robot.time_base.frame_ns
    engine.warm_up()
    with pytest.raises(ValueError, match="refresh: predicted frames need"):
        fake.engine(refresh="predicted", predicted_video="none")


def test_what_restarts_is_due_at_once(fake):
    session = Session(0, fake.robot.time_base.frame_ns, CHUNK, 4)
    first = fake.observe([20])
    session.advance(session.plan(first), first)
    assert not session.due(fake.observe(frames_before(21)), 8)
    assert session.due(fake.observe(frames_before(21), prompt="stop"), 8)
    assert session.due(fake.observe(frames_before(19)), 8)
    session.request_reset()
    assert session.due(fake.observe(frames_before(21)), 8)


def test_clips_that_calls_to_come_will_need(fake):
    """By replan period and newest canvas: the frames that are there, the next call's first."""
    frame_ns = fake.robot.time_base.frame_ns
    for capacity, warm, replan, calls, newest, expected in (
        (4, 0, 8, [0], 3, [range(0, 4)]),
        (4, 0, 8, [0, 8], 8, [range(8, 9)]),
        (4, 0, 3, [0], 2, [range(0, 3)]),  # of a first frame alone a look-ahead needs no clip
        (4, 0, 3, [0, 8], 10, [range(3, 11), range(6, 11), range(8, 11)]),
        (4, 0, 4, [0, 8], 13, [range(8, 14), range(12, 14)]),
        (2, 0, 4, [0, 8], 13, []),  # the next boundary restarts the window, cold
        (2, 1, 4, [0, 8], 13, [range(8, 14), range(12, 14)]),
    ):
        session = Session(0, frame_ns, CHUNK, capacity, warm)
        for call in calls:
            observation = fake.observe(frames_before(call))
            session.advance(session.plan(observation), observation)
        observation = fake.observe(frames_before(newest))
        found = [tuple(range(run.start, run.stop)) for run in expected]
        assert session.begun(observation, replan) == found
    session.request_reset()
    assert session.begun(observation, replan) == []
    assert Session(0, frame_ns, CHUNK, 4).begun(observation, 3) == []
