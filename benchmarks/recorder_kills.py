"""Kills a recorder at random instants and mends what it left: `make kills`.

Each time a process of its own records two streams of 550 messages and 30 MB a second, and is killed
with SIGKILL after 0.05 to 2 s. The bag is recovered, every checksum is looked at, `rosbags` opens
it, and the time from its last message to the kill is what was lost.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore
from tqdm import tqdm

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.definitions import Definition, define
from dreamzero_policy.data.episode_facts import EpisodeFacts
from dreamzero_policy.data.recovery import recover
from dreamzero_policy.recording.recording import RecordedTopic, Recording
from dreamzero_policy.types import NS_PER_S

GOAL_S = 1.0


def definition() -> Definition:
    """Of messages that are never decoded."""
    store = get_typestore(Stores.ROS2_JAZZY)

    def text(msgtype: str) -> str:
        return store.generate_msgdef(msgtype, ros_version=2)[0].split("=" * 80)[0]

    return define("std_msgs/msg/Header", text)


def record(folder: Path) -> None:
    """Records until it is killed."""
    topics = {name: RecordedTopic(name, definition()) for name in ("/small", "/large")}
    payload = np.random.default_rng(0).bytes(300_000)
    facts = EpisodeFacts(folder.name, "droid", time.time_ns())
    recording = Recording(folder, facts, topics, queue_bytes=1 << 27)
    print("recording", flush=True)
    step = 0
    while True:
        now = time.time_ns()
        recording.put("/small", payload[:200], now, now)
        if step % 5 == 0:
            recording.put("/large", payload, now, now)
        step += 1
        time.sleep(0.002)


def lost_s(folder: Path, seconds: float) -> float:
    """Seconds of messages that a recorder has lost which was killed after a while.

    Raises:
        ValueError: the bag cannot be recovered or read.
    """
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, __file__, "--record", folder], stdout=subprocess.PIPE, text=True
    )
    with process:
        process.stdout.readline()
        began_ns = time.time_ns()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        killed_ns = time.time_ns()
    recover(folder)
    with AnyReader([folder]) as reader:
        last_ns = max((stamp for _, stamp, _ in reader.messages()), default=began_ns)
    with Episode(folder) as episode:
        episode.verify()
        if episode.facts.robot != "droid":
            raise ValueError(f"{folder}: its facts are lost")
    return (killed_ns - last_ns) / NS_PER_S


def main() -> int:
    """Kills, prints a table, writes results/recorder_kills.json; 1 where too much was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="10 kills, no file")
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.record:
        record(args.record)
    from results import percentiles, save, show

    kills = 10 if args.quick else args.kills
    rng, lost = np.random.default_rng(1), []
    for _ in tqdm(range(kills), desc="kills"):
        with tempfile.TemporaryDirectory() as folder:
            lost.append(lost_s(Path(folder) / "droid_1", float(rng.uniform(0.05, 2.0))))
    found = percentiles(lost)
    show(
        "seconds lost by a recorder that was killed; every bag recovered",
        tuple(found),
        [[f"{value:.3f}" if isinstance(value, float) else value for value in found.values()]],
    )
    if not args.quick:
        save("recorder_kills", {"goal_s": GOAL_S, "lost_s": found})
    return int(found["max"] > GOAL_S)


if __name__ == "__main__":
    sys.exit(main())
