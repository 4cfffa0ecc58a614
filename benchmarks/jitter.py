"""How evenly commands reach a driver on a busy machine: `python benchmarks/jitter.py --minutes 10`.

A controller node as it always runs, a policy that sends it chunks, and a driver that publishes
joints and status and notes when each command arrives: three processes over DDS, beside as many busy
ones as asked for (two by default). Runs with and without real-time priority. What is reported is
the deviation of a period from the nominal one, at the driver's end and, from the commands' stamps,
where the controller's tick began; and beside it how long the machine itself stood still
(``machine_stalls.py``).
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import rclpy
from dreamzero_msgs import msg as dz
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from dreamzero_bringup.domain import DomainClaim
from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.messages.chunks import chunk_message
from dreamzero_policy.messages.times import nanoseconds, time_message
from dreamzero_policy.ros import qos, realtime
from dreamzero_policy.types import NS_PER_S, ActionChunk
from machine_stalls import MachineStalls
from results import FOLDER, save, show

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PRIORITY = 10
SWITCH_S = 0.0005  # as the controller's
WARM_UP_S = 3.0
STATE_HZ, STATUS_HZ, CHUNK_S, DELAY_S = 100.0, 10.0, 0.6, 0.3
GOAL_P99_MS, GOAL_MAX_MS = 2.0, 10.0
STALL_MS = 2.0
"""From here on a stall of the machine counts as the reason for what a period is off."""


@dataclass(frozen=True)
class Periods:
    """What came of a run, period by period.

    Attributes:
        at_ns: [N] when each ended at the driver, on the monotonic clock.
        off_ms: by end, ``driver`` and ``controller``: [N] deviations from the nominal period.
        missed: [N] commands within each that the driver did not see.
        stalls: [M, 2] of the machine: when one ended [ns], and how long it was [ns].
    """

    at_ns: np.ndarray
    off_ms: Mapping[str, np.ndarray]
    missed: np.ndarray
    stalls: np.ndarray

    def select(self, kept: np.ndarray) -> Periods:
        """Those of a mask; the stalls stay."""
        off = {end: values[kept] for end, values in self.off_ms.items()}
        return Periods(self.at_ns[kept], off, self.missed[kept], self.stalls)

    def between(self, first_ns: int, last_ns: int) -> Periods:
        """Periods and stalls that ended in a part of the run."""
        part = self.select((self.at_ns >= first_ns) & (self.at_ns <= last_ns))
        inside = (self.stalls[:, 0] >= first_ns) & (self.stalls[:, 0] <= last_ns)
        return Periods(part.at_ns, part.off_ms, part.missed, self.stalls[inside])

    def stalled_ms(self) -> np.ndarray:
        """[N] longest stall that reaches into each period or the one before; 0 for none."""
        found = np.zeros(len(self.at_ns))
        for ended_ns, lasted_ns in self.stalls:
            first = np.searchsorted(self.at_ns, ended_ns - lasted_ns)
            last = np.searchsorted(self.at_ns, ended_ns) + 2
            found[first:last] = np.maximum(found[first:last], lasted_ns / 1e6)
        return found

    def summary(self) -> dict[str, object]:
        """Everything for a file of results."""
        stalled = self.stalled_ms()
        calm = self.select(stalled < STALL_MS)
        worst = np.argsort(-np.abs(self.off_ms["driver"]))[:5]
        return {
            "deviations_ms": {end: figures(values) for end, values in self.off_ms.items()},
            "commands_missed": int(self.missed.sum()),
            "machine_stalls": {
                f"of {STALL_MS:g} ms and more": int((self.stalls[:, 1] >= STALL_MS * 1e6).sum()),
                "largest_ms": float(self.stalls[:, 1].max(initial=0) / 1e6),
            },
            "deviations_ms_without_stalls": {
                end: figures(values) for end, values in calm.off_ms.items()
            },
            "largest": [
                {
                    "at_s": round(float(self.at_ns[i] - self.at_ns[0]) / 1e9, 1),
                    **{f"{end}_ms": round(float(v[i]), 2) for end, v in self.off_ms.items()},
                    "machine_stall_ms": round(float(stalled[i]), 2),
                }
                for i in worst
            ],
        }


class Driver:
    """Stands in for a robot that does at once what it is told, and notes when it was told."""

    def __init__(self, node: Node, robot: Embodiment, samples: int) -> None:
        self._node, self._robot = node, robot
        self._session = node.get_clock().now().nanoseconds
        home = dict(zip(robot.action_joints, robot.home, strict=True))
        self._pose = {name: home[name] for name in robot.state_joints}
        self._states = node.create_publisher(dz.Proprioception, "proprioception", qos.STATE)
        self._statuses = node.create_publisher(dz.DriverStatus, "driver_status", qos.STATUS)
        self.arrived, self.stamped = np.zeros((2, samples), dtype=np.int64)
        self.count = 0
        node.create_subscription(JointState, "joint_commands", self._take, qos.COMMAND)

    def _take(self, message: JointState) -> None:
        arrived = time.monotonic_ns()
        if self.count < len(self.arrived):
            self.arrived[self.count] = arrived
            self.stamped[self.count] = nanoseconds(message.header.stamp)
            self.count += 1
        for name, value in zip(message.name, message.position, strict=True):
            self._pose[name] = self._robot.joint(name).command_wire.to_model(value)

    def report(self) -> None:
        """Publishes joints and, less often, the status, until the process ends."""
        names, sent = list(self._robot.state_joints), 0
        while rclpy.ok():
            now = self._node.get_clock().now().nanoseconds
            pose = array("d", [self._pose[name] for name in names])
            still = array("d", bytes(8 * len(names)))
            message = dz.Proprioception(names=names, positions=pose, velocities=still)
            message.header.stamp = time_message(now)
            self._states.publish(message)
            if sent % round(STATE_HZ / STATUS_HZ) == 0:
                mode = dz.DriverStatus.FOLLOWING
                status = dz.DriverStatus(session_id=self._session, mode=mode)
                status.header.stamp = message.header.stamp
                self._statuses.publish(status)
            sent += 1
            time.sleep(1.0 / STATE_HZ)


def play_driver(robot: Embodiment, seconds: float, priority: int, path: Path) -> None:
    """Notes arrivals for some seconds after the first and writes them to a file."""
    rclpy.init()
    node = rclpy.create_node("jitter_driver")
    driver = Driver(node, robot, round(2000 * (seconds + WARM_UP_S)))
    threading.Thread(target=driver.report, daemon=True).start()
    if priority and not realtime.prioritise(realtime.threads(), priority):
        print(realtime.ADVICE)
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    end = None
    while end is None or time.monotonic() < end:
        executor.spin_once(timeout_sec=0.5)
        if end is None and driver.count:
            end = time.monotonic() + WARM_UP_S + seconds
    np.savez(path, arrived=driver.arrived[: driver.count], stamped=driver.stamped[: driver.count])
    rclpy.try_shutdown()


def play_policy(robot: Embodiment) -> None:
    """Sends chunks of a slow wave, as late as inference would, enables motion, and listens."""
    rclpy.init()
    with realtime.hastened():  # as every node of this project
        node = rclpy.create_node("jitter_policy")
    chunks = node.create_publisher(dz.ActionChunk, "action_chunk", qos.CHUNK)
    enable = node.create_client(SetBool, "controller/enable")
    enabled: list[bool] = []
    step, rows = robot.time_base.row_ns, robot.time_base.rows_per_chunk
    session = node.get_clock().now().nanoseconds
    lower, upper = (np.array([getattr(j, end) for j in robot.joints]) for end in ("lower", "upper"))
    room = 0.1 * np.minimum(np.array(robot.home) - lower, upper - np.array(robot.home))

    def send() -> None:
        observed = node.get_clock().now().nanoseconds - round(DELAY_S * NS_PER_S)
        due = (observed - session + step * np.arange(rows)) / NS_PER_S
        wave = np.array(robot.home) + room * np.sin(due)[:, None]
        chunk = ActionChunk(observed, observed, step, wave, robot.action_joints, session, send.sent)
        chunks.publish(chunk_message(chunk))
        send.sent += 1
        if not any(enabled) and send.sent > 2 and enable.service_is_ready():
            answer = enable.call_async(SetBool.Request(data=True))
            answer.add_done_callback(lambda done: enabled.append(done.result().success))

    send.sent = 0
    # As a recorder does, with ordinary priority.
    node.create_subscription(JointState, "joint_commands", lambda _: None, qos.COMMAND)
    node.create_subscription(dz.ControllerStatus, "controller_status", lambda _: None, qos.STATUS)
    node.create_timer(CHUNK_S, send)
    with suppress(ExternalShutdownException):
        rclpy.spin(node)


def figures(deviations: np.ndarray) -> dict[str, float]:
    """Percentiles of the magnitudes [ms]."""
    size = np.abs(deviations)
    shares = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9, "max": 100}
    values = {k: float(np.percentile(size, q)) for k, q in shares.items()} if len(size) else {}
    return {"n": len(size)} | values


def measure(args: argparse.Namespace, domain: int, priority: int) -> Periods:
    """One run, without what came in its first seconds.

    Raises:
        RuntimeError: a process ended early, or no command came.
    """
    environment = dict(
        os.environ,
        ROS_DOMAIN_ID=str(domain),
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
        OMP_NUM_THREADS="1",
    )
    code = "import sys; from dreamzero_policy.nodes.controller_node import main; sys.exit(main())"
    values = (f"robot:={args.robot}", f"rate_hz:={args.rate}", f"realtime_priority:={priority}")
    parameters = [text for value in values for text in ("-p", value)]
    myself = (sys.executable, __file__, "--robot", args.robot)
    with tempfile.TemporaryDirectory() as folder:
        path, log = Path(folder) / "arrivals.npz", Path(folder) / "log"
        seconds = str(60.0 * args.minutes)
        heard = ("--seconds", seconds, "--priority", str(priority), "--path", str(path))
        others = [
            subprocess.Popen(
                command, env=environment, stdout=log.open("a"), stderr=subprocess.STDOUT
            )
            for command in (
                *[(sys.executable, "-c", "while True: pass")] * args.load,
                (sys.executable, "-c", code, "--ros-args", *parameters),
                (*myself, "--play", "policy"),
            )
        ]
        stalls = MachineStalls()
        try:
            with stalls:
                subprocess.run(
                    (*myself, "--play", "driver", *heard),
                    env=environment,
                    timeout=60.0 * args.minutes + 60.0,
                    check=True,
                )
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            said = log.read_text()[-2000:]
            raise RuntimeError(
                f"the driver heard no stream of commands: {error}\n{said}"
            ) from error
        finally:
            for process in others:
                process.terminate()
            for process in others:
                process.wait(10)
        record = np.load(path)
        arrived, stamped = record["arrived"], record["stamped"]
    kept = arrived >= arrived[0] + round(WARM_UP_S * NS_PER_S)
    arrived, stamped, period_ns = arrived[kept], stamped[kept], round(NS_PER_S / args.rate)
    heard, began = np.diff(arrived), np.diff(stamped)
    # The stamps of commands that a late driver never saw are not there; the next ones are.
    passed = np.maximum(np.round(began / period_ns), 1.0)
    off = {"driver": (heard - period_ns) / 1e6, "controller": (began - passed * period_ns) / 1e6}
    return Periods(arrived[1:], off, (passed - 1.0).astype(int), stalls.found)


def draw(runs: Mapping[str, Periods], path: Path) -> None:
    """Histograms of the deviations, one picture per run."""
    figure, axes = plt.subplots(
        1, len(runs), figsize=(6 * len(runs), 4), sharey=True, squeeze=False
    )
    for axis, (name, periods) in zip(axes[0], runs.items(), strict=True):
        for end, values in periods.off_ms.items():
            axis.hist(values, bins=np.arange(-12.0, 12.1, 0.1), alpha=0.6, label=f"at the {end}")
        for goal in (-GOAL_MAX_MS, GOAL_MAX_MS):
            axis.axvline(goal, color="0.6", lw=0.8)
        axis.set(title=name, xlabel="deviation of a period [ms]", yscale="log")
        axis.legend()
    axes[0][0].set_ylabel("periods")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> int:
    """Measures, prints a table, writes results/jitter.json and results/jitter.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of each run")
    parser.add_argument("--load", type=int, default=2, help="busy processes beside")
    parser.add_argument("--robot", default="droid")
    parser.add_argument("--rate", type=float, default=30.0, help="commands per second")
    parser.add_argument("--only", choices=("ordinary", "real time"), help="one of the two runs")
    for hidden in ("--play", "--seconds", "--priority", "--path"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    args = parser.parse_args()
    robot = embodiments.get(args.robot)
    if args.play == "driver":
        play_driver(robot, float(args.seconds), int(args.priority), Path(args.path))
        return 0
    if args.play == "policy":
        play_policy(robot)
        return 0
    given = os.environ.get("ROS_DOMAIN_ID")
    claim = DomainClaim(int(given) if given else None)
    runs: dict[str, Periods] = {}
    try:
        for name, priority in (("ordinary", 0), ("real time", PRIORITY)):
            if args.only in (None, name):
                runs[name] = measure(args, claim.domain_id, priority)
    finally:
        claim.release()
    result = {name: periods.summary() for name, periods in runs.items()}
    columns = ("p50", "p90", "p99", "p99.9", "max")
    rows = [
        (name, end, p["n"], found["commands_missed"], *(f"{p[column]:.3f}" for column in columns))
        for name, found in result.items()
        for end, p in found["deviations_ms"].items()
    ]
    title = f"deviation of a command's period in ms, {args.load} busy processes beside"
    show(title, ("run", "at", "n", "missed", *columns), rows)
    for name, found in result.items():
        print(f"{name}: the machine itself stood still for {found['machine_stalls']}")
    FOLDER.mkdir(exist_ok=True)
    draw(runs, FOLDER / "jitter.png")
    goals = {"p99": GOAL_P99_MS, "max": GOAL_MAX_MS}
    setup = {name: getattr(args, name) for name in ("robot", "minutes", "load", "rate")}
    save("jitter", {**setup, "goals_ms": goals, "runs": result})
    return 0


if __name__ == "__main__":
    sys.exit(main())
