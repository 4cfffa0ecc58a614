"""``dreamzero teleop`` in a terminal of its own, beside a robot that moves where it is told."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")


from dreamzero_msgs import msg as dz  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from dreamzero_bringup.domain import DomainClaim  # noqa: E402
from dreamzero_policy import embodiments  # noqa: E402
from dreamzero_policy.messages.joints import (  # noqa: E402
    Proprioception,
    proprioception_message,
    targets_from_message,
)
from dreamzero_policy.ros import qos  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.timeout(240)]

DROID = embodiments.get("droid")


class Bench:
    """A robot and a controller as far as the program sees them, and its terminal."""

    def __init__(self, domain_id, *arguments):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = rclpy.create_node("robot", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.pose, self.follows, self.targets, self.leader = np.array(DROID.home), True, [], None
        self.node.create_subscription(JointState, "teleop/joint_commands", self.heard, qos.TARGETS)
        self.states = self.node.create_publisher(dz.Proprioception, "proprioception", qos.STATE)
        self.status = self.node.create_publisher(
            dz.ControllerStatus, "controller_status", qos.STATUS
        )
        self.leads = self.node.create_publisher(JointState, "leader/joint_states", qos.STATE)
        self.node.create_timer(0.03, self.say)
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dreamzero_policy.cli.main", "teleop", "droid", *arguments,
             "--domain-id", str(domain_id)],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        os.set_blocking(ours, False)
        self.terminal, self.screen = ours, ""

    def heard(self, message):
        target = targets_from_message(DROID, message).positions
        self.targets.append(target)
        if self.follows:
            self.pose = target

    def say(self):
        now_ns = self.node.get_clock().now().nanoseconds
        state = Proprioception(now_ns, DROID.state_joints, self.pose, np.zeros(8), {})
        self.states.publish(proprioception_message(state))
        source = dz.Authority.HUMAN if self.follows else dz.Authority.NOBODY
        self.status.publish(dz.ControllerStatus(enabled=True, authority=source, message="it holds"))
        if self.leader is not None:
            self.leads.publish(JointState(name=list(self.leader), position=[*self.leader.values()]))

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def until(self, done, keys="", seconds=90):
        """Spins, typing ``keys`` ten times a second, until ``done``."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, f"waited too long; on the screen: {self.screen}"
            assert self.process.poll() is None, self.screen
            if keys:
                self.type(keys)
            self.spin(0.05)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.01)
            with contextlib.suppress(BlockingIOError, OSError):
                self.screen += os.read(self.terminal, 4096).decode(errors="replace")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def start():
    claim, benches = DomainClaim(), []

    def make(*arguments):
        benches.append(Bench(claim.domain_id, *arguments))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()
    claim.release()


def test_the_keyboard_leads_and_hands_back(start):
    bench = start()
    bench.until(lambda: "handed back" in bench.screen)
    assert not bench.targets
    bench.type(" ")
    bench.until(lambda: "you lead" in bench.screen and len(bench.targets) > 5)
    rest = bench.pose.copy()
    np.testing.assert_allclose(rest, DROID.home, atol=1e-6)
    bench.until(lambda: np.abs(bench.pose - rest).max() > 0.05, keys="w")
    steps = np.abs(np.diff(np.array(bench.targets), axis=0))
    assert (steps <= 0.36 * 0.04 * np.array([joint.velocity for joint in DROID.joints])).all()
    bench.spin(1.0)  # no key is down
    still = len(bench.targets)
    bench.spin(0.5)
    assert len(bench.targets) > still + 5  # the human still leads
    np.testing.assert_array_equal(bench.targets[-1], bench.targets[still])
    bench.follows = False
    bench.until(lambda: "not followed: it holds" in bench.screen)
    bench.follows = True
    bench.type("q")
    assert bench.process.wait(30) == 0
    bench.spin(0.5)
    ended = len(bench.targets)
    bench.spin(0.5)
    assert len(bench.targets) == ended


def test_a_terminal_that_is_closed_hands_back(start):
    bench = start()
    bench.until(lambda: "handed back" in bench.screen)
    bench.type(" ")
    bench.until(lambda: len(bench.targets) > 5)
    bench.process.send_signal(signal.SIGHUP)
    bench.process.wait(30)
    bench.spin(0.3)
    ended = len(bench.targets)
    bench.spin(0.5)
    assert len(bench.targets) == ended


def test_a_leader_arm_leads_until_it_is_silent(start):
    bench = start("--input", "leader", "--leader-map", "their_1:=-panda_joint1")
    bench.leader = {"their_1": -0.3, "their_2": 9.0}
    bench.until(lambda: "handed back" in bench.screen)
    bench.type(" ")
    bench.until(lambda: bench.pose[0] > 0.29)
    np.testing.assert_allclose(bench.pose[1:], DROID.home[1:], atol=1e-6)
    bench.screen, bench.leader = "", None
    bench.until(lambda: "the leader says nothing" in bench.screen)
    bench.targets.clear()
    bench.leader = {"their_1": -0.5, "their_2": 9.0}
    bench.until(lambda: "handed back" in bench.screen)
    bench.spin(0.5)
    assert not bench.targets  # being back is not a press


def test_no_terminal_is_named():
    answer = subprocess.run(
        [sys.executable, "-m", "dreamzero_policy.cli.main", "teleop", "droid", "--domain-id", "1"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 2
    assert "teleop needs a terminal" in answer.stderr
