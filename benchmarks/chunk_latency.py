"""Latency of one chunk of the untrained `tiny` model by stage, without ROS.

Every call is timed, first calls, restarts and look-aheads apart from the rest, on one CPU thread,
as the policy node runs it: `python benchmarks/chunk_latency.py`. Then two such processes run beside
each other: on two cores neither should hold up the other.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections import defaultdict

from bars import draw
from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.inference.engine import Engine, EngineOptions
from dreamzero_policy.types import Observation
from results import FOLDER, percentiles, save, show

GOAL_S = 0.3
"""A chunk at 4 evaluations with guidance, on one core."""


def measure(robot: str, windows: int, threads: int, evaluations: int) -> dict:
    """Seconds by kind of call and stage."""
    embodiment = embodiments.get(robot)
    loaded = load("random:tiny", embodiment)
    engine = Engine(loaded, embodiment, EngineOptions(threads=threads, evaluations=evaluations))
    engine.warm_up()
    time_base, config = engine.time_base, engine.config
    half = time_base.frames_per_chunk // 2
    calls = 2 * config.max_chunk_size * windows
    whole = embodiment.example(frames=calls * half + 1)
    session = engine.new_session(0)
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for newest in range(calls * half + 1):
        seen = slice(max(0, newest - 2 * time_base.frames_per_chunk), newest + 1)
        observation = Observation(
            whole.canvases[seen], whole.stamps_ns[seen], whole.state, whole.prompt
        )
        if newest % half == 0:
            result = engine.infer(session, observation)
            kind = f"restart ({result.reset_reason})" if result.reset_reason else result.kind
            for stage, taken in result.stages.items():
                seconds[kind][stage].append(taken)
        engine.prepare(session, observation, half)  # as the worker does between calls
    return {
        "weights": loaded.description,
        "threads": threads,
        "evaluations": evaluations,
        "guidance_scale": engine.options.guidance_scale,
        "goal_s": GOAL_S,
        "seconds": {
            kind: {stage: percentiles(values) for stage, values in stages.items()}
            for kind, stages in seconds.items()
        },
    }


def beside(arguments: tuple, count: int = 2) -> list[dict]:
    """The same in some processes at once."""
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        return pool.starmap(measure, [arguments] * count, chunksize=1)


def main() -> None:
    """Measures, prints the tables and writes JSON, tables and picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robot", default="droid")
    parser.add_argument("--windows", type=int, default=6, help="windows of four chunks to run")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--evaluations", type=int, default=4)
    args = parser.parse_args()
    arguments = args.robot, args.windows, args.threads, args.evaluations
    (result,) = beside(arguments, 1)
    rows = [
        (kind, stage, p["n"], f"{1e3 * p['p50']:.0f}", f"{1e3 * p['p99']:.0f}")
        for kind, stages in result["seconds"].items()
        for stage, p in stages.items()
    ]
    title = f"one chunk at {args.evaluations} evaluations, {result['weights']}"
    tables = [show(title, ("call", "stage", "n", "p50 ms", "p99 ms"), rows)]
    result["two_at_once"] = [
        {kind: stages["total"] for kind, stages in each["seconds"].items()}
        for each in beside(arguments)
    ]
    rows = [
        (kind, *(f"{1e3 * each[kind]['p50']:.0f}" for each in (alone, *result["two_at_once"])))
        for alone in ({kind: stages["total"] for kind, stages in result["seconds"].items()},)
        for kind in alone
    ]
    tables.append(show("two processes at once, p50 ms", ("call", "alone", "first", "second"), rows))
    save("chunk_latency", result, tables=tables)
    bars = [
        {
            "row": kind,
            "kind": "exact",
            "ms": {"p50": 1e3 * stages["total"]["p50"]},
            "goal_ms": 1e3 * GOAL_S,
        }
        for kind, stages in result["seconds"].items()
    ]
    draw(FOLDER / "chunk_latency.png", title, bars)


if __name__ == "__main__":
    main()
