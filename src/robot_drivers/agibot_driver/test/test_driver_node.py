"""The driver as a process over real DDS, the bridge as another, and the fake robot in that."""

import os
import signal
import subprocess
import sys
import time
from array import array

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from dreamzero_msgs.msg import DriverStatus
from geometry_msgs.msg import Twist
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool, Trigger

from dreamzero_policy.embodiments.agibot_g1 import AGIBOT_G1
from dreamzero_policy.ros import qos

pytestmark = [pytest.mark.ros, pytest.mark.slow]

NAMES = list(AGIBOT_G1.state_joints)
READ = np.array([0.1] * 14 + [35.0, 35.0] + [0.0, 0.3] + [0.5, 0.3])
POSE = np.array([0.1] * 14 + [0.0, 0.0] + [0.0, 0.3] + [0.5, 30.0])
NEAR = POSE + [0.1, *[0.0] * 13, 0.5, 1.0, 0.1, -0.1, 0.05, 1.0]
NEAR_READ = READ + [0.1, *[0.0] * 13, 42.5, 85.0, 0.1, -0.1, 0.05, 0.01]
DRIVER = "from agibot_driver.driver_node import main; main()"


@pytest.fixture(scope="module")
def domain():
    """A DDS domain of this test's own on this host, for every process it starts."""
    with pytest.MonkeyPatch.context() as patch:
        if "ROS_DOMAIN_ID" not in os.environ:
            patch.setenv("ROS_DOMAIN_ID", str(51 + os.getpid() % 50))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield


def start(*arguments):
    """The driver as a process, its log on stderr."""
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, "--ros-args", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"RCUTILS_LOGGING_BUFFERED_STREAM": "0"},
    )


