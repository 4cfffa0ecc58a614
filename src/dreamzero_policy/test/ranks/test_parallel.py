"""Ranks as real processes over gloo against one process, and what becomes of ranks that end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.embodiments import get
from dreamzero_policy.inference.engine import Engine, EngineOptions
from dreamzero_policy.ranks.parallel import Layout
from dreamzero_policy.ranks.ranks import RankError, Ranks, Recipe
from dreamzero_policy.sampling.cancellation import CancelledError
from dreamzero_policy.types import Observation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TOLERANCE = 1e-5
OPTIONS = {"threads": 1, "evaluations": 4}
RECIPE = Recipe("random:tiny", "droid", EngineOptions(**OPTIONS))


@pytest.fixture(scope="module")
def loaded():
    return load("random:tiny", get("droid"))


@pytest.fixture(scope="module")
def whole(loaded):
    return loaded.embodiment.example(frames=50)


@contextlib.contextmanager
def engine_of(loaded, count, recipe=RECIPE, answer_s=60.0, **options):
    """An engine with so many ranks, and these."""
    how = EngineOptions(**OPTIONS, **options)
    ranks = Ranks(replace(recipe, options=how), count, answer_s=answer_s)
    try:
        made = Engine(loaded, loaded.embodiment, how, ranks)
        yield made, ranks
    finally:
        ranks.close()


def observation(whole, newest, prompt="move"):
    seen = slice(0, newest + 1)
    return Observation(whole.canvases[seen], whole.stamps_ns[seen], whole.state, prompt)


def alone(loaded, **options):
    return Engine(loaded, loaded.embodiment, EngineOptions(**OPTIONS, **options))


def difference(got, expected):
    return np.abs(np.asarray(got) - np.asarray(expected)).max() / np.abs(np.asarray(expected)).max()


def gone(pid):
    """Whether a process has ended, waited for or not."""
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("count", "groups", "options"),
    [
        (2, 2, {"predicted_video": "guided"}),
        pytest.param(
            *(2, 1, {"guidance_scale": 1.0, "restart": "warm", "predicted_video": "none"}),
            marks=pytest.mark.long,
        ),
        pytest.param(3, 1, {}, marks=pytest.mark.long),
        pytest.param(4, 2, {"restart": "warm"}, marks=pytest.mark.long),
    ],
    ids=["guidance", "context", "context of both branches", "guidance and context"],
)
def test_ranks_give_what_one_process_gives(loaded, whole, count, groups, options):
    """A window with look-ahead, a given-up call, another prompt, a restart, and work between."""
    one = alone(loaded, **options)
    with engine_of(loaded, count, **options) as (many, ranks):
        assert ranks.layout == Layout(count, one.branches, groups)
        sessions = one.new_session(1), many.new_session(1)
        kinds, resets = set(), set()
        for newest in (0, 3, 8, 11, 16, 24, 27, 32, 35, 40, 43, 46):
            seen = observation(whole, newest, "move" if newest < 43 else "stop")
            if newest in (8, 32, 43):
                with pytest.raises(CancelledError, match="reset"):
                    many.infer(sessions[1], seen, asked("", "", "reset"))
            expected, got = one.infer(sessions[0], seen), many.infer(sessions[1], seen)
            assert (got.kind, got.reset_reason) == (expected.kind, expected.reset_reason)
            assert difference(got.chunk.rows, expected.chunk.rows) < TOLERANCE
            if expected.latents is None:
                assert got.latents is None
            else:
                assert difference(got.latents, expected.latents) < TOLERANCE
                pictures = [
                    engine.predicted_frames(session, result)[1].astype(int)
                    for engine, session, result in (
                        (one, sessions[0], expected),
                        (many, sessions[1], got),
                    )
                ]
                assert np.abs(pictures[0] - pictures[1]).max() <= 1
            kinds.add(got.kind)
            resets.add(str(got.reset_reason))
            many.prepare(sessions[1], seen, 8)
        assert kinds == {"commit", "lookahead"}
        assert resets == {"first_call", "prompt_changed", "window_full", "None"}


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("options", [{}, {"guidance_scale": 1.0}], ids=["branches", "tokens"])
def test_compiled_ranks_give_what_one_plain_process_gives(loaded, whole, tmp_path, options):
    plain = alone(loaded, **options)
    how = {"compile": "always", "compile_cache": str(tmp_path)} | options
    expected, session = [], plain.new_session(1)
    for newest, prompt in ((0, "move"), (8, "move"), (11, "stop at once")):
        inference = plain.infer(session, observation(whole, newest, prompt))
        expected.append(inference.chunk.rows)
    with engine_of(loaded, 2, **how) as (engine, _):
        engine.warm_up()
        session = engine.new_session(1)
        for (newest, prompt), rows in zip(
            ((0, "move"), (8, "move"), (11, "stop at once")), expected, strict=True
        ):
            inference = engine.infer(session, observation(whole, newest, prompt))
            assert difference(inference.chunk.rows, rows) < TOLERANCE
        assert engine.notices == ()
    assert any(tmp_path.rglob("*.so"))


def asked(*answers):
    """Answers one by one, the last one for ever."""
    left = list(answers)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_the_other_ranks_take_part(loaded, whole):
    """With other weights there the result is another one: what is compared above is not rank 0."""
    one, seen = alone(loaded), observation(whole, 0)
    expected = one.infer(one.new_session(1), seen)
    with engine_of(loaded, 2, replace(RECIPE, source="random:tiny:7")) as (many, _):
        got = many.infer(many.new_session(1), seen)
    assert difference(got.latents, expected.latents) > 100 * TOLERANCE


def test_a_rank_that_is_killed_ends_the_others_and_the_call_names_it(loaded, whole):
    with engine_of(loaded, 3) as (many, ranks):
        session, first, second = many.new_session(1), *ranks.pids
        many.infer(session, observation(whole, 0))
        os.kill(second, signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(RankError, match=rf"rank 2 \(process {second}\) was killed by SIGKILL"):
            many.infer(session, observation(whole, 8))
        assert time.monotonic() - began < 20.0
        wait_until(lambda: gone(first))
        assert "rank 2" in many.failure
        with pytest.raises(RankError, match="rank 2"):
            many.infer(many.new_session(2), observation(whole, 8))


@pytest.mark.long
def test_a_rank_that_is_killed_between_calls_is_noticed(loaded):
    with engine_of(loaded, 2) as (many, ranks):
        assert many.failure == ""
        os.kill(ranks.pids[0], signal.SIGKILL)
        wait_until(lambda: many.failure)
        assert "was killed by SIGKILL" in many.failure


@pytest.mark.long
def test_a_rank_that_hangs_is_ended(loaded, whole):
    with engine_of(loaded, 2, answer_s=6.0) as (many, ranks):
        session = many.new_session(1)
        many.infer(session, observation(whole, 0))
        ranks.warm()
        os.kill(ranks.pids[0], signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(RankError, match="no answer of the other ranks within 6 s"):
            many.infer(session, observation(whole, 8))
        assert time.monotonic() - began < 30.0
        wait_until(lambda: gone(ranks.pids[0]))


def test_a_rank_that_cannot_load_says_why(loaded):
    recipe = replace(RECIPE, robot="nobody")
    with (
        pytest.raises(RankError, match=r"rank 1.*ValueError: .*nobody"),
        engine_of(loaded, 2, recipe),
    ):
        pass


@pytest.mark.long
def test_a_failure_of_rank_0_ends_the_others(loaded, whole, monkeypatch):
    with engine_of(loaded, 2) as (many, ranks):
        session = many.new_session(1)
        many.infer(session, observation(whole, 0))
        bad = Observation(
            np.zeros((1, 2, 2, 3), np.uint8), whole.stamps_ns[:1], whole.state, "move"
        )
        with pytest.raises(ValueError, match="canvases"):
            many.infer(session, bad)  # nothing was begun: they are still in step
        many.infer(session, observation(whole, 3))
        monkeypatch.setattr(many._network.dit.head, "forward", None)
        with pytest.raises(RankError, match="rank 0 failed: TypeError"):
            many.infer(session, observation(whole, 8))
        wait_until(lambda: gone(ranks.pids[0]))


@pytest.mark.parametrize(
    "loaded",
    [True, pytest.param(False, marks=pytest.mark.long)],
    ids=["waiting", "loading"],
)
def test_ranks_end_with_rank_0(loaded):
    """Rank 0 is killed while the others wait for it, or before they have loaded."""
    script = (
        "import time\n"
        "from dreamzero_policy.acceleration.options import EngineOptions\n"
        "from dreamzero_policy.ranks.ranks import Ranks, Recipe\n"
        "ranks = Ranks(Recipe('random:tiny', 'droid', EngineOptions()), 3)\n"
        f"{'[child.link.poll(60.0) for child in ranks._children]' if loaded else ''}\n"
        "print(*ranks.pids, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert not any(map(gone, pids))
    parent.kill()
    parent.wait()
    wait_until(lambda: all(map(gone, pids)))


def test_ranks_end_when_the_engine_is_closed(loaded):
    with engine_of(loaded, 2) as (many, ranks):
        many.close()
        assert all(map(gone, ranks.pids))
        assert many.failure == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((2, 2, 3), "groups 1 or 2"), ((3, 2, 2), "multiple of the groups"), ((0, 1, 1), "ranks")],
)
def test_layouts_that_do_not_divide_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Layout(*arguments)


def test_guidance_goes_first_and_tokens_divide_the_rest():
    assert Layout.of(2, 2) == Layout(2, 2, 2)
    assert Layout.of(4, 2).split == 2
    assert [list(Layout.of(4, 2).mine(rank)) for rank in range(4)] == [[0], [0], [1], [1]]
    assert list(Layout.of(3, 2).mine(2)) == [0, 1]
    assert Layout.of(4, 1).split == 4


def test_too_few_processes_or_devices_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        Ranks(RECIPE, 1)
    with pytest.raises(ValueError, match="CUDA devices here"):
        Ranks(replace(RECIPE, device="cuda:0"), 2)
    with pytest.raises(ValueError, match="at most 60 to divide the tokens of a frame, got 61"):
        Ranks(RECIPE, 61)
    with pytest.raises(ValueError, match="expected a checkpoint's directory"):
        Ranks(replace(RECIPE, source="/nowhere"), 2)
