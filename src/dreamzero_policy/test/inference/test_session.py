"""Which frames stand in the context at every call, for any stream of calls."""

import numpy as np
import pytest
import torch
from fake_model import CHUNK, frames_before, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamzero_policy.inference.session import Plan, ResetReason, Session


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


def test_nonsense_is_refused(fake):
    with pytest.raises(ValueError, match="at least 1"):
        Session(0, 0, 8, 4)
    with pytest.raises(ValueError, match="replan_frames"):
        Session(0, 1, 8, 4).due(fake.observe([0]), 0)


def test_a_plan_says_what_it_is():
    assert Plan().kind == "commit"
    assert Plan(lookahead=(3,)).kind == "lookahead"
