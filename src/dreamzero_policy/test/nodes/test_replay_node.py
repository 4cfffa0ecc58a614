"""The replay node as a process: a driver's topics, at real rate, from a dataset."""

import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState

from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.synthetic import write_recording
from dreamzero_policy.datasets.replay_source import open_episode
from dreamzero_policy.messages.images import rgb_pixels
from dreamzero_policy.messages.times import nanoseconds

pytestmark = [pytest.mark.ros, pytest.mark.timeout(180)]

EVERY = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, droid):
    root = tmp_path_factory.mktemp("replay")
    write_recording(root / "a", droid, seconds=4.0, camera_hz=15.0, joint_hz=15.0, command_hz=15.0)
    convert([root / "a"], root / "data", ConversionSettings("droid", least_chunks=1.0))
    return root / "data"


def test_an_episode_becomes_the_topics_of_a_robot(dataset, droid, start, bench):
    joints = bench.listen(JointState, "joint_states", EVERY)
    pictures = bench.listen(Image, "wrist/image_raw", EVERY)
    node = start("replay_node", robot="droid", dataset=str(dataset))
    bench.spin_until(lambda: len(joints) >= 20 and len(pictures) >= 10, 60.0)
    episode = open_episode(dataset, droid, 0)
    scales = [droid.joint(name).state_wire for name in droid.state_joints]
    assert list(joints[0].name) == list(droid.state_joints)
    shown = [
        np.array([s.to_model(v) for s, v in zip(scales, message.position, strict=True)])
        for message in joints
    ]
    rows = [int(np.abs(episode.states - one).max(axis=1).argmin()) for one in shown]
    for row, one in zip(rows, shown, strict=True):
        np.testing.assert_allclose(one, episode.states[row], atol=1e-6)
    assert (np.diff(rows) > 0).all()
    # Time is the recording's: rows are left out where the machine is slow, never stretched.
    stamps = np.array([nanoseconds(message.header.stamp) for message in joints])
    lasted = (stamps[-1] - stamps[0]) / 1e9
    assert lasted == pytest.approx((rows[-1] - rows[0]) / episode.fps, abs=0.3)
    frames = [frame.tobytes() for frame in episode.pictures["wrist"]()]
    assert all(rgb_pixels(picture).tobytes() in frames for picture in pictures[:3])
    assert node.wait() == 0, node.log
    assert "the episode has ended" in node.log


def test_what_cannot_be_shown_ends_the_process_with_a_line(dataset, start):
    node = start("replay_node", robot="yam", dataset=str(dataset))
    assert node.wait() == 2
    assert "say --camera top=COLUMN" in node.log
