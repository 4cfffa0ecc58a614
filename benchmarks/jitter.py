"""How evenly commands reach a driver on a busy machine: `python benchmarks/jitter.py --minutes 10`.

A controller node as it always runs, a policy that sends it chunks, and a driver that publishes
joints and status and notes when each command arrives: three processes over DDS, beside as many busy
ones as asked for (two by default). Runs with and without real-time priority. What is reported is
the deviation of a period from the nominal one, at the driver's end and, from the commands' stamps,
where the controller's tick began.
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
from contextlib import suppress
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
from dreamzero_policy.ros import messages, qos, realtime
from dreamzero_policy.types import NS_PER_S, ActionChunk
from results import FOLDER, save, show

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PRIORITY = 10
SWITCH_S = 0.0005  # as the controller's
WARM_UP_S = 3.0
STATE_HZ, STATUS_HZ, CHUNK_S, DELAY_S = 100.0, 10.0, 0.6, 0.3
GOAL_P99_MS, GOAL_MAX_MS = 2.0, 10.0


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
            self.stamped[self.count] = messages.nanoseconds(message.header.stamp)
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
            message.header.stamp = messages.time_message(now)
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
        chunks.publish(messages.chunk_message(chunk))
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


def periods_ns(instants: np.ndarray) -> np.ndarray:
    """Times between two instants after the warm-up."""
    return np.diff(instants[instants >= instants[0] + round(WARM_UP_S * NS_PER_S)])


def figures(deviations: np.ndarray) -> dict[str, float]:
    """Percentiles of the magnitudes [ms]."""
    size = np.abs(deviations)
    shares = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9, "max": 100}
    return {"n": len(size)} | {k: float(np.percentile(size, q)) for k, q in shares.items()}


def measure(
    args: argparse.Namespace, domain: int, priority: int
) -> tuple[dict[str, np.ndarray], int]:
    """One run.

    Returns:
        Deviations [ms] by the end at which they were taken; commands that the driver did not see.

    Raises:
        RuntimeError: a process ended early, or no command came.
    """
    environment = dict(
        os.environ,
        ROS_DOMAIN_ID=str(domain),
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
        OMP_NUM_THREADS="1",
    )
    if args.transport == "udp":
        environment["FASTDDS_BUILTIN_TRANSPORTS"] = "UDPv4"
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
        try:
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
    period_ns = round(NS_PER_S / args.rate)
    heard, began = periods_ns(arrived), periods_ns(stamped)
    # The stamps of commands that a late driver never saw are not there; the next ones are.
    passed = np.maximum(np.round(began / period_ns), 1.0)
    deviations = {"driver": heard - period_ns, "controller": began - passed * period_ns}
    return {end: values / 1e6 for end, values in deviations.items()}, int((passed - 1.0).sum())


def draw(runs: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Histograms of the deviations, one picture per run."""
    figure, axes = plt.subplots(
        1, len(runs), figsize=(6 * len(runs), 4), sharey=True, squeeze=False
    )
    for axis, (name, ends) in zip(axes[0], runs.items(), strict=True):
        for end, values in ends.items():
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
    parser.add_argument("--transport", choices=("default", "udp"), default="default")
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
    runs, missed = {}, {}
    try:
        for name, priority in (("ordinary", 0), ("real time", PRIORITY)):
            if args.only in (None, name):
                runs[name], missed[name] = measure(args, claim.domain_id, priority)
    finally:
        claim.release()
    result = {
        name: {end: figures(values) for end, values in ends.items()} for name, ends in runs.items()
    }
    columns = ("p50", "p90", "p99", "p99.9", "max")
    rows = [
        (name, end, p["n"], missed[name], *(f"{p[column]:.3f}" for column in columns))
        for name, ends in result.items()
        for end, p in ends.items()
    ]
    title = f"deviation of a command's period in ms, {args.load} busy processes beside"
    show(title, ("run", "at", "n", "missed", *columns), rows)
    FOLDER.mkdir(exist_ok=True)
    draw(runs, FOLDER / "jitter.png")
    goals = {"p99": GOAL_P99_MS, "max": GOAL_MAX_MS}
    setup = {name: getattr(args, name) for name in ("minutes", "load", "rate", "transport")}
    save(
        "jitter",
        {
            "robot": args.robot,
            **setup,
            "goals_ms": goals,
            "deviations_ms": result,
            "commands_missed": missed,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
