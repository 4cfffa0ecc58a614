"""Chunks that go on from the one before: the engine, whole, with a robot that follows them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.embodiments import get
from dreamzero_policy.inference.engine import Engine
from dreamzero_policy.inference.session import ResetReason
from dreamzero_policy.types import NS_PER_S, Observation

ROBOT = get("droid")
ROW = ROBOT.time_base.row_ns
DELAY_NS = round(0.3 * NS_PER_S)
CALLS = (0, 3, 6, 8, 11, 14, 16)
"""Canvases that are answered: boundaries every eighth, look-aheads between them."""


@pytest.fixture(scope="module")
def weights():
    return load("random:tiny", ROBOT)


def engine_of(weights, **options):
    options = {"guidance_scale": 1.0, "evaluations": 5, "real_time_chunking": True, **options}
    return Engine(weights, ROBOT, EngineOptions(**options))


def rows_of(chunk, start_ns, count):
    """Rows of a chunk that is due on the same instants, from one of them on."""
    first = round((start_ns - chunk.start_ns) / ROW)
    return chunk.rows[first : first + count]


def drive(engine, calls=CALLS, *, delay_ns=DELAY_NS, prompts=None, off=0.0):
    """The results of an episode in which the robot is where the chunk before leads it."""
    whole = ROBOT.example(frames=max(calls) + 1)
    session, state, results = engine.new_session(1), ROBOT.state_at_home(), []
    for index, newest in enumerate(calls):
        seen = slice(max(0, newest - 16), newest + 1)
        stamps = whole.stamps_ns[seen]
        if results:
            state = rows_of(results[-1].chunk, int(stamps[-1]), 1)[0].copy()
            state[:7] += off * np.linspace(-1, 1, 7)
        prompt = prompts[index] if prompts else "stack the blocks"
        result = engine.infer(session, Observation(whole.canvases[seen], stamps, state, prompt))
        session.note_published(result.chunk, result.chunk.observation_ns + delay_ns)
        results.append(result)
    return results


def gaps(results, rows=6):
    """Per call from the third on: how far its first rows are from the chunk's before it."""
    return [
        float(np.abs(new.chunk.rows[:rows] - rows_of(old.chunk, new.chunk.start_ns, rows)).max())
        for old, new in pairwise(results[1:])
    ]


def test_the_first_rows_are_those_of_the_chunk_before(weights):
    results = drive(engine_of(weights))
    assert [result.kind for result in results] == [
        *("commit", "lookahead", "lookahead", "commit", "lookahead", "lookahead", "commit")
    ]
    assert [result.chunk.prefix_rows for result in results] == [0, 0, 6, 6, 6, 6, 6]
    assert max(gaps(results)) < 1e-4
    assert all(result.loose is None for result in results)


def test_without_it_they_are_not(weights):
    results = drive(engine_of(weights, real_time_chunking=False))
    assert not any(result.chunk.prefix_rows for result in results)
    assert min(gaps(results)) > 0.01


def test_a_robot_that_lags_is_held_to_the_rows_all_the_same(weights):
    """Rows are absolute, whatever the state is that they are predicted relative to."""
    results = drive(engine_of(weights), off=0.02)
    assert results[-1].chunk.prefix_rows == 6
    assert max(gaps(results)) < 1e-4


def test_only_what_was_published_is_gone_on_from(weights):
    engine = engine_of(weights)
    whole = ROBOT.example(frames=9)
    session = engine.new_session(1)
    for newest in (0, 3, 6, 8):
        seen = slice(0, newest + 1)
        stamps = whole.stamps_ns[seen]
        observation = Observation(whole.canvases[seen], stamps, ROBOT.state_at_home(), "move")
        assert engine.infer(session, observation).chunk.prefix_rows == 0


def test_asking_for_it_changes_no_number_before_there_is_a_prefix(weights):
    plain = drive(engine_of(weights, real_time_chunking=False), (0, 3))
    asked = drive(engine_of(weights), (0, 3))
    for ours, theirs in zip(asked, plain, strict=True):
        np.testing.assert_array_equal(ours.chunk.rows, theirs.chunk.rows)


def test_behind_the_committed_rows_the_hold_weakens(weights):
    """Soft rows end nearer to the chunk before than free ones do, the first of them nearest."""
    firm, free = (drive(engine_of(weights, prefix_decay=decay)) for decay in ("linear", "none"))

    def soft(results):
        old, new = results[1].chunk, results[2].chunk
        away = np.abs(new.rows[6:15] - rows_of(old, new.start_ns, 15)[6:])
        return away[:, :7].mean(axis=1)

    assert soft(firm)[:3].max() < soft(free)[:3].min()
    assert soft(firm)[:3].mean() < soft(firm)[-3:].mean()


def test_a_full_window_and_another_instruction_keep_the_committed_rows(weights):
    prompts = ["stack the blocks"] * 3 + ["open the drawer"] * 2
    results = drive(engine_of(weights), (0, 3, 6, 9, 12), prompts=prompts)
    assert results[3].reset_reason == ResetReason.PROMPT_CHANGED
    assert results[3].chunk.prefix_rows == 6
    assert max(gaps(results)) < 1e-4
    full = drive(engine_of(weights), (0, 6, 12, 16, 20, 24, 28, 32))
    assert full[-1].reset_reason == ResetReason.WINDOW_FULL
    assert full[-1].chunk.prefix_rows == 6
    assert max(gaps(full)) < 1e-4


def test_calls_that_take_too_long_say_so(weights):
    results = drive(engine_of(weights), delay_ns=NS_PER_S)
    assert not any(result.chunk.prefix_rows for result in results)
    assert results[2].loose.reason == "too_slow"


def test_a_value_beyond_what_the_network_has_seen_is_cut(weights):
    """A gripper that was open is asked for far outside its range: the row ends at the cut."""
    engine = engine_of(weights)
    results = drive(engine, (0, 3))
    session = engine.new_session(1)
    rows = results[1].chunk.rows.copy()
    rows[:, 7] = 40.0
    for index in range(2):
        chunk = replace(results[index].chunk, rows=rows)
        session.note_published(chunk, chunk.observation_ns + DELAY_NS)
    whole = ROBOT.example(frames=7)
    state = rows_of(chunk, int(whole.stamps_ns[-1]), 1)[0]
    observation = Observation(whole.canvases, whole.stamps_ns, state, "stack the blocks")
    new = engine.infer(session, observation).chunk
    assert new.prefix_rows == 6
    np.testing.assert_allclose(new.rows[:6, 7], 3.0, atol=1e-4)  # 0 to 1 is -1 to 1: 5 is 3


def test_an_unknown_decay_is_refused():
    with pytest.raises(ValueError, match="prefix_decay: expected one of"):
        EngineOptions(prefix_decay="sudden")
