"""Definitions of messages without a ROS installation, and small episodes."""

from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from dreamzero_policy.data.bag_writer import BagWriter
from dreamzero_policy.data.definitions import define
from dreamzero_policy.data.episode_facts import EpisodeFacts
from dreamzero_policy.data.rosbag2_layout import Qos

MESSAGES = Path(__file__).resolve().parents[3] / "dreamzero_msgs" / "msg"
JOINTS = "sensor_msgs/msg/JointState"
PICTURE = "sensor_msgs/msg/Image"
START_NS = 1_700_000_000_000_000_000


class Types:
    """Messages by type, as another program would make them."""

    def __init__(self):
        self.store = get_typestore(Stores.ROS2_JAZZY)
        for path in sorted(MESSAGES.glob("*.msg")):
            name = f"dreamzero_msgs/msg/{path.stem}"
            self.store.register(get_types_from_msg(path.read_text(), name))

    def text(self, msgtype):
        own = MESSAGES / f"{msgtype.split('/')[-1]}.msg"
        if msgtype.startswith("dreamzero_msgs") and own.is_file():
            return own.read_text()
        return self.store.generate_msgdef(msgtype, ros_version=2)[0].split("=" * 80)[0]

    def definition(self, msgtype):
        return define(msgtype, self.text)

    def new(self, msgtype, **values):
        return self.store.types[msgtype](**values)

    def header(self, stamp_ns, frame_id=""):
        stamp = self.new(
            "builtin_interfaces/msg/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
        )
        return self.new("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)

    def bytes(self, message):
        return bytes(self.store.serialize_cdr(message, message.__msgtype__))

    def joints(self, stamp_ns, names, positions, velocities=()):
        return self.bytes(
            self.new(
                JOINTS,
                header=self.header(stamp_ns),
                name=list(names),
                position=np.array(positions, dtype=float),
                velocity=np.array(velocities, dtype=float),
                effort=np.array([], dtype=float),
            )
        )

    def picture(self, stamp_ns, pixels):
        return self.bytes(
            self.new(
                PICTURE,
                header=self.header(stamp_ns, "camera"),
                height=pixels.shape[0],
                width=pixels.shape[1],
                encoding="rgb8",
                is_bigendian=0,
                step=3 * pixels.shape[1],
                data=pixels.reshape(-1),
            )
        )


@pytest.fixture(scope="session")
def messages():
    if not MESSAGES.is_dir():
        pytest.skip("not in the source tree")
    return Types()


@pytest.fixture
def facts():
    return EpisodeFacts(
        name="droid_1",
        robot="droid",
        started_ns=START_NS,
        prompt="pick up the red block",
        operator="ada",
        place="lab 1",
        checkpoint="random:tiny, untrained",
        software="0.1.0",
        robot_file="/**/graph:\n  ros__parameters: {}\n",
        limits={"panda_joint1": {"velocity": 2.0}},
        topics={"exterior_1/image_raw": "/cam/left"},
    )


@pytest.fixture
def new_bag(tmp_path, facts, messages):
    """Makes a writer of an episode with joints and a camera."""

    def make(name="droid_1", **options):
        from dataclasses import replace

        folder = tmp_path / name
        folder.mkdir()
        writer = BagWriter(folder, replace(facts, name=name), **options)
        writer.add_topic("/joint_states", messages.definition(JOINTS), [Qos(10)])
        writer.add_topic("/cam/left", messages.definition(PICTURE), [Qos(1, "best_effort")])
        return folder, writer

    return make
