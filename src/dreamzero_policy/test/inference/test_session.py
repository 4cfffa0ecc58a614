"""Which frames stand in the context at every call, for any stream of calls."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamzero_policy.inference.session import Plan, ResetReason, Session

CHUNK = 8


def frames_before(newest, count=40):
    return list(range(max(0, newest - count), newest + 1))


def run(fake, engine, session, newest, **kwargs):
    """One call; the inference and the frames that its network saw."""
    del fake.model.dit.seen[:]
    inference = engine.infer(session, fake.observe(frames_before(newest), **kwargs))
    (seen,) = {tuple(rows) for rows in fake.model.dit.seen}
    return inference, list(seen)


def test_the_first_call_conditions_on_the_newest_frame(fake):
    engine = fake.engine()
    inference, seen = run(fake, engine, engine.new_session(1), 5)
    assert seen == [5]
    assert (inference.kind, inference.reset_reason) == ("commit", ResetReason.FIRST_CALL)


def test_boundaries_replace_predictions_by_nine_real_frames(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    run(fake, engine, session, 3)
    inference, seen = run(fake, engine, session, 11)
    assert fake.model.encoded == [list(range(3, 12))]
    assert seen == [3, 7, 11]
    assert inference.kind == "commit"
    assert inference.reset_reason is None


def test_a_window_restarts_after_four_chunks(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    results = [run(fake, engine, session, newest) for newest in range(0, 41, 8)]
    assert [seen for _, seen in results] == [
        [0],
        [0, 4, 8],
        [0, 4, 8, 12, 16],
        [0, 4, 8, 12, 16, 20, 24],
        [32],
        [32, 36, 40],
    ]
    assert [r.reset_reason for r, _ in results] == [
        ResetReason.FIRST_CALL,
        *[None] * 3,
        ResetReason.WINDOW_FULL,
        None,
    ]


def test_between_boundaries_a_copy_sees_the_newest_frames(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    run(fake, engine, session, 0)
    inference, seen = run(fake, engine, session, 3)
    assert (inference.kind, seen) == ("lookahead", [3])
    run(fake, engine, session, 8)
    inference, seen = run(fake, engine, session, 13)
    assert (inference.kind, seen) == ("lookahead", [0, 9, 13])
    _, seen = run(fake, engine, session, 16)
    assert seen == [0, 4, 8, 12, 16]


def test_a_late_call_commits_several_boundaries_in_order(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    run(fake, engine, session, 0)
    del fake.model.dit.writes[:]
    inference, seen = run(fake, engine, session, 18)
    assert fake.model.dit.writes[:4] == [*[(1, [4, 8])] * 2, *[(3, [12, 16])] * 2]
    assert (inference.kind, seen) == ("lookahead", [0, 4, 8, 14, 18])
    assert session.blocks == 2


def test_a_missing_frame_restarts(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    run(fake, engine, session, 0)
    numbers = [n for n in range(9) if n != 5]
    inference = engine.infer(session, fake.observe(numbers))
    assert inference.reset_reason == ResetReason.GAP_IN_FRAMES
    assert inference.kind == "commit"
    _, seen = run(fake, engine, session, 16)
    assert seen == [8, 12, 16]


def test_a_frame_off_the_grid_or_back_in_time_restarts(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    run(fake, engine, session, 16)
    inference, seen = run(fake, engine, session, 9)
    assert (inference.reset_reason, seen) == (ResetReason.GAP_IN_FRAMES, [9])
    shifted = fake.observe([17])
    shifted = type(shifted)(
        shifted.canvases, shifted.stamps_ns + 50_000_000, shifted.state, shifted.prompt
    )
    assert session.plan(shifted).reset == ResetReason.GAP_IN_FRAMES


def test_nanoseconds_of_rounding_are_on_the_grid(fake):
    session = Session(0, 33_333_333, CHUNK, 4)
    first = fake.observe([0])
    session.advance(session.plan(first), first)
    stamps = fake.start_ns + np.rint(np.arange(0, 33) * 1e9 / 30).astype(np.int64)
    late = type(first)(np.zeros((33, 4, 4, 3), np.uint8), stamps, first.state, first.prompt)
    assert session.plan(late).reset == ResetReason.WINDOW_FULL
    assert (
        len(session.plan(type(first)(late.canvases[:25], stamps[:25], *_rest(first))).commits) == 3
    )


def _rest(observation):
    return observation.state, observation.prompt


def test_a_new_prompt_restarts_and_is_encoded_once(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    run(fake, engine, session, 0)
    inference, seen = run(fake, engine, session, 8, prompt="stop")
    assert (inference.reset_reason, seen) == (ResetReason.PROMPT_CHANGED, [8])
    run(fake, engine, session, 16, prompt="stop")
    assert len(fake.model.prompts) == 3  # move, the negative prompt, stop


def test_a_reset_on_request(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    run(fake, engine, session, 0)
    session.request_reset()
    inference, _ = run(fake, engine, session, 8)
    assert inference.reset_reason == ResetReason.REQUESTED
    inference, _ = run(fake, engine, session, 16)
    assert inference.reset_reason is None


def test_planning_changes_nothing(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    run(fake, engine, session, 0)
    before = dict(vars(session))
    for newest in (1, 8, 20, 40):
        session.plan(fake.observe(frames_before(newest)))
    assert vars(session) == before


def test_sequences_count_chunks_over_resets(fake):
    engine = fake.engine()
    session = engine.new_session(7)
    chunks = [run(fake, engine, session, n)[0].chunk for n in (0, 3, 8, 80)]
    assert [chunk.sequence for chunk in chunks] == [0, 1, 2, 3]
    assert {chunk.session for chunk in chunks} == {7}


class Expected:
    """The rules once more, from the start of the window and with sets."""

    def __init__(self, capacity=4):
        self.start, self.blocks, self.prompt, self.capacity = None, 0, None, capacity

    def call(self, present, newest, prompt):
        """(reset reason, kind, frames that the network sees)."""
        reason = None
        if self.start is None:
            reason = ResetReason.FIRST_CALL
        elif prompt != self.prompt:
            reason = ResetReason.PROMPT_CHANGED
        elif newest < self.start + CHUNK * self.blocks:
            reason = ResetReason.GAP_IN_FRAMES
        elif (newest - self.start) // CHUNK >= self.capacity:
            reason = ResetReason.WINDOW_FULL
        else:
            blocks, between = divmod(newest - self.start, CHUNK)
            needed = set()
            if blocks > self.blocks:
                needed |= set(
                    range(self.start + CHUNK * self.blocks, self.start + CHUNK * blocks + 1)
                )
            if between and blocks:
                needed |= set(range(newest - CHUNK, newest + 1))
            if not needed <= present:
                reason = ResetReason.GAP_IN_FRAMES
        self.prompt = prompt
        if reason is not None:
            self.start, self.blocks = newest, 0
            return reason, "commit", [newest]
        self.blocks = blocks
        seen = [self.start + 4 * i for i in range(2 * blocks + 1)]
        if not between:
            return None, "commit", seen
        return None, "lookahead", [*seen[:-2], newest - 4, newest] if blocks else [newest]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.integers(-2, 14),  # frames since the last call
            st.integers(1, 30),  # how many the window holds
            st.sets(st.integers(0, 25), max_size=2),  # which of them are missing, from the newest
            st.sampled_from(["move"] * 9 + ["stop"]),
        ),
        min_size=1,
        max_size=14,
    )
)
def test_any_stream_of_calls_follows_the_rules(fake, calls):
    engine = fake.engine(evaluations=5)
    session, expected, newest = engine.new_session(1), Expected(), 30
    for step, held, missing, prompt in calls:
        newest += step
        numbers = [newest - i for i in range(held) if i == 0 or i not in missing]
        numbers = sorted(number for number in numbers if number >= 0)
        before = _rows(session)
        del fake.model.dit.seen[:]
        inference = engine.infer(session, fake.observe(numbers, prompt=prompt))
        reason, kind, seen = expected.call(set(numbers), newest, prompt)
        assert (inference.reset_reason, inference.kind) == (reason, kind)
        assert {tuple(rows) for rows in fake.model.dit.seen} == {tuple(n % 256 for n in seen)}
        first = newest if len(seen) == 1 else expected.start
        assert fake.model.dit.conditions[-1] == first % 256
        assert session.blocks == expected.blocks < 4
        stored = [expected.start + 4 * i for i in range(2 * expected.blocks + 1)]
        for cache in session.window.caches:
            assert cache.keys_values(0)[0][0, :, 0, 0].tolist() == [n % 256 for n in stored]
        if kind == "lookahead" and session.blocks == len(before) // 2:
            assert torch.equal(_rows(session), before)


def _rows(session):
    """What the first cache stores; nothing before the first call."""
    if session.window is None:
        return torch.zeros(0)
    return session.window.caches[0].keys_values(0)[0][0, :, 0, 0].clone()


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


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(
    ("warm", "expected"),
    [
        (1, {24: list(range(0, 25, 4)), 32: [24, 28, 32], 36: [24, 32, 36]}),
        (2, {32: [16, 20, 24, 28, 32], 36: [16, 20, 24, 32, 36], 48: [32, 36, 40, 44, 48]}),
        (
            3,
            {32: list(range(8, 33, 4)), 36: [*range(8, 25, 4), 32, 36], 40: list(range(16, 41, 4))},
        ),
    ],
)
def test_a_warm_restart_keeps_the_last_real_frames_and_the_grid(fake, warm, expected, prepared):
    engine = fake.engine(restart="warm", warm_blocks=warm)
    session, found, resets = engine.new_session(1), {}, {}
    for newest in range(0, 53, 4):
        inference, found[newest] = run(fake, engine, session, newest)
        resets[newest] = inference.reset_reason
        if prepared:
            engine.prepare(session, fake.observe(frames_before(newest)), 4)
    assert {newest: found[newest] for newest in expected} == expected
    full = [newest for newest, reason in resets.items() if reason == ResetReason.WINDOW_FULL]
    assert full == list(range(32, 53, 8 * (4 - warm)))
    assert {resets[newest] for newest in resets if newest not in full} == {
        None,
        ResetReason.FIRST_CALL,
    }


def test_a_warm_restart_is_hidden_behind_motion(fake):
    """What is left for the call is one refresh, as at any other boundary."""
    for prepared, writes in ((False, [(0, [16]), (1, [20, 24]), (3, [28, 32])]), (True, None)):
        engine = fake.engine(restart="warm", warm_blocks=2, guidance_scale=1.0)
        session = engine.new_session(1)
        for newest in (0, 8, 16, 24):
            run(fake, engine, session, newest)
            if prepared:
                engine.prepare(session, fake.observe(frames_before(newest)), 8)
        del fake.model.dit.writes[:]
        _, seen = run(fake, engine, session, 32)
        assert seen == [16, 20, 24, 28, 32]
        assert fake.model.dit.writes == (writes or [(3, [28, 32])])
        assert session.spare is None


def test_a_warm_window_is_not_used_where_it_no_longer_fits(fake):
    """Another instruction, a gap, or a request: cold, and what was begun is dropped."""
    for what, reason in (
        ({"prompt": "stop"}, ResetReason.PROMPT_CHANGED),
        ("request", ResetReason.REQUESTED),
        ("gap", ResetReason.GAP_IN_FRAMES),
        ("short", ResetReason.WINDOW_FULL),
    ):
        engine = fake.engine(restart="warm", warm_blocks=2)
        session = engine.new_session(1)
        for newest in (0, 8, 16, 24):
            run(fake, engine, session, newest)
        engine.prepare(session, fake.observe(frames_before(24)), 8)
        assert session.spare is not None
        numbers = frames_before(32)
        if what == "request":
            session.request_reset()
        elif what == "gap":
            numbers = frames_before(22)
        elif what == "short":
            numbers = numbers[-9:]
        options = what if isinstance(what, dict) else {}
        del fake.model.dit.seen[:]
        inference = engine.infer(session, fake.observe(numbers, **options))
        assert inference.reset_reason == reason
        assert {tuple(rows) for rows in fake.model.dit.seen} == {(numbers[-1],)}
        assert session.spare is None


def test_a_longer_window_restarts_later(fake):
    engine = fake.engine(window_blocks=6)
    session, seen = engine.new_session(1), {}
    for newest in range(0, 57, 8):
        inference, seen[newest] = run(fake, engine, session, newest)
        assert (inference.reset_reason is None) == (newest not in (0, 48))
    assert seen[40] == list(range(0, 41, 4))
    assert seen[48] == [48]
    for options in ({"window_blocks": 0}, {"warm_blocks": 0}, {"restart": "hot"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            fake.engine(**options)
    with pytest.raises(ValueError, match="warm_blocks: expected 0 to 3 in a window of 4"):
        fake.engine(restart="warm", warm_blocks=4).new_session(1)


def test_a_call_every_150_ms_of_a_model_whose_blocks_span_1_6_s(fake):
    """Canvases every 50 ms, numbered so; the model's frames are 200 ms apart, four canvases."""
    robot = fake.robot
    assert robot.time_base.frame_ns == 200_000_000
    engine = fake.engine(canvases_per_frame=4)
    session, seen, kinds = engine.new_session(1), {}, {}
    for newest in range(0, 133):
        numbers = list(range(max(0, newest - 64), newest + 1))
        observation = fake.observe(numbers)
        stamps = fake.start_ns + 50_000_000 * np.array(numbers, np.int64)
        observation = type(observation)(
            observation.canvases, stamps, observation.state, observation.prompt
        )
        if not session.due(observation, 3):
            continue
        del fake.model.dit.seen[:]
        kinds[newest] = engine.infer(session, observation).kind
        ((seen[newest]),) = {tuple(rows) for rows in fake.model.dit.seen}
    # Every 150 ms, and at every boundary, from which they are counted anew.
    per_block = [*range(0, 32, 3)]
    assert list(seen) == [32 * block + at for block in range(4) for at in per_block] + [128, 131]
    assert [newest for newest, kind in kinds.items() if kind == "commit"] == [0, 32, 64, 96, 128]
    expected = {
        3: (3,),  # in the first block: the newest frame alone, on a copy
        30: (30,),
        32: (0, 16, 32),  # committed
        35: (0, 19, 35),  # the newest block replaced by the canvases that end now, on a copy
        62: (0, 46, 62),
        64: (0, 16, 32, 48, 64),
        67: (0, 16, 32, 51, 67),
        96: (0, 16, 32, 48, 64, 80, 96),
        126: (0, 16, 32, 48, 64, 110, 126),
        128: (128,),  # the window was full
        131: (131,),
    }
    assert {newest: seen[newest] for newest in expected} == expected


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


