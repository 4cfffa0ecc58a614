"""What recording costs, and whether anything is lost: `python benchmarks/recorder.py --minutes 10`.

Fake cameras (3, raw 640x480 at 30 Hz) and joints (100 Hz) in one process, the recorder in another,
and beside them a controller with a driver that notes when its commands arrive, as in jitter.py. As
on a robot the controller is there first: what it is held up while the recorder starts, records and
ends is what counts. Every message carries a number, so that the bag says itself which are missing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import rclpy
from dreamzero_msgs.action import RecordEpisode
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from dreamzero_bringup import middleware
from dreamzero_bringup.domain import DomainClaim
from dreamzero_bringup.operator_client import spinning
from dreamzero_bringup.record.recorder_client import EpisodeRequest, RecorderClient
from dreamzero_policy import embodiments
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.messages.times import time_message
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S
from jitter import PRIORITY, WARM_UP_S, Periods, measure
from results import save, show

HEIGHT, WIDTH, CAMERA_HZ, JOINT_HZ = 480, 640, 30.0, 100.0
ROBOT = "droid"
PICTURES = 8
PHASES = ("the recorder starts", "it records", "it ends")
MARGIN_MIN = 0.6
"""For which the controller runs before and after an episode."""


def play_station() -> None:
    """Publishes cameras and joints until it is ended; each message's number is its frame_id."""
    rclpy.init()
    node, robot = rclpy.create_node("recorder_station"), embodiments.get(ROBOT)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    scene = np.stack([x / 3, y / 2, (x + y) / 5], -1)
    pictures = [
        array("B", np.clip(np.roll(scene, 9 * i, 1) + rng.normal(0, 4, scene.shape), 0, 255)
              .astype(np.uint8).tobytes())
        for i in range(PICTURES)
    ]  # fmt: skip
    cameras = [node.create_publisher(Image, f"{v.name}/image_raw", qos.CAMERA) for v in robot.views]
    joints = node.create_publisher(JointState, "joint_states", qos.STATE)
    sent = dict.fromkeys((*cameras, joints), 0)

    def stamp(message: Image | JointState, publisher: object) -> None:
        message.header.stamp = time_message(node.get_clock().now().nanoseconds)
        message.header.frame_id = str(sent[publisher])
        publisher.publish(message)
        sent[publisher] += 1

    def shots(turn: int, camera: int) -> int:
        return int(turn * CAMERA_HZ / JOINT_HZ + camera / 3)

    began, turn = time.monotonic(), 0
    while rclpy.ok():
        home = JointState(name=list(robot.state_joints), position=list(robot.home))
        stamp(home, joints)
        for number, publisher in enumerate(cameras):
            if shots(turn, number) != shots(turn - 1, number):
                image = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH)
                image.data = pictures[sent[publisher] % PICTURES]
                stamp(image, publisher)
        turn += 1
        time.sleep(max(0.0, began + turn / JOINT_HZ - time.monotonic()))


