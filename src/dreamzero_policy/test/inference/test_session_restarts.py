"""Why a window is begun anew, and with which frames: cold and warm."""

import numpy as np
import pytest
from fake_model import CHUNK, frames_before, run

from dreamzero_policy.inference.session import ResetReason, Session


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
