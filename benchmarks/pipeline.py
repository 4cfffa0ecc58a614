"""From a camera's picture to the command that follows from it, through real nodes, stage by stage.

A camera process publishes three 720p pictures at 30 Hz, the real camera tiler makes canvases of
them, a scripted policy answers the newest canvas with a chunk after a delay drawn at random, as
inference would, and the real controller turns chunks into commands, which a stand-in for a driver
receives. All stamps are of one clock, the system's. Stages:

    picture -> canvas             newest picture of a canvas to its arrival at the policy
    of it, once it is settled     from the instant at which nothing more was to be waited for
    engine                        the scripted delay
    chunk -> tick                 until the controller's next tick, up to a period
    tick -> command               from there to the driver

Commands that come late, and how far a command ever jumps, are counted over the whole run.

    python benchmarks/pipeline.py --seconds 60
    python benchmarks/pipeline.py --delay 0.05 0.1 --robot yam
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import rclpy
from dreamzero_msgs import msg as dz
from rclpy._rclpy_pybind11 import RCLError
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import SetBool

from dreamzero_bringup.domain import DomainClaim
from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.messages.chunks import chunk_message
from dreamzero_policy.messages.images import image_message
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S, ActionChunk
from jitter import Driver
from results import FOLDER, percentiles, save, show

HEIGHT, WIDTH = 720, 1280
WARM_UP_S = 5.0
SETTLE_S = 0.04  # config/camera_tiler.yaml
GOALS_MS = {
    "of it, once it is settled": {"p50": 5.0, "p99": 12.0},
    "tick -> command": {"p99": 3.0},
}
NODES = ("camera_tiler", "controller")


def play_cameras(robot: Embodiment, rate: float) -> None:
    """Publishes pictures that differ, until the process is ended."""
    rclpy.init()
    node = rclpy.create_node("pipeline_cameras")
    senders = {
        view.name: node.create_publisher(Image, f"{view.name}/image_raw", qos.CAMERA)
        for view in robot.views
    }
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (4, HEIGHT, WIDTH, 3), dtype=np.uint8)
    sent, due = 0, time.monotonic()
    while rclpy.ok():
        for name, sender in senders.items():
            stamp = time.time_ns()
            sender.publish(image_message(stamp, name, pictures[sent % 4]))
        sent += 1
        due += 1.0 / rate
        time.sleep(max(0.0, due - time.monotonic()))


class Policy:
    """Answers the newest canvas with a chunk of a slow wave, one at a time, after a delay."""

    def __init__(
        self, node: rclpy.node.Node, robot: Embodiment, delays: tuple[float, float], rate: float
    ) -> None:
        self._node, self._robot, self._delays, self._rate = node, robot, delays, rate
        self._chunks = node.create_publisher(dz.ActionChunk, "action_chunk", qos.CHUNK)
        self._session = node.get_clock().now().nanoseconds
        self._random = np.random.default_rng(0)
        self._newest: dz.Canvas | None = None
        self._came = threading.Condition()
        self.canvases: list[tuple[int, int, int]] = []  # newest picture, settled, arrival
        self.chunks: list[tuple[int, int]] = []  # taken, sent
        node.create_subscription(dz.Canvas, "canvas", self._take, qos.CANVAS)
        threading.Thread(target=self._work, daemon=True).start()

    def _take(self, message: dz.Canvas) -> None:
        arrived = time.time_ns()
        newest = max(nanoseconds(stamp) for stamp in message.view_stamps)
        # A view is settled by its next picture, and without one at the end of the patience.
        patience = nanoseconds(message.header.stamp) + round(SETTLE_S * NS_PER_S)
        settled = min(newest + round(NS_PER_S / self._rate), patience)
        with self._came:
            self.canvases.append((newest, settled, arrived))
            self._newest = message
            self._came.notify()

    def _work(self) -> None:
        robot = self._robot
        step, rows = robot.time_base.row_ns, robot.time_base.rows_per_chunk
        home = np.array(robot.home)
        lower, upper = (np.array([getattr(j, e) for j in robot.joints]) for e in ("lower", "upper"))
        room = 0.1 * np.minimum(upper - home, home - lower)
        while rclpy.ok():
            with self._came:
                self._came.wait_for(lambda: self._newest is not None)
                message, self._newest = self._newest, None
            taken = time.time_ns()
            time.sleep(float(self._random.uniform(*self._delays)))
            observed = nanoseconds(message.header.stamp)
            due = (observed - self._session + step * np.arange(rows)) / NS_PER_S
            wave = home + room * np.sin(due)[:, None]
            number = len(self.chunks)
            chunk = ActionChunk(
                observed, observed, step, wave, robot.action_joints, self._session, number
            )
            try:
                self._chunks.publish(chunk_message(chunk))
            except RCLError:
                return  # the run is over
            self.chunks.append((taken, time.time_ns()))


class Commands(Driver):
    """The driver's stand-in, whose arrivals are of the system's clock."""

    def __init__(self, node: rclpy.node.Node, robot: Embodiment, samples: int) -> None:
        self.positions: list[list[float]] = []
        super().__init__(node, robot, samples)

    def _take(self, message: JointState) -> None:
        arrived = time.time_ns()
        super()._take(message)
        self.arrived[self.count - 1] = arrived
        self.positions.append(list(message.position))


def stages(policy: Policy, commands: Commands, since_ns: int) -> dict[str, list[float]]:
    """Milliseconds by stage, of what came after an instant."""
    stamped, arrived = commands.stamped[: commands.count], commands.arrived[: commands.count]
    found: dict[str, list[float]] = {}

    def add(stage: str, ns: int | float) -> None:
        found.setdefault(stage, []).append(ns / 1e6)

    for newest, settled, came in policy.canvases:
        if newest >= since_ns:
            add("picture -> canvas", came - newest)
            add("of it, once it is settled", came - settled)
    for taken, sent in policy.chunks:
        at = int(np.searchsorted(stamped, sent))
        if taken < since_ns or at == len(stamped):
            continue
        add("engine", sent - taken)
        add("chunk -> tick", stamped[at] - sent)
    for stamp, came in zip(stamped, arrived, strict=True):
        if stamp >= since_ns:
            add("tick -> command", came - stamp)
    return found


def measure(args: argparse.Namespace, robot: Embodiment) -> dict:
    """One run of the graph.

    Raises:
        RuntimeError: nodes did not come up, or motion was not enabled.
    """
    claim = DomainClaim(int(os.environ["ROS_DOMAIN_ID"]) if "ROS_DOMAIN_ID" in os.environ else None)
    os.environ |= {
        "ROS_DOMAIN_ID": str(claim.domain_id),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "OMP_NUM_THREADS": "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        log = (Path(folder) / "log").open("a+")
        others = [
            subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            for command in (
                *(_node(name, args.robot) for name in NODES),
                [sys.executable, __file__, "--robot", args.robot, "--play", "cameras"],
            )
        ]
        try:
            return _watch(args, robot)
        except RuntimeError as error:
            log.seek(0)
            raise RuntimeError(f"{error}\n{log.read()[-2000:]}") from error
        finally:
            for process in others:
                process.terminate()
            for process in others:
                process.wait(15)
            claim.release()


def _node(name: str, robot: str) -> list[str]:
    """A real node's command line."""
    code = f"import sys; from dreamzero_policy.nodes.{name}_node import main; sys.exit(main())"
    return [sys.executable, "-c", code, "--ros-args", "-p", f"robot:={robot}"]