def test_a_block_that_ended_is_compared_with_what_was_predicted(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    predicted = run(fake, engine, session, 0)[0].latents
    assert run(fake, engine, session, 4)[0].divergence is None  # no block ended
    inference, _ = run(fake, engine, session, 8)
    observed = torch.tensor([4.0, 8.0]).reshape(1, 1, 2, 1, 1)
    size = observed.square().mean().sqrt()
    expected = (predicted - observed).square().mean().sqrt() / size
    assert inference.divergence == pytest.approx((expected.item(), 1.0))
    late, _ = run(fake, engine, session, 27)  # two blocks at once: the first was predicted
    observed = torch.tensor([12.0, 16.0]).reshape(1, 1, 2, 1, 1)
    wrong = (inference.latents - observed, 8 - observed)
    size = observed.square().mean().sqrt()
    assert late.divergence == pytest.approx(
        tuple((each.square().mean().sqrt() / size).item() for each in wrong)
    )
    assert run(fake, engine, session, 32)[0].divergence is None  # a restart compares nothing


def test_predicted_frames_stand_in_the_context_where_that_is_asked_for(fake):
    engine = fake.engine(refresh="predicted")
    session = engine.new_session(1)
    first, seen = run(fake, engine, session, 0)
    assert seen == [0]
    second, seen = run(fake, engine, session, 8)
    predicted = first.latents.mean(dim=(1, 3, 4))[0].int().tolist()
    assert seen == [0, *predicted] != [0, 4, 8]
    observed = torch.tensor([4.0, 8.0]).reshape(1, 1, 2, 1, 1)
    size = observed.square().mean().sqrt()
    expected = (first.latents - observed).square().mean().sqrt() / size
    assert second.divergence[0] == pytest.approx(expected.item())
    # Of the block that began at 16 nothing was predicted, as no call came: it is as observed.
    _, seen = run(fake, engine, session, 24)
    assert seen == [0, *predicted, *second.latents.mean(dim=(1, 3, 4))[0].int().tolist(), 20, 24]
    with pytest.raises(ValueError, match="at a block boundary"):
        engine.infer(session, fake.observe(frames_before(27)))
    _, seen = run(fake, engine, session, 32)
    assert seen == [32]  # a full window restarts from what is seen


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


def test_nonsense_is_refused(fake):
    with pytest.raises(ValueError, match="at least 1"):
        Session(0, 0, 8, 4)
    with pytest.raises(ValueError, match="replan_frames"):
        Session(0, 1, 8, 4).due(fake.observe([0]), 0)


def test_a_plan_says_what_it_is():
    assert Plan().kind == "commit"
    assert Plan(lookahead=(3,)).kind == "lookahead"
