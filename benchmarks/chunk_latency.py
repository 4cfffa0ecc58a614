"""Latency of one chunk of the untrained `tiny` model by stage, without ROS.

Every call is timed, first calls, restarts and look-aheads apart from the rest, on one CPU thread,
as the policy node runs it: `python benchmarks/chunk_latency.py`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.inference.engine import Engine, EngineOptions
from dreamzero_policy.types import Observation
from results import percentiles, save, show


def measure(robot: str, windows: int, threads: int) -> dict:
    """Seconds by kind of call and stage."""
    embodiment = embodiments.get(robot)
    loaded = load("random:tiny", embodiment)
    engine = Engine(loaded, embodiment, EngineOptions(threads=threads))
    engine.warm_up()
    time_base, config = engine.time_base, engine.config
    half = time_base.frames_per_chunk // 2
    calls = 2 * config.max_chunk_size * windows
    whole = embodiment.example(frames=calls * half + 1)
    session = engine.new_session(0)
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for newest in range(0, calls * half + 1, half):
        seen = slice(max(0, newest - 2 * time_base.frames_per_chunk), newest + 1)
        result = engine.infer(
            session,
            Observation(whole.canvases[seen], whole.stamps_ns[seen], whole.state, whole.prompt),
        )
        kind = f"restart ({result.reset_reason})" if result.reset_reason else result.kind
        for stage, taken in result.stages.items():
            seconds[kind][stage].append(taken)
    return {
        "weights": loaded.description,
        "threads": threads,
        "evaluations": engine.options.evaluations,
        "guidance_scale": engine.options.guidance_scale,
        "seconds": {
            kind: {stage: percentiles(values) for stage, values in stages.items()}
            for kind, stages in seconds.items()
        },
    }


def main() -> None:
    """Measures, prints a table and writes benchmarks/results/chunk_latency.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robot", default="droid")
    parser.add_argument("--windows", type=int, default=6, help="windows of four chunks to run")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    result = measure(args.robot, args.windows, args.threads)
    rows = [
        (kind, stage, p["n"], f"{1e3 * p['p50']:.0f}", f"{1e3 * p['p99']:.0f}")
        for kind, stages in result["seconds"].items()
        for stage, p in stages.items()
    ]
    show(f"one chunk, {result['weights']}", ("call", "stage", "n", "p50 ms", "p99 ms"), rows)
    save("chunk_latency", result)


if __name__ == "__main__":
    main()