class Cost:
    """CPU and writes of a process between two instants."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._began, self._cpu, self._bytes = self._now()

    def _now(self) -> tuple[float, float, int]:
        times = self._process.cpu_times()
        return time.monotonic(), times.user + times.system, self._process.io_counters().write_bytes

    def spent(self) -> tuple[float, int]:
        """Percent of one core, and bytes that went to the disk."""
        now, cpu, written = self._now()
        return 100.0 * (cpu - self._cpu) / (now - self._began), written - self._bytes


def missing(folder: Path) -> dict[str, dict[str, int]]:
    """Messages of a bag by stream, and the numbers that are missing between first and last."""
    found = {}
    with Episode(folder) as episode:
        episode.verify()
        names = [f"{view.name}/image_raw" for view in episode.embodiment.views]
        for name in (*names, "joint_states"):
            numbers = [int(message.header.frame_id) for message in episode.stream(name)]
            gaps = numbers[-1] - numbers[0] + 1 - len(numbers)
            found[name] = {"messages": len(numbers), "missing": gaps}
    return found


def hear_commands(node: Node, end: float) -> None:
    """Waits until the controller moves the robot, and until what its start costs is over.

    Raises:
        ValueError: it does not.
    """
    heard = threading.Event()
    listening = node.create_subscription(
        JointState, "joint_commands", lambda _: heard.set(), qos.COMMAND
    )
    if not heard.wait(max(0.0, end - time.monotonic())):
        raise ValueError("the controller sends no commands")
    node.destroy_subscription(listening)
    time.sleep(WARM_UP_S + 1.0)


def record(
    node: Node, recorder: subprocess.Popen, station: subprocess.Popen, seconds: float
) -> tuple[RecordEpisode.Result, dict[str, tuple[float, int]], list[int]]:
    """One episode.

    Returns:
        What came of it; what recorder and station took meanwhile; when it began and ended [ns].

    Raises:
        ValueError: the recorder does not do what it is asked to.
    """
    client, end = RecorderClient(node), time.monotonic() + 60.0
    while True:
        while client.status is None or client.status.message != "ready":
            if time.monotonic() > end:
                raise ValueError(f"the recorder is not ready: {client.status}")
            time.sleep(0.1)
        began_ns = time.monotonic_ns()
        answer = client.start(EpisodeRequest("benchmark"))
        if answer.success:
            break
        if time.monotonic() > end:
            raise ValueError(answer.message)
    costs = {"recorder": Cost(recorder.pid), "station": Cost(station.pid)}
    time.sleep(seconds)
    spent = {name: cost.spent() for name, cost in costs.items()}
    ended_ns = time.monotonic_ns()
    client.end(discard=False)
    while client.ended is None:
        time.sleep(0.1)
    return client.ended, spent, [began_ns, ended_ns]


def run(args: argparse.Namespace, domain: int, folder: Path) -> dict:
    """One run.

    Raises:
        ValueError: the recorder or the controller did not do what it is for.
    """
    environment = {
        **os.environ,
        **middleware.environment(os.environ),
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "OMP_NUM_THREADS": "1",
    }
    os.environ.update(environment)
    code = "import sys; from dreamzero_policy.nodes.recorder_node import main; sys.exit(main())"
    values = (f"robot:={ROBOT}", f"folder:={folder}", f"pictures:={args.pictures}", "max_idle:=1.0")
    parameters = [text for value in values for text in ("-p", value)]
    how = SimpleNamespace(robot=ROBOT, rate=30.0, load=args.load, minutes=args.minutes + MARGIN_MIN)
    control: list[Periods] = []
    beside = threading.Thread(target=lambda: control.append(measure(how, domain, PRIORITY)))
    station = subprocess.Popen([sys.executable, __file__, "--station"], env=environment)
    recorder = None
    try:
        with spinning("recorder_benchmark", domain) as node:
            beside.start()
            hear_commands(node, time.monotonic() + 60.0)
            instants = [time.monotonic_ns()]
            recorder = subprocess.Popen(
                ["nice", "-n", "2", sys.executable, "-c", code, "--ros-args", *parameters],
                env=environment,
            )
            result, spent, episode = record(node, recorder, station, args.minutes * 60.0)
            recorder.terminate()
            recorder.wait(20)
            time.sleep(1.0)
            instants += [*episode, time.monotonic_ns()]
            beside.join()
    finally:
        for process in filter(None, (recorder, station)):
            process.terminate()
            process.wait(20)
    if not control or control[0].at_ns[-1] < instants[-1]:
        raise ValueError("the controller beside it ended before the recorder did")
    return {
        "seconds": round((instants[2] - instants[1]) / NS_PER_S, 1),
        "result": result,
        "spent": spent,
        "control": control[0].between(instants[0], instants[-1]),
        "phases": {
            name: control[0].between(first, last)
            for name, (first, last) in zip(PHASES, pairwise(instants), strict=True)
        },
    }


def main() -> int:
    """Measures, prints tables, writes results/recorder_<pictures>.json; 1 where one is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--pictures", choices=("jpeg", "as_received"), default="jpeg")
    parser.add_argument("--load", type=int, default=0, help="busy processes beside")
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    parser.add_argument("--station", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.station:
        play_station()
        return 0
    given = os.environ.get("ROS_DOMAIN_ID")
    claim = DomainClaim(int(given) if given else None)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        found = run(args, claim.domain_id, Path(folder))
        result = found["result"]
        bag = Path(result.folder)
        streams = missing(bag)
        size = sum(path.stat().st_size for path in bag.iterdir())
    claim.release()
    received = sum(
        one["messages"] * (HEIGHT * WIDTH * 3 if "image" in name else 200)
        for name, one in streams.items()
    )
    cpu, written = found["spent"]["recorder"]
    summary = {
        "seconds": found["seconds"],
        "streams": streams,
        "dropped_or_lost": result.dropped,
        "marks": list(result.marks),
        "recorder_cpu_percent": round(cpu, 1),
        "station_cpu_percent": round(found["spent"]["station"][0], 1),
        "received_mib_per_s": round(received / found["seconds"] / 2**20, 1),
        "bag_mib": round(size / 2**20, 1),
        "written_to_disk_mib": round(written / 2**20, 1),
        "write_amplification": round(written / size, 3),
        "control": found["control"].summary(),
        "control_phases": {name: periods.summary() for name, periods in found["phases"].items()},
    }
    show(
        f"recording 3 raw 640x480 cameras at 30 Hz ({args.pictures}) and joints at 100 Hz",
        ("stream", "messages in the bag", "missing"),
        [(name, one["messages"], one["missing"]) for name, one in streams.items()],
    )
    show(
        "cost",
        ("figure", "value"),
        [(name, value) for name, value in summary.items() if not isinstance(value, dict | list)],
    )
    columns = ("p50", "p99", "p99.9", "max")
    parts = {"all of it": summary["control"], **summary["control_phases"]}
    rows = [
        (
            name,
            end,
            figures["n"],
            *(f"{figures[column]:.3f}" for column in columns),
            part["commands_missed"],
            f"{part['machine_stalls']['largest_ms']:.1f}",
        )
        for name, part in parts.items()
        for end, figures in part["deviations_ms"].items()
    ]
    show(
        "30 Hz control beside it, deviation of a period [ms]",
        ("while", "at", "n", *columns, "missed", "largest stall of the machine"),
        rows,
    )
    print("largest at the driver:")
    for one in summary["control"]["largest"]:
        print(f"  {one}")
    for mark in summary["marks"]:
        print(f"mark: {mark}")
    name = f"recorder_{args.pictures}"
    save(name if args.load == 0 else f"{name}_load_{args.load}", summary)
    return int(any(one["missing"] for one in streams.values()) or bool(result.dropped))


if __name__ == "__main__":
    sys.exit(main())