class Bench:
    """A node that listens to the driver and commands it."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("test_bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.states, self.statuses, self.health = [], [], []
        self.commands = self.node.create_publisher(JointState, "joint_commands", qos.COMMAND)
        self.wheels = self.node.create_publisher(Twist, "base_command", qos.COMMAND)
        for kind, topic, into, profile in (
            (JointState, "joint_states", self.states, qos.STATE_INPUT),
            (DriverStatus, "driver_status", self.statuses, qos.STATUS),
            (DiagnosticArray, "/diagnostics", self.health, qos.DIAGNOSTICS),
        ):
            self.node.create_subscription(kind, topic, into.append, profile)
        self.releasing = self.node.create_client(SetBool, "driver/release")
        self.clearing = self.node.create_client(Trigger, "driver/clear_fault")
        self.driver = None

    def up(self, bridge, *arguments):
        words = ("robot:=agibot_g1", f"bridge_port:={bridge.port}", *arguments)
        self.driver = start(*(text for word in words for text in ("-p", word)))
        self.spin_until(lambda: self.states and self.statuses, 60)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=min(left, 0.01))

    def spin_until(self, done, seconds=10):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, (self.statuses[-1:], "waited too long")
            self.executor.spin_once(timeout_sec=0.05)

    @property
    def status(self):
        return self.statuses[-1]

    @property
    def positions(self):
        return np.array(self.states[-1].position)

    def send(self, positions=POSE, names=NAMES, session=None, wheels=None):
        message = JointState(name=list(names), position=array("d", np.asarray(positions, float)))
        message.header.frame_id = str(session or self.status.session_id)
        self.commands.publish(message)
        if wheels:
            twist = Twist()
            twist.linear.x, twist.angular.z = wheels
            self.wheels.publish(twist)

    def drive(self, seconds, positions=POSE, **more):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(positions, **more)
            self.spin(1 / 30)

    def drive_until(self, done, **more):
        end = time.monotonic() + 15
        while not done():
            assert time.monotonic() < end, self.statuses[-1:]
            self.drive(0.05, **more)

    def call(self, client, request):
        assert client.wait_for_service(10)
        answer = client.call_async(request)
        self.spin_until(answer.done)
        return answer.result()

    def diagnosis(self, name):
        found = [one for array in self.health for one in array.status if one.name.endswith(name)]
        return found[-1] if found else None

    def stop(self):
        self.driver.send_signal(signal.SIGINT)
        _, log = self.driver.communicate(timeout=15)
        return self.driver.returncode, log

    def close(self):
        if self.driver is not None and self.driver.poll() is None:
            self.driver.kill()
            self.driver.communicate()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def bench(domain):
    made = Bench()
    yield made
    made.close()


def test_topics_units_wheels_hold_rival_and_stop(bench, bridge):
    bench.up(bridge)
    bench.states.clear()
    bench.spin(2.0)
    stamps = [s.header.stamp.sec + s.header.stamp.nanosec * 1e-9 for s in bench.states]
    assert 1 / np.median(np.diff(stamps)) == pytest.approx(100, rel=0.15)
    assert list(bench.states[-1].name) == NAMES
    np.testing.assert_allclose(bench.positions, READ, atol=1e-6)
    now = bench.node.get_clock().now().nanoseconds * 1e-9
    assert -0.01 < now - stamps[-1] < 0.5
    assert (bench.status.mode, bench.status.message) == (DriverStatus.HOLDING, "no command yet")
    assert [call[1] for call in bridge.calls()] == ["RobotDds"]

    bench.drive(1.5, NEAR, wheels=(0.1, -0.2))
    np.testing.assert_allclose(bench.positions, NEAR_READ, atol=1e-6)
    assert bench.status.mode == DriverStatus.FOLLOWING
    assert bench.status.commands_refused <= 2  # a velocity may come before the first command
    assert bridge.calls("move_wheel")[-1][2] == [0.1, -0.2]

    bench.spin_until(lambda: bench.status.mode == DriverStatus.HOLDING)
    assert bench.status.message == "no command for 0.2 s"
    bench.spin(0.3)
    assert bridge.calls("move_wheel")[-1][2] == [0.0, 0.0]

    refused = bench.status.commands_refused
    for positions, names, session in (
        (np.full(20, np.nan), NAMES, None),
        (POSE[:19], NAMES[:19], None),
        (POSE, NAMES, 7),
        (READ, NAMES, None),  # what is read is no command: 35 is no grip
    ):
        bench.send(positions, names, session)
        bench.spin(0.2)
    wrong = Twist()
    wrong.linear.y = 0.1
    bench.wheels.publish(wrong)
    bench.spin_until(lambda: bench.status.commands_refused == refused + 5)
    assert bench.status.last_refusal.startswith("base: expected linear.x and angular.z only")

    rival = bench.node.create_publisher(Twist, "base_command", qos.COMMAND)
    bench.spin(0.5)
    bench.drive(0.5)
    assert bench.status.mode == DriverStatus.HOLDING
    assert "2 publishers on /base_command" in bench.status.message
    bench.node.destroy_publisher(rival)
    bench.spin(0.5)
    bench.drive_until(lambda: bench.status.mode == DriverStatus.FOLLOWING)

    bench.spin_until(lambda: bench.diagnosis("bridge") is not None)
    values = {pair.key: pair.value for pair in bench.diagnosis("bridge").values}
    assert abs(float(values["clock_offset_ms"])) < 20
    assert 0 < float(values["round_trip_ms"]) < 50
    assert values["connections"] == "1"
    code, log = bench.stop()
    assert code == 0, log
    assert "the bridge says" in log
    assert bridge.child.poll() is None
    assert "the driver is gone" in bridge.log


def test_a_fault_of_the_sdk_is_cleared_by_the_operator_alone(bench, bridge):
    bench.up(bridge)
    bench.drive_until(lambda: bench.status.mode == DriverStatus.FOLLOWING)
    session = bench.status.session_id
    bridge.do("raise,move_arm")
    bench.drive(0.5)
    bench.spin_until(lambda: bench.status.mode == DriverStatus.FAULT)
    assert bench.status.message.startswith("move_arm failed: RuntimeError")
    bridge.do("estop,left")
    bench.spin(0.5)
    answer = bench.call(bench.clearing, Trigger.Request())
    assert (answer.success, "left_arm_estop True" in answer.message) == (False, True)
    bridge.do("heal,all")
    bench.drive(0.5)
    assert bench.status.mode == DriverStatus.FAULT
    assert bench.call(bench.clearing, Trigger.Request()).success
    bench.drive(0.5, session=session)  # who commanded before must be enabled again
    assert bench.status.mode == DriverStatus.HOLDING
    bench.drive_until(lambda: bench.status.mode == DriverStatus.FOLLOWING)


def test_kill_9_of_the_bridge_holds_and_its_next_run_is_a_fault(bench, bridge, make_bridge):
    bench.up(bridge)
    bench.drive(0.5, wheels=(0.1, 0.0))
    count = len(bench.states)
    bridge.kill()
    killed = time.monotonic()
    while bench.status.mode != DriverStatus.HOLDING:
        bench.send()
        bench.spin(1 / 30)
        assert time.monotonic() - killed < 2
    assert "the bridge is lost" in bench.status.message
    bench.spin(0.3)
    assert len(bench.states) - count < 60  # no states are made up
    again = make_bridge("--head-reads", "degrees", port=bridge.port).serving()
    bench.spin_until(lambda: bench.status.mode == DriverStatus.FAULT)
    assert "the bridge was restarted" in bench.status.message
    bench.drive(0.3)
    assert again.calls("move_arm") == []
    # The robot's first states are passed over, and a fault of a robot unseen is not cleared.
    bench.spin_until(lambda: bench.call(bench.clearing, Trigger.Request()).success)
    bench.drive_until(lambda: bench.status.mode == DriverStatus.FOLLOWING)


def test_kill_9_of_the_driver_holds_the_robot_and_the_next_driver_has_it(bench, bridge):
    bench.up(bridge)
    bench.drive(0.5, NEAR, wheels=(0.1, 0.0))
    session = bench.status.session_id
    bench.driver.kill()
    bench.driver.communicate()
    time.sleep(0.3)
    assert bridge.calls("move_wheel")[-1][2] == [0.0, 0.0]
    assert "is gone" in bridge.log
    bench.states.clear()
    bench.statuses.clear()
    bench.up(bridge)
    bench.drive_until(lambda: bench.status.commands_refused > 3, session=session)
    assert bench.status.mode == DriverStatus.HOLDING
    bench.drive_until(lambda: bench.status.mode == DriverStatus.FOLLOWING)


def test_release_sends_nothing_until_it_is_taken_back(bench, bridge):
    bench.up(bridge)
    bench.drive_until(lambda: bench.status.mode == DriverStatus.FOLLOWING)
    assert not bench.call(bench.releasing, SetBool.Request(data=True)).success
    bench.spin(0.4)
    answer = bench.call(bench.releasing, SetBool.Request(data=True))
    assert answer.success, answer.message
    assert bench.status.mode == DriverStatus.RELEASED
    count = len(bridge.calls("move_arm"))
    bench.drive(0.3)
    assert len(bridge.calls("move_arm")) == count
    assert bench.call(bench.releasing, SetBool.Request(data=False)).success
    bench.drive_until(lambda: bench.status.mode == DriverStatus.FOLLOWING)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("robot:=droid",), "parameter robot: expected agibot_g1, got 'droid'"),
        (
            ("robot:=agibot_g1", "bridge_port:=1", "connect_timeout_s:=0.6"),
            "no robot within 0.6 s: bridge at 127.0.0.1:1: [Errno 111] Connection refused; on the "
            "machine that has AgiBot's SDK run: python3 -m agibot_bridge",
        ),
    ],
)
def test_a_bad_start_is_one_line(domain, words, match):
    driver = start(*(text for word in words for text in ("-p", word)))
    _, log = driver.communicate(timeout=60)
    assert driver.returncode == 2
    assert match in log
    assert "Traceback" not in log