def _watch(args: argparse.Namespace, robot: Embodiment) -> dict:
    """Stands in for policy and driver meanwhile, and takes the stamps."""
    rclpy.init()
    node = rclpy.create_node("pipeline")
    commands = Commands(node, robot, round(200 * (args.seconds + 60)))
    policy = Policy(node, robot, tuple(args.delay), args.camera_hz)
    threading.Thread(target=commands.report, daemon=True).start()
    enable = node.create_client(SetBool, "controller/enable")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    answer, begun, patience = None, None, time.monotonic() + 60.0
    try:
        while begun is None or time.monotonic() < begun + WARM_UP_S + args.seconds:
            executor.spin_once(timeout_sec=0.2)
            if begun is not None:
                continue
            if time.monotonic() > patience:
                raise RuntimeError(
                    f"after 60 s: {len(policy.canvases)} canvases, {len(policy.chunks)} chunks, "
                    f"{commands.count} commands"
                )
            if answer is not None and answer.done():
                if answer.result().success:
                    begun, since_ns = time.monotonic(), time.time_ns()
                answer = None
            elif answer is None and len(policy.chunks) > 2 and enable.service_is_ready():
                answer = enable.call_async(SetBool.Request(data=True))
    finally:
        rclpy.try_shutdown()
    since_ns += round(WARM_UP_S * NS_PER_S)
    stamped = commands.stamped[: commands.count]
    after = stamped[stamped >= since_ns]
    periods = np.diff(after) / 1e6
    jumps = np.abs(np.diff(np.array(commands.positions)[stamped >= since_ns], axis=0))
    return {
        "stages_ms": {k: percentiles(v) for k, v in stages(policy, commands, since_ns).items()},
        "commands": len(after),
        "ticks_missed": int(np.maximum(np.round(periods * 0.03) - 1, 0).sum()),
        "largest_step_of_a_command": float(jumps.max()),
        "canvases": len(policy.canvases),
        "chunks": len(policy.chunks),
    }


