"""CPU time of one control tick by number of joints: `python benchmarks/control_tick.py`.

The controller follows a stream of random chunks, a new one every 0.4 s.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from dreamzero_policy import embodiments
from dreamzero_policy.control.controller import Controller
from dreamzero_policy.embodiments.embodiment import Embodiment, Key
from dreamzero_policy.types import NS_PER_S, ActionChunk
from results import percentiles, save, show


def widened(joints: int) -> Embodiment:
    """The DROID arm with its joints repeated under other names until there are ``joints``."""
    droid = embodiments.get("droid")
    arm = [droid.joints[i % 7] for i in range(joints)]
    arm = tuple(replace(joint, name=f"joint{i}") for i, joint in enumerate(arm))
    names = tuple(joint.name for joint in arm)
    home = tuple(droid.home[i % 7] for i in range(joints))
    key = (Key("joint_position", joints),)
    return replace(
        droid, joints=arm, state_joints=names, state_keys=key, action_keys=key, home=home
    )


def measure(joints: int, ticks: int) -> dict[str, float]:
    """Seconds of CPU per tick."""
    embodiment = widened(joints)
    controller = Controller(embodiment)
    rng = np.random.default_rng(0)
    pose, names = np.array(embodiment.home), embodiment.action_joints
    period, now, taken = NS_PER_S // 30, NS_PER_S, []
    for tick in range(ticks):
        controller.on_state(now, names, pose)
        if tick == 1:
            done, why = controller.enable(now)
            if not done:
                raise RuntimeError(why)
        if tick % 12 == 0:
            steps = np.cumsum(rng.normal(0.0, 0.02, (24, joints)), axis=0)
            chunk = ActionChunk(now, now, NS_PER_S // 15, pose + steps, names, 1, tick)
            controller.on_chunk(chunk, now)
        start = time.thread_time()
        command = controller.tick(now).command
        taken.append(time.thread_time() - start)
        pose = pose if command is None else command
        now += period
    return percentiles(taken)


def main() -> None:
    """Measures, prints a table and writes benchmarks/results/control_tick.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=3000)
    args = parser.parse_args()
    result = {str(joints): measure(joints, args.ticks) for joints in (8, 14, 22)}
    rows = [
        (joints, f"{1e6 * p['p50']:.0f}", f"{1e6 * p['p99']:.0f}", f"{1e6 * p['max']:.0f}")
        for joints, p in result.items()
    ]
    show("CPU of one control tick", ("joints", "p50 us", "p99 us", "max us"), rows)
    save("control_tick", {"seconds": result})


if __name__ == "__main__":
    main()
