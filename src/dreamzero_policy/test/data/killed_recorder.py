"""A process that records joints and pictures until somebody kills it: FOLDER."""

import sys
import time
from pathlib import Path

import numpy as np
from rosbags.typesys import Stores, get_typestore

from dreamzero_policy.data.definitions import define
from dreamzero_policy.data.episode_facts import EpisodeFacts
from dreamzero_policy.data.recording import RecordedTopic, Recording

folder = Path(sys.argv[1])
store = get_typestore(Stores.ROS2_JAZZY)


def text(msgtype):
    return store.generate_msgdef(msgtype, ros_version=2)[0].split("=" * 80)[0]


definition = define("std_msgs/msg/Header", text)
topics = {name: RecordedTopic(name, definition) for name in ("/small", "/large")}
facts = EpisodeFacts(folder.name, "droid", time.time_ns())
payload = np.random.default_rng(0).bytes(300_000)
recording = Recording(folder, facts, topics, queue_bytes=1 << 27)
(folder / "begun").write_text(str(time.time_ns()))
print("recording", flush=True)  # noqa: T201
step = 0
while True:
    now = time.time_ns()
    recording.put("/small", payload[:200], now, now)
    if step % 5 == 0:
        recording.put("/large", payload, now, now)
    step += 1
    time.sleep(0.002)
