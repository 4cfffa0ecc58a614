"""Recorded forwards against plain ones, with a recorder that needs no GPU.

Like a CUDA graph its recording runs the same work again on whatever stands at the same addresses,
and writes its results over those of the last time.
"""

import pytest
import torch

from dreamzero_policy.acceleration import prepare, quantize
from dreamzero_policy.acceleration.graphs import Recorded
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.embodiments import get
from dreamzero_policy.inference.engine import Engine
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.types import Observation


class Recordings:
    """A recorder that counts."""

    def __init__(self):
        self.made = self.replayed = 0

    def __call__(self, call):
        self.made += 1
        outputs = call()

        class Graph:
            def replay(graph):  # noqa: N805
                self.replayed += 1
                for mine, new in zip(outputs, call(), strict=True):
                    if mine is not None:
                        mine.copy_(new)

        return Graph(), outputs


@pytest.fixture(scope="module")
def weights():
    return load("random:tiny", get("droid"))


def answer(engine, session, newest, prompt=None):
    whole = engine.embodiment.example(frames=newest + 1)
    seen = slice(max(0, newest - 16), newest + 1)
    observation = Observation(
        whole.canvases[seen], whole.stamps_ns[seen], whole.state, prompt or whole.prompt
    )
    return torch.tensor(engine.infer(session, observation).chunk.rows)


def episodes(engine):
    """Three sessions: a whole window and its restart, another prompt, a third beside the second."""
    results = []
    first = engine.new_session(1)
    results += [answer(engine, first, newest) for newest in (0, 3, 8, 11, 16, 24, 27, 32, 40)]
    first.end()
    second = engine.new_session(2)
    results += [answer(engine, second, newest, "wipe the table") for newest in (0, 8)]
    results += [answer(engine, second, newest, "leave it") for newest in (9, 17)]
    return results


def recorded(monkeypatch, weights, recorder, options):
    """An engine as on a GPU."""
    monkeypatch.setattr(prepare, "compiles", lambda options, device: True)
    monkeypatch.setattr(
        prepare,
        "network",
        lambda model, options, say: Recorded(Forwards(model.dit), say, recorder),
    )
    return Engine(weights, weights.embodiment, options)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "options",
    [
        {"evaluations": 2},
        pytest.param({"evaluations": 1, "predicted_video": "none"}, marks=pytest.mark.long),
        pytest.param(
            {"evaluations": 2, "guidance_scale": 1.0, "restart": "warm"}, marks=pytest.mark.long
        ),
    ],
)
def test_recorded_is_plain_and_all_is_recorded_before_it_is_ready(monkeypatch, weights, options):
    options = EngineOptions(threads=1, **options)
    plain = episodes(Engine(weights, weights.embodiment, options))
    recordings = Recordings()
    engine = recorded(monkeypatch, weights, recordings, options)
    engine.warm_up()
    made, replayed = recordings.made, recordings.replayed
    assert made
    for ours, theirs in zip(episodes(engine), plain, strict=True):
        assert torch.equal(ours, theirs)
    assert recordings.made == made  # nothing was left to be recorded
    assert recordings.replayed > replayed
    assert engine.notices == ()


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["none", "fp8"])
def test_on_a_gpu_compiled_and_recorded_is_plain(tmp_path, precision):
    """The whole chain; in bfloat16, where a compiled sum may be rounded elsewhere."""
    robot = get("droid")
    if precision not in quantize.precisions("cuda"):
        pytest.skip(f"this GPU has {quantize.precisions('cuda')}")
    results = []
    for choice in ("never", "always"):
        options = EngineOptions(
            evaluations=2, precision=precision, compile=choice, compile_cache=str(tmp_path)
        )
        weights = prepare.load("random:tiny", robot, options, device="cuda")
        engine = Engine(weights, weights.embodiment, options)
        engine.warm_up()
        results.append(torch.stack(episodes(engine)))
        assert engine.notices == ()
    assert (results[0] - results[1]).abs().max() < 0.02 * results[0].abs().max()


def test_two_sessions_at_a_time_have_recordings_of_their_own(monkeypatch, weights):
    options = EngineOptions(threads=1, evaluations=1)
    plain = Engine(weights, weights.embodiment, options)
    engine = recorded(monkeypatch, weights, Recordings(), options)
    results = []
    for each in (plain, engine):
        one, other = each.new_session(1), each.new_session(2)
        results.append([answer(each, session, n) for n in (0, 8, 16) for session in (one, other)])
    for ours, theirs in zip(*reversed(results), strict=True):
        assert torch.equal(ours, theirs)


def test_what_cannot_be_recorded_is_launched_and_said_once(monkeypatch, weights):
    options = EngineOptions(threads=1, evaluations=1)
    plain = Engine(weights, weights.embodiment, options)

    def refuse(call):
        call()  # as the driver does before it finds out
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    engine = recorded(monkeypatch, weights, refuse, options)
    engine.warm_up()
    sessions = [each.new_session(1) for each in (engine, plain)]
    for newest in (0, 8, 11):
        ours, theirs = (
            answer(each, session, newest)
            for each, session in zip((engine, plain), sessions, strict=True)
        )
        assert torch.equal(ours, theirs)
    assert engine.notices == (
        "forwards are launched kernel by kernel, which is slower: RuntimeError: operation not "
        "permitted when stream is capturing",
    )