def draw(result: dict, path: Path) -> None:
    """Median and 99th percentile of every stage."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 3))
    names = [*result["stages_ms"]][::-1]
    for at, name in enumerate(names):
        p = result["stages_ms"][name]
        axis.barh(at, p["p50"], color="tab:blue", label="median")
        axis.plot([p["p99"]] * 2, [at - 0.4, at + 0.4], "k-", label="p99")
        if goal := GOALS_MS.get(name, {}).get("p99"):
            axis.plot([goal] * 2, [at - 0.4, at + 0.4], "r:", label="goal of p99")
    unique = dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    axis.legend(unique.values(), unique.keys(), fontsize=8)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="ms", xscale="log")
    axis.xaxis.set_major_formatter("{x:g}")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> int:
    """Measures, prints a table, writes results/pipeline.json and results/pipeline.png."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--robot", default="droid")
    parser.add_argument("--seconds", type=float, default=60.0, help="timed [s]")
    parser.add_argument(
        "--delay", type=float, nargs=2, default=(0.05, 0.6), metavar="S", help="least and most [s]"
    )
    parser.add_argument("--camera-hz", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--play", help=argparse.SUPPRESS)
    args = parser.parse_args()
    robot = embodiments.get(args.robot)
    if args.play == "cameras":
        play_cameras(robot, args.camera_hz)
        return 0
    result = measure(args, robot)
    rows = []
    for name, p in result["stages_ms"].items():
        goals = GOALS_MS.get(name, {})
        goal = ", ".join(f"{key} {value:g}" for key, value in goals.items())
        rows.append((name, p["n"], *(f"{p[k]:.2f}" for k in ("p50", "p95", "p99", "max")), goal))
    show("milliseconds by stage", ("stage", "n", "p50", "p95", "p99", "max", "goal"), rows)
    for key in ("commands", "ticks_missed", "largest_step_of_a_command", "canvases", "chunks"):
        print(f"{key}: {result[key]}")
    setup = {"robot": args.robot, "seconds": args.seconds, "delay_s": list(args.delay)}
    setup |= {"cameras": f"{len(robot.views)} at {WIDTH}x{HEIGHT}, {args.camera_hz:g} Hz"}
    save("pipeline", {**setup, "goals_ms": GOALS_MS, **result}, args.out)
    draw(result, args.out / "pipeline.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
