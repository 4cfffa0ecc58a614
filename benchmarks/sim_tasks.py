"""Scripted experts over seeds, and how fast episodes are made: `python benchmarks/sim_tasks.py`.

In virtual time, without ROS: success of every expert, and simulated seconds per second of one
process, without pictures, with pictures at the cameras' own size, and at that of a small view.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from tqdm import tqdm

from dreamzero_policy import embodiments
from results import save, show
from sim_driver import tasks
from sim_driver.models import robots
from sim_driver.virtual import VirtualRobot

SMALL = (88, 160)


def episode(robot: str, task: str, seed: int, picture_hz: float, small: bool) -> dict:
    """One attempt of an expert, to the end of its script."""
    size = SMALL if small else None
    began = time.perf_counter()
    scene = VirtualRobot(robot, task, seed, picture_size=size)
    expert = scene.expert(seed)
    every = round(30.0 / picture_hz) if picture_hz else 0
    ticks = 0
    while not expert.finished and scene.seconds < scene.verdict.time_limit_s:
        if every and ticks % every == 0:
            scene.see()
        scene.step(expert.act(scene.scene_state, scene.seconds))
        ticks += 1
    scene.close()
    taken = time.perf_counter() - began
    verdict = scene.verdict
    trouble = expert.trouble or ("" if verdict.success else f"progress {verdict.progress:.2f}")
    return {"success": verdict.success, "seconds": scene.seconds, "took": taken, "trouble": trouble}


def measure(robot: str, task: str, seeds: range) -> dict:
    """Success and speed of one robot at one task."""
    base = embodiments.get(robot).time_base
    hz = base.control_hz / base.frame_stride  # as often as the model sees a frame
    plain = [episode(robot, task, seed, 0.0, False) for seed in seeds]
    result = {
        "n": len(plain),
        "success": sum(one["success"] for one in plain),
        "seconds": float(np.mean([one["seconds"] for one in plain])),
        "speed": sum(one["seconds"] for one in plain) / sum(one["took"] for one in plain),
        "failed": {seed: one["trouble"] for seed, one in zip(seeds, plain) if not one["success"]},
        "picture_hz": hz,
    }
    for name, small in (("speed_native", False), ("speed_small", True)):
        drawn = [episode(robot, task, seed, hz, small) for seed in seeds[:2]]
        result[name] = sum(o["seconds"] for o in drawn) / sum(o["took"] for o in drawn)
    return result


def main() -> None:
    """Measures, prints a table and writes benchmarks/results/sim_tasks.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robot", choices=robots.names(), help="only this one")
    parser.add_argument("--seeds", type=int, default=20, help="attempts per robot and task")
    parser.add_argument("--first-seed", type=int, default=1000)
    args = parser.parse_args()
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    chosen = [args.robot] if args.robot else list(robots.names())
    cases = [(name, task) for name in chosen for task in tasks.names(robots.get(name))]
    result = {case: measure(*case, seeds) for case in tqdm(cases, unit="task")}
    rows = [
        (robot, task, f"{r['success']} of {r['n']}", f"{r['seconds']:.1f}",
         f"{r['speed']:.1f}", f"{r['speed_native']:.1f}", f"{r['speed_small']:.1f}")
        for (robot, task), r in result.items()
    ]  # fmt: skip
    columns = ("robot", "task", "done", "s each", "x real time", "drawn", f"drawn {SMALL[1]} wide")
    show("scripted experts in virtual time", columns, rows)
    for (robot, task), r in result.items():
        for seed, trouble in r["failed"].items():
            print(f"{robot} {task} seed {seed}: {trouble}")
    nested: dict = {}
    for (robot, task), r in result.items():
        nested.setdefault(robot, {})[task] = r
    save("sim_tasks", {"first_seed": args.first_seed, "robots": nested})


if __name__ == "__main__":
    main()
