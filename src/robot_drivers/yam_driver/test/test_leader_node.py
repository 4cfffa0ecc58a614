"""The leaders' node as a process over real DDS, with fake encoders in it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_i2rt
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from dreamzero_policy.embodiments.yam import YAM
from dreamzero_policy.ros import qos

pytestmark = [pytest.mark.ros, pytest.mark.slow]

NAMES = [joint.name for joint in YAM.joints]
NODE = f"""
import os, sys, threading, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import fake_i2rt
from yam_driver import vendor
vendor.SYS_NET = Path("net")
rigs = {{"can_lead_l": fake_i2rt.FakeEncoders([0, -400, 500, 0, 0, 0, 0]),
        "can_lead_r": fake_i2rt.FakeEncoders([0, 400, 5000, 0, 0, 100, 218])}}
fake_i2rt.install({{}}, rigs)
def watch():
    while True:
        time.sleep(0.01)
        for name in list(os.listdir("do")):
            rig, field, value = name.split(",")
            setattr(rigs[rig], field, eval(value))
            os.unlink("do/" + name)
threading.Thread(target=watch, daemon=True).start()
from yam_driver.leader_node import main
main()
"""


@pytest.fixture(scope="module")
def domain():
    """A DDS domain of this test's own on this host, for every process it starts."""
    with pytest.MonkeyPatch.context() as patch:
        if "ROS_DOMAIN_ID" not in os.environ:
            patch.setenv("ROS_DOMAIN_ID", str(51 + os.getpid() % 50))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield


class Bench:
    """A node that hears the leaders."""

    def __init__(self, folder, *arguments):
        self.folder = folder
        (folder / "do").mkdir()
        fake_i2rt.interfaces(folder / "net", "can_lead_l", "can_lead_r")
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("test_bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.targets = []
        self.node.create_subscription(
            JointState, "teleop/joint_commands", self.targets.append, qos.TARGETS
        )
        self.engaging = self.node.create_client(SetBool, "teleop/engage")
        self.process = subprocess.Popen(
            [sys.executable, "-c", NODE, "--ros-args", "-p", "robot:=yam", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=os.environ | {"RCUTILS_LOGGING_BUFFERED_STREAM": "0"},
        )

    def set(self, rig, field, value):
        (self.folder / "do" / f"{rig},{field},{value!r}").touch()

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=min(left, 0.01))

    def spin_until(self, done, seconds=10):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "waited too long"
            self.executor.spin_once(timeout_sec=0.05)

    def engage(self, data):
        assert self.engaging.wait_for_service(60)
        answer = self.engaging.call_async(SetBool.Request(data=data))
        self.spin_until(answer.done)
        return answer.result()

    def quiet(self):
        """Whether nothing more comes."""
        self.spin(0.2)
        self.targets.clear()
        self.spin(0.3)
        return not self.targets

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def bench(domain, tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def test_the_stream_the_clutch_and_a_lost_leader(bench):
    assert bench.engage(False).success
    assert bench.quiet()  # the clutch is out at the start
    assert bench.engage(True).success
    bench.spin_until(lambda: len(bench.targets) > 5)
    bench.targets.clear()
    bench.spin(2.0)
    stamps = [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in bench.targets]
    assert 1 / np.median(np.diff(stamps)) == pytest.approx(50, rel=0.15)
    assert abs(stamps[-1] - bench.node.get_clock().now().nanoseconds * 1e-9) < 0.5
    assert list(bench.targets[-1].name) == NAMES
    said = dict(zip(NAMES, bench.targets[-1].position, strict=True))
    counts = 2 * np.pi / 4096
    assert said["left_joint2"] == pytest.approx(400 * counts)
    assert said["left_joint3"] == pytest.approx(500 * counts)
    assert said["left_gripper"] == 1.0
    assert said["right_joint2"] == 0.0  # below its range
    assert said["right_joint3"] == YAM.joint("right_joint3").upper  # beyond it
    assert said["right_gripper"] == pytest.approx(0.5, abs=0.01)

    bench.set("can_lead_r", "inputs", 1)  # a press takes it out
    assert bench.quiet()
    bench.set("can_lead_r", "inputs", 0)
    bench.spin(0.2)
    bench.set("can_lead_l", "inputs", 1)  # one of the other leader puts it in again
    bench.spin_until(lambda: bench.targets)

    bench.set("can_lead_l", "silent", {3})
    assert bench.quiet()
    refused = bench.engage(True)
    assert not refused.success
    assert "left leader: encoders 3 are silent" in refused.message
    bench.set("can_lead_l", "silent", set())
    bench.spin(0.3)
    assert bench.quiet()  # being back is not a press
    assert bench.engage(True).success
    bench.spin_until(lambda: bench.targets)

    bench.process.send_signal(signal.SIGINT)
    _, log = bench.process.communicate(timeout=15)
    assert bench.process.returncode == 0, log
    assert "clutch out: left leader: encoders 3 are silent" in log
    assert "Traceback" not in log


def test_a_followers_bus_is_refused(domain, tmp_path):
    bench = Bench(tmp_path, "-p", "left_channel:=can_left")
    try:
        _, log = bench.process.communicate(timeout=40)
        assert bench.process.returncode == 2
        assert "expected a leader arm's bus" in log
    finally:
        bench.close()
