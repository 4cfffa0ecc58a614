"""Time to crop, resize and tile one canvas, without ROS: `python benchmarks/canvas.py`."""

from __future__ import annotations

import argparse
import time

import numpy as np

from dreamzero_policy import embodiments
from dreamzero_policy.observation.views import Tiler
from results import percentiles, save, show


def measure(robot: str, count: int) -> dict[str, float]:
    """Seconds per canvas from views at their native size."""
    embodiment = embodiments.get(robot)
    tiler, rng = Tiler(embodiment), np.random.default_rng(0)
    views = {
        view.name: rng.integers(0, 256, (*embodiment.native_size, 3), dtype=np.uint8)
        for view in embodiment.views
    }
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        tiler.canvas(views)
        taken.append(time.perf_counter() - start)
    return percentiles(taken[5:])


def main() -> None:
    """Measures, prints a table and writes benchmarks/results/canvas.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    args = parser.parse_args()
    result = {robot: measure(robot, args.count) for robot in embodiments.names()}
    rows = [(r, f"{1e3 * p['p50']:.2f}", f"{1e3 * p['p99']:.2f}") for r, p in result.items()]
    show("one canvas", ("robot", "p50 ms", "p99 ms"), rows)
    save("canvas", {"seconds": result})


if __name__ == "__main__":
    main()
