"""Calls that are given up: when, and that the session is as if they had never been made."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.embodiments import get
from dreamzero_policy.inference.engine import Engine, EngineOptions
from dreamzero_policy.inference.session import ResetReason
from dreamzero_policy.sampling.cancellation import CancelledError, watched
from dreamzero_policy.sampling.stages import Stages
from dreamzero_policy.types import Observation

TOLERANCE = 1e-5


def given_up(engine, session, observation, evaluations=1):
    """A call that ends before the evaluation of that index."""
    left = [""] * evaluations + ["stopped"]
    with pytest.raises(CancelledError, match="stopped") as raised:
        engine.infer(session, observation, lambda: left.pop(0))
    assert raised.value.reason == "stopped"
    assert not left


def test_it_ends_before_the_next_evaluation(fake):
    engine = fake.engine(guidance_scale=1.0)
    session = engine.new_session(1)
    for evaluations in (0, 1, 4):
        before = len(fake.model.dit.seen)
        given_up(engine, session, fake.observe([0]), evaluations)
        assert len(fake.model.dit.seen) - before == evaluations
    assert session.sequence == 0


def test_every_evaluation_is_timed(fake):
    engine = fake.engine(evaluations=5)
    stages = engine.infer(engine.new_session(1), fake.observe([0])).stages
    each = [stages[f"denoise {k}"] for k in range(1, 6)]
    assert "denoise 6" not in stages
    assert sum(each) <= stages["denoise"]


def test_the_device_is_at_most_one_evaluation_behind():
    class Recorded(Stages):
        def catch_up(self, name):
            waited.append((name, count))

    waited, count = [], 0

    def network(x, actions, *call):
        nonlocal count
        count += 1
        return x, actions

    velocity = watched(network, Recorded(torch.device("cpu")), lambda: "")
    for _ in range(4):
        velocity(torch.zeros(1), torch.zeros(1), 0, 0, False)
    assert waited[1:] == [("denoise 1", 2), ("denoise 2", 3)]


def test_who_cannot_be_superseded_never_waits():
    class Refusing(Stages):
        def catch_up(self, name):
            raise AssertionError

    velocity = watched(lambda x, a, *call: (x, a), Refusing(torch.device("cpu")), None)
    for _ in range(3):
        velocity(torch.zeros(1), torch.zeros(1), 0, 0, False)


@pytest.mark.parametrize("options", [{}, {"restart": "warm"}, {"guidance_scale": 1.0}])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(calls=st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 9)), max_size=14))
def test_a_session_is_as_if_the_call_had_never_been_made(fake, options, calls):
    """Two sessions get the same calls, one of them others in between that are given up.

    Steps of 0 to 9 frames; now and then another prompt, a lost frame or a requested reset.
    """
    engines = [fake.engine(**options) for _ in range(2)]
    plain, other = (engine.new_session(1) for engine in engines)
    newest = 0
    for step, kept, event in calls:
        newest += step
        numbers = [n for n in range(max(0, newest - 24), newest + 1) if event != 7 or n != 5]
        if event == 9:
            plain.request_reset()
            other.request_reset()
        observation = fake.observe(numbers, prompt="stop" if event == 8 else "move")
        if not kept:
            given_up(engines[1], other, observation, evaluations=1 + event % 3)
            engines[1].prepare(other, observation, 3)
            continue
        seen = fake.model.dit.seen
        seen.clear()
        expected = engines[0].infer(plain, observation)
        by_plain = list(seen)
        seen.clear()
        got = engines[1].infer(other, observation)
        assert seen == by_plain
        assert (got.reset_reason, got.kind) == (expected.reset_reason, expected.kind)
        np.testing.assert_array_equal(got.chunk.rows, expected.chunk.rows)
        assert (got.chunk.sequence, got.divergence) == (
            expected.chunk.sequence,
            expected.divergence,
        )
        engines[0].prepare(plain, observation, 3)
        engines[1].prepare(other, observation, 3)


@pytest.mark.parametrize("restart", ["cold", "warm"])
def test_packed_forwards_go_on_where_they_were(restart):
    """The real network, whose latents wait for an evaluation: commits, look-aheads, restarts."""
    loaded = load("random:tiny", get("droid"))
    options = EngineOptions(threads=1, evaluations=2, restart=restart)
    engine = Engine(loaded, loaded.embodiment, options)
    whole = loaded.embodiment.example(frames=45)
    plain, other = engine.new_session(1), engine.new_session(1)

    def seen(newest, prompt="move"):
        return Observation(
            whole.canvases[: newest + 1], whole.stamps_ns[: newest + 1], whole.state, prompt
        )

    for newest in (0, 8, 16, 24, 32, 40):
        given_up(engine, other, seen(newest), evaluations=newest // 8 % 2)
        given_up(engine, other, seen(newest, "stop"))  # its restart is undone, and entered anew
        given_up(engine, other, seen(newest + 3))
        expected, got = engine.infer(plain, seen(newest)), engine.infer(other, seen(newest))
        assert got.reset_reason == expected.reset_reason
        for ours, theirs in (
            (got.chunk.rows, expected.chunk.rows),
            (got.latents.numpy(), expected.latents.numpy()),
        ):
            assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()
        for mine, its in zip(other.window.caches, plain.window.caches, strict=True):
            assert (mine.position, mine.length) == (its.position, its.length)
        engine.prepare(plain, seen(newest), 8)
        engine.prepare(other, seen(newest), 8)
    assert plain.sequence == other.sequence == 6


def test_a_given_up_call_restarts_nothing(fake):
    engine = fake.engine()
    session = engine.new_session(1)
    engine.infer(session, fake.observe([0]))
    given_up(engine, session, fake.observe(range(9)))
    given_up(engine, session, fake.observe(range(9), prompt="stop"))
    assert engine.infer(session, fake.observe(range(9))).reset_reason is None
    given_up(engine, session, fake.observe([20]))
    assert engine.infer(session, fake.observe([20])).reset_reason == ResetReason.GAP_IN_FRAMES
