"""Compiled forwards against plain ones, and what happens where the compiler fails."""

from functools import partial

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from dreamzero_policy.acceleration import prepare
from dreamzero_policy.acceleration.compile import compile_forwards, keep_programs
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.embodiments import get
from dreamzero_policy.inference.engine import Engine
from dreamzero_policy.sampling.network import Literal
from dreamzero_policy.types import Observation

CALLS = [0, 3, 8, 11, 16, 24, 27, 32]
"""Boundaries and look-ahead of every length of the context, and a restart."""


@pytest.fixture(scope="module")
def weights():
    return load("random:tiny", get("droid"))


@pytest.fixture
def programs(monkeypatch, tmp_path):
    """A folder for compiled programs, and the library's own again afterwards."""
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    torch.compiler.reset()
    yield tmp_path / "programs"
    torch.compiler.reset()


def answers(engine, calls=CALLS, prompt=None):
    """Rows and predicted latents of calls in one made-up episode."""
    whole = engine.embodiment.example(frames=max(calls) + 1)
    session, results = engine.new_session(1), []
    for newest in calls:
        seen = slice(max(0, newest - 16), newest + 1)
        inference = engine.infer(
            session,
            Observation(
                whole.canvases[seen], whole.stamps_ns[seen], whole.state, prompt or whole.prompt
            ),
        )
        results += [torch.tensor(inference.chunk.rows), inference.latents]
    return results


def difference(ours, theirs):
    """Largest difference over the largest value, of all results."""
    return max(
        float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_compiled_is_plain_and_all_is_compiled_before_it_is_ready(weights, programs):
    options = {"evaluations": 2, "threads": 1}
    robot = weights.embodiment
    engine = Engine(weights, robot, EngineOptions(**options))
    plain, short = answers(engine), answers(engine, [0, 8], "go")
    options |= {"compile": "always", "compile_cache": str(programs)}
    engine = Engine(weights, robot, EngineOptions(**options))
    counters.clear()
    engine.warm_up()
    assert counters["inductor"]["fxgraph_cache_miss"] > 0
    assert any(programs.rglob("*.so"))
    torch.compiler.set_stance("fail_on_recompile")
    try:
        ours, shorter = answers(engine), answers(engine, [0, 8], "go")
    finally:
        torch.compiler.set_stance("default")
    assert engine.notices == ()
    assert difference(ours, plain) < 1e-5
    assert difference(shorter, short) < 1e-5  # an instruction of another length

    torch.compiler.reset()  # as a new process: its programs are on disk
    counters.clear()
    again = Engine(weights, robot, EngineOptions(**options))
    again.warm_up()
    assert counters["inductor"]["fxgraph_cache_miss"] == 0
    assert counters["inductor"]["fxgraph_cache_hit"] > 0
    assert difference(answers(again), plain) < 1e-5


@pytest.mark.long
@pytest.mark.timeout(600)
def test_converted_weights_compile_as_well(programs):
    weights = load("random:tiny", get("droid"))
    options = {"evaluations": 1, "threads": 1, "precision": "int8"}
    plain = answers(Engine(weights, weights.embodiment, EngineOptions(**options)), [0, 3, 8])
    options |= {"compile": "always", "compile_cache": str(programs)}
    engine = Engine(weights, weights.embodiment, EngineOptions(**options))
    assert difference(answers(engine, [0, 3, 8]), plain) < 1e-5
    assert engine.notices == ()


def refuse(graph, inputs):
    raise RuntimeError("no such compiler\nand a long story")


def break_late(graph, inputs):
    """Compiles, and what was compiled fails when it runs."""

    def run(*arguments):
        raise OSError("the program is gone")

    return run


@pytest.mark.parametrize(
    ("backend", "cause"),
    [(refuse, "no such compiler"), (break_late, "OSError: the program is gone")],
)
def test_a_failure_is_said_once_and_everything_runs_on(weights, monkeypatch, backend, cause):
    torch.compiler.reset()
    robot, options = weights.embodiment, {"evaluations": 1, "threads": 1}
    plain = answers(Engine(weights, robot, EngineOptions(**options)), [0, 3, 8])
    monkeypatch.setattr(prepare, "compile_forwards", partial(compile_forwards, backend=backend))
    engine = Engine(weights, robot, EngineOptions(compile="always", **options))
    engine.warm_up()
    assert len(engine.notices) == 1
    assert engine.notices[0].startswith("the network runs uncompiled, which is slower: ")
    assert cause in engine.notices[0]
    assert "\n" not in engine.notices[0]
    for ours, theirs in zip(answers(engine, [0, 3, 8]), plain, strict=True):
        assert torch.equal(ours, theirs)
    assert len(engine.notices) == 1


def test_a_full_gpu_is_no_failure_of_the_compiler(weights, monkeypatch):
    def full(graph, inputs):
        def run(*arguments):
            raise torch.OutOfMemoryError("full")

        return run

    torch.compiler.reset()
    monkeypatch.setattr(prepare, "compile_forwards", partial(compile_forwards, backend=full))
    options = EngineOptions(compile="always", evaluations=1, threads=1)
    engine = Engine(weights, weights.embodiment, options)
    with pytest.raises(torch.OutOfMemoryError, match="full"):
        answers(engine, [0])
    assert engine.notices == ()


def test_the_slow_twin_and_a_folder_that_cannot_be_are_refused(weights, tmp_path):
    with pytest.raises(ValueError, match="expected packed forwards, got Literal"):
        compile_forwards(Literal(weights.model.dit))
    with pytest.raises(ValueError, match="compile: expected auto or never for the literal"):
        EngineOptions(literal=True, compile="always")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"compile_cache: .*file/programs cannot be made"):
        keep_programs(tmp_path / "file" / "programs")


def test_on_a_cpu_nothing_is_compiled_unless_asked_for(weights):
    cpu = torch.device("cpu")
    assert [
        prepare.compiles(EngineOptions(compile=each), cpu) for each in ("auto", "always", "never")
    ] == [False, True, False]
    assert prepare.compiles(EngineOptions(), torch.device("cuda"))
    assert not np.any([prepare.compiles(EngineOptions(compile="never"), torch.device("cuda"))])
