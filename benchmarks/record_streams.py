"""Records streams of chunks of the real engine, with and without real-time chunking.

The model is `tiny` and untrained, so the motion means nothing: what is real is how chunks differ
from one another at a seam, and what the held prefix does about it. Time is virtual: a chunk is out
exactly one scripted latency after its observation, whatever the call took here, and the next call
takes the first canvas that is due from then on. A robot that lags 0.1 s behind follows whatever
chunk is newest, between its rows, and stands at the end of one; the canvases are one noise picture
that is shifted as it moves. Every chunk draws other noise, as a policy of many minds would.

`python benchmarks/record_streams.py` writes `benchmarks/data/chunk_streams.npz`. For each stream,
`plain_0.3` or `rtc_0.3` with the latency in seconds, it holds

    <stream>/observation_ns  [N] int64
    <stream>/arrival_ns      [N] int64, observation plus latency
    <stream>/rows            [N, H, A] float32, absolute targets in model units
    <stream>/prefix_rows     [N] int64, rows held to the chunk before
    <stream>/latency_s       float64

and for all of them `step_ns`, `joint_names` and `robot`. Row k of a chunk is due at its observation
plus k steps. Where a chunk would end before the next one comes, real-time chunking holds nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console

from dreamzero_policy import embodiments
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.checkpoint.load import Loaded, load
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.inference.continuation import rows_at
from dreamzero_policy.inference.engine import Engine
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float, Image, Observation
from results import show

FILE = Path(__file__).resolve().parent / "data" / "chunk_streams.npz"
LATENCIES_S = (0.1, 0.3, 0.6, 1.0, 1.5)
REPLAN_FRAMES = 3
TICK_NS = NS_PER_S // 60
LAG_S = 0.1
START_NS = 1000 * NS_PER_S


class Robot:
    """Follows the newest chunk with a lag.

    Args:
        embodiment: which robot; it starts at home.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        self.pose = np.array(embodiment.home)
        self._now_ns = START_NS
        names = embodiment.action_joints
        self._columns = [names.index(name) for name in embodiment.state_joints]

    @property
    def state(self) -> Float:
        """[S] measured joints."""
        return self.pose[self._columns]

    def move(self, until_ns: int, published: list[tuple[int, ActionChunk]]) -> None:
        """Goes on to an instant, along the chunks that are out by then."""
        while self._now_ns < until_ns:
            self._now_ns += TICK_NS
            out = [chunk for arrival, chunk in published if arrival <= self._now_ns]
            if out:
                led = rows_at(out[-1], min(self._now_ns, out[-1].end_ns), TICK_NS)[0]
                self.pose += (led - self.pose) * (TICK_NS / NS_PER_S / LAG_S)


def view(picture: Image, pose: Float) -> Image:
    """What the cameras see: the picture, shifted as the first two joints turn."""
    down, right = np.rint(200.0 * pose[:2]).astype(int)
    return np.roll(picture, (down, right), axis=(0, 1))


def record(
    weights: Loaded, robot: Embodiment, latency_s: float, seconds: float, held: bool
) -> dict[str, np.ndarray]:
    """One stream."""
    options = EngineOptions(
        guidance_scale=1.0, evaluations=5, fresh_noise=True, threads=1, real_time_chunking=held
    )
    engine = Engine(weights, robot, options)
    session, body = engine.new_session(START_NS), Robot(robot)
    picture, frame_ns = robot.example().canvases[0], robot.time_base.frame_ns
    kept = 2 * robot.time_base.frames_per_chunk + 1
    stamps: list[int] = []
    canvases: list[Image] = []
    published: list[tuple[int, ActionChunk]] = []
    for index in range(round(seconds * NS_PER_S / frame_ns)):
        now_ns = START_NS + index * frame_ns
        body.move(now_ns, published)
        stamps, canvases = (
            [*stamps[1 - kept :], now_ns],
            [*canvases[1 - kept :], view(picture, body.pose)],
        )
        if published and now_ns < published[-1][0]:
            continue
        observation = Observation(
            np.stack(canvases), np.array(stamps), body.state, "stack the blocks"
        )
        if session.due(observation, REPLAN_FRAMES):
            chunk = engine.infer(session, observation).chunk
            arrival_ns = now_ns + round(latency_s * NS_PER_S)
            session.note_published(chunk, arrival_ns)
            published.append((arrival_ns, chunk))
    return {
        "observation_ns": np.array([chunk.observation_ns for _, chunk in published]),
        "arrival_ns": np.array([arrival for arrival, _ in published]),
        "rows": np.stack([chunk.rows for _, chunk in published]).astype(np.float32),
        "prefix_rows": np.array([chunk.prefix_rows for _, chunk in published]),
        "latency_s": np.array(latency_s),
    }


def seams(stream: dict[str, np.ndarray], step_ns: int) -> Float:
    """How far chunks are from the one before where they take over, per seam [rad].

    Args:
        stream: from ``record``.
        step_ns: between rows.

    Returns:
        [M] largest distance over the joints but the last, the gripper, at the first row due after
        an arrival; seams that the chunk before does not reach are left out.
    """
    found = []
    for i in range(1, len(stream["rows"])):
        old_ns, new_ns = stream["observation_ns"][i - 1 : i + 1]
        row = -((new_ns - stream["arrival_ns"][i]) // step_ns)
        before = row + round((new_ns - old_ns) / step_ns)
        if before < stream["rows"].shape[1]:
            gap = stream["rows"][i, row] - stream["rows"][i - 1, before]
            found.append(np.abs(gap[:-1]).max())
    return np.array(found)


def main() -> None:
    """Records every stream, prints what came of it and writes the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--robot", default="droid")
    parser.add_argument("--seconds", type=float, default=15.0, help="virtual time of each stream")
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    robot = embodiments.get(args.robot)
    weights, step_ns = load("random:tiny", robot), robot.time_base.row_ns
    streams, table = {}, []
    for latency in LATENCIES_S:
        for kind in ("plain", "rtc"):
            name = f"{kind}_{latency}"
            stream = record(weights, robot, latency, args.seconds, kind == "rtc")
            streams |= {f"{name}/{key}": value for key, value in stream.items()}
            gaps = seams(stream, step_ns)
            size = f"{np.median(gaps):.4f}" if len(gaps) else "no overlap"
            table.append((name, len(stream["rows"]), int(stream["prefix_rows"].max()), size))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        args.out,
        **streams,
        step_ns=np.array(step_ns),
        joint_names=np.array(robot.action_joints),
        robot=np.array(robot.name),
    )
    columns = ("stream", "chunks", "prefix rows", "median seam [rad]")
    show(f"chunk streams, {weights.description}", columns, table)
    Console().print(f"wrote {args.out}, {args.out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
