"""The driver as a process over real DDS: beside a ros2_control that is played here, and on franky.

What is played of frankarobotics/franka_ros2 (branch jazzy): joint states ``fr3_joint1..7`` on
``franka/joint_states``, here best-effort as the convenience topics are since v3.3.0; the hand's
two fingers at half of its width on ``franka_gripper/joint_states`` at 15 Hz. The controllers'
topics and types are those of ros-controls/ros2_controllers (branch jazzy), with their QoS.
"""

import os
import re
import signal
import subprocess
import sys
import time
from array import array
from pathlib import Path

import numpy as np
import pytest
import rclpy
from dreamzero_msgs.msg import DriverStatus
from rclpy.action import ActionServer
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from dreamzero_policy.embodiments.droid import DROID
from dreamzero_policy.ros import qos

pytestmark = [pytest.mark.ros, pytest.mark.slow]

NAMES = DROID.action_joints
THEIRS = [f"fr3_joint{number}" for number in range(1, 8)]
HOME = np.array(DROID.home[:7])
DRIVER = "from franka_driver.driver_node import main; main()"
ON_FRANKY = f"""
import importlib.util, sys, threading, time
spec = importlib.util.spec_from_file_location(
    "franky", {str(Path(__file__).with_name("fake_franky.py"))!r})
franky = sys.modules["franky"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(franky)
def turn():
    at, collided = time.monotonic(), False
    while True:
        time.sleep(0.01)
        if franky.Robot.newest is not None:
            now = time.monotonic()
            franky.Robot.newest.run(min(100, round((now - at) * 1000)))
            at = now
            if abs(franky.Robot.newest.q[0]) > 0.3 and not collided:
                collided = True
                franky.Robot.newest.reflex()
threading.Thread(target=turn, daemon=True).start()
{DRIVER}
"""


@pytest.fixture(scope="module")
def domain():
    """A DDS domain of this test's own on this host, for every process that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        if "ROS_DOMAIN_ID" not in os.environ:
            patch.setenv("ROS_DOMAIN_ID", str(51 + os.getpid() % 50))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield


class Driver:
    def __init__(self, tmp_path, *parameters, code=DRIVER):
        arguments = [part for text in ("robot:=droid", *parameters) for part in ("-p", text)]
        self.log_file = tmp_path / "driver.log"
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, "--ros-args", *arguments],
                stderr=log,
                stdout=log,
                env=os.environ | {"RCUTILS_LOGGING_BUFFERED_STREAM": "0", "TMPDIR": str(tmp_path)},
            )

    @property
    def log(self):
        return self.log_file.read_text()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


@pytest.fixture
def start(domain, tmp_path):
    started = []

    def begin(*parameters, code=DRIVER):
        started.append(Driver(tmp_path, *parameters, code=code))
        return started[-1]

    yield begin
    for driver in started:
        if driver.process.poll() is None:
            driver.process.kill()
            driver.process.wait()


class Bench:
    """A controller of ours, and the robot's own ros2_control."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        node = self.node = rclpy.create_node("test_bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(node)
        self.statuses, self.states = [], []
        self.trajectories, self.forwards, self.fingers = [], [], []
        node.create_subscription(JointState, "joint_states", self.states.append, qos.STATE_INPUT)
        node.create_subscription(DriverStatus, "driver_status", self.statuses.append, qos.STATUS)
        self.commands = node.create_publisher(JointState, "joint_commands", qos.COMMAND)
        self.services = {
            "release": node.create_client(SetBool, "driver/release"),
            "clear_fault": node.create_client(Trigger, "driver/clear_fault"),
        }

    def play_ros2_control(self):
        """An arm that follows at once, its states at 100 Hz; the gripper's controller at 15 Hz."""
        self.spin_until(lambda: self.statuses)  # the driver first, which then misses its arm
        node = self.node
        self.pose, self.finger, self.frozen = HOME.copy(), 0.04, False
        best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.arm = node.create_publisher(JointState, "franka/joint_states", best_effort)
        self.hand = node.create_publisher(JointState, "franka_gripper/joint_states", 1)
        node.create_timer(0.01, self._say_arm)
        node.create_timer(1 / 15, self._say_hand)
        node.create_subscription(
            JointTrajectory, "fr3_arm_controller/joint_trajectory", self._take_trajectory, 10
        )
        node.create_subscription(
            Float64MultiArray, "forward_position_controller/commands", self._take_forward, 10
        )
        node.create_subscription(
            Float64MultiArray, "gripper_controller/commands", self._take_finger, 10
        )

    def _say_arm(self):
        if self.frozen:
            return
        order = [3, 0, 1, 2, 6, 5, 4]  # a joint_state_broadcaster keeps no order
        message = JointState(
            name=[THEIRS[i] for i in order],
            position=array("d", self.pose[order].tobytes()),
            velocity=array("d", np.zeros(7).tobytes()),
        )
        message.header.stamp = self.node.get_clock().now().to_msg()
        self.arm.publish(message)

    def _say_hand(self):
        message = JointState(
            name=["fr3_finger_joint1", "fr3_finger_joint2"], position=[self.finger, self.finger]
        )
        message.header.stamp = self.node.get_clock().now().to_msg()
        self.hand.publish(message)

    def _take_trajectory(self, message):
        self.trajectories.append((time.monotonic(), message))
        self.pose = np.array(message.points[-1].positions)

    def _take_forward(self, message):
        self.forwards.append(message)
        self.pose = np.array(message.data)

    def _take_finger(self, message):
        self.fingers.append(message.data[0])
        self.finger = message.data[0]

    @property
    def status(self):
        return self.statuses[-1]

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.005)

    def spin_until(self, done, seconds=30.0):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "waited too long"
            self.executor.spin_once(timeout_sec=0.02)

    def wait_for(self, mode, text=""):
        self.spin_until(
            lambda: self.statuses and self.status.mode == mode and text in self.status.message
        )

    def drive(self, path, seconds, session=None, finger=0.04):
        """Commands ``path(share of the time)`` 30 times a second."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            values = np.append(path(passed / seconds), finger)
            message = JointState(name=list(NAMES), position=array("d", values.tobytes()))
            message.header.frame_id = str(session or self.status.session_id)
            self.commands.publish(message)
            self.spin(1 / 30)

    def call(self, name, **request):
        client = self.services[name]
        assert client.wait_for_service(10)
        answer = client.call_async(client.srv_type.Request(**request))
        self.spin_until(answer.done)
        return answer.result()

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def bench(domain):
    made = Bench()
    yield made
    made.close()


def ready(bench):
    bench.spin_until(
        lambda: bench.statuses and bench.states and bench.commands.get_subscription_count()
    )
    bench.wait_for(DriverStatus.HOLDING, "no command since")


ROS2_CONTROL = (
    "arm:=fr3",
    "gripper:=topic",
    "gripper_command:=gripper_controller/commands",
    "gripper_open:=0.04",
)


def test_through_a_trajectory_controller(start, bench):
    driver = start(*ROS2_CONTROL)
    bench.spin_until(lambda: bench.statuses)
    assert bench.status.message == "no state of the arm yet"
    bench.play_ros2_control()
    ready(bench)
    state = bench.states[-1]
    assert list(state.name) == list(NAMES)
    np.testing.assert_allclose(state.position, [*HOME, 0.04], atol=1e-9)
    assert bench.trajectories == []

    turn = np.eye(7)[0] * 0.3
    bench.drive(lambda share: HOME + share * turn, 1.5, finger=0.01)
    assert bench.status.mode == DriverStatus.FOLLOWING
    assert bench.status.commands_refused == 0
    times = np.array([at for at, _ in bench.trajectories])
    assert 1 / np.median(np.diff(times)) == pytest.approx(100, rel=0.2)
    for _, message in bench.trajectories:
        assert list(message.joint_names) == THEIRS
        (point,) = message.points
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (0, 0)
        assert point.time_from_start.nanosec == 20_000_000
        assert list(point.velocities) == []
    sent = np.array([message.points[0].positions for _, message in bench.trajectories])
    assert np.abs(np.diff(sent, axis=0)).max() < 2.62 * 0.05 + 1e-9
    assert bench.pose[0] == pytest.approx(0.3, abs=0.03)
    assert bench.fingers == [pytest.approx(0.01)]
    assert bench.states[-1].position[7] == pytest.approx(0.01)

    bench.wait_for(DriverStatus.HOLDING, "no command for 0.4 s")
    bench.spin(0.5)
    count = len(bench.trajectories)
    held = bench.pose.copy()
    bench.spin(0.3)
    assert len(bench.trajectories) == count  # their controller holds

    answer = bench.call("release", data=True)
    assert answer.success
    assert "switch_controllers --deactivate fr3_arm_controller" in answer.message
    bench.drive(lambda _: held + 0.01, 0.3)
    assert len(bench.trajectories) == count
    assert bench.call("release", data=False).success

    session = bench.status.session_id
    bench.drive(lambda _: held, 0.3)
    bench.frozen = True
    bench.drive(lambda _: held, 0.5)
    bench.wait_for(DriverStatus.FAULT, "no state of the arm for more than 0.2 s")
    bench.frozen = False
    bench.spin(0.5)
    assert bench.status.mode == DriverStatus.FAULT
    assert bench.call("clear_fault").success
    bench.wait_for(DriverStatus.HOLDING)
    assert bench.status.session_id > session
    bench.drive(lambda _: held, 0.3, session=session)
    assert bench.status.mode == DriverStatus.HOLDING
    assert "enabled again" in bench.status.last_refusal
    bench.drive(lambda _: held, 0.3)
    assert bench.status.mode == DriverStatus.FOLLOWING
    assert driver.end() == 0, driver.log
    assert "Traceback" not in driver.log
    assert "fault: no state of the arm for more than 0.2 s; driver/clear_fault clears" in driver.log


def test_through_a_forwarding_controller_and_with_a_rival(start, bench):
    start(
        *ROS2_CONTROL,
        "controller:=forward_position_controller",
        "controller_interface:=forward_position",
    )
    bench.play_ros2_control()
    ready(bench)
    bench.drive(lambda share: HOME + 0.1 * share, 0.7)
    assert {len(message.data) for message in bench.forwards} == {7}
    np.testing.assert_allclose(bench.pose, HOME + 0.1, atol=0.02)
    jump = HOME + 0.1 + np.eye(7)[3]
    bench.drive(lambda _: jump, 0.3)
    assert "panda_joint4: command" in bench.status.last_refusal
    assert "the command jumps, or the arm does not follow" in bench.status.last_refusal
    rival = bench.node.create_publisher(JointState, "joint_commands", qos.COMMAND)
    bench.spin(0.5)
    bench.drive(lambda _: bench.pose, 0.3)
    bench.wait_for(DriverStatus.HOLDING, "2 publishers on /joint_commands")
    bench.node.destroy_publisher(rival)


@pytest.mark.parametrize("kind", ["GripperCommand", "ParallelGripperCommand"])
def test_a_gripper_behind_an_action(start, bench, kind):
    """The server is rclpy's, the type control_msgs' own; skipped where that is not installed."""
    action = getattr(pytest.importorskip("control_msgs.action"), kind)
    goals = []

    def execute(handle):
        command = handle.request.command
        single = kind == "GripperCommand"
        goals.append(command.position if single else command.position[0])
        bench.finger = goals[-1]
        handle.succeed()
        return action.Result()

    server = ActionServer(bench.node, action, "franka_gripper/gripper_action", execute)
    driver = start("arm:=fr3", f"gripper_action_type:={kind}")
    bench.play_ros2_control()
    ready(bench)
    bench.drive(lambda _: HOME, 0.5, finger=0.0)
    bench.drive(lambda _: HOME, 0.5, finger=0.02)
    bench.drive(lambda _: HOME, 0.5, finger=0.04)
    assert bench.status.mode == DriverStatus.FOLLOWING
    assert goals == pytest.approx([0.0, 0.0195, 0.039])
    assert bench.states[-1].position[7] == pytest.approx(0.04)
    assert driver.end() == 0, driver.log
    assert "Traceback" not in driver.log
    server.destroy()


def test_on_franky_until_a_reflex(start, bench):
    driver = start(
        "arm:=fr3",
        "connection:=franky",
        "gripper:=franky",
        "robot_ip:='172.16.0.2'",
        "dynamics:=1.0",
        code=ON_FRANKY,
    )
    bench.spin_until(lambda: bench.statuses and len(bench.states) > 20)
    start_pose = np.array(bench.states[-1].position)
    assert start_pose[7] == pytest.approx(0.04)
    turn = np.eye(7)[0]
    bench.drive(lambda share: start_pose[:7] + 0.25 * share * turn, 1.5, finger=0.0)
    assert bench.status.mode == DriverStatus.FOLLOWING
    bench.wait_for(DriverStatus.HOLDING, "no command for 0.4 s")
    here = np.array(bench.states[-1].position)
    assert here[0] == pytest.approx(0.25, abs=0.05)
    assert here[7] == pytest.approx(0.0, abs=0.005)
    bench.drive(lambda share: here[:7] + 0.2 * share * turn, 1.0)  # past 0.3 the fake collides
    bench.wait_for(DriverStatus.FAULT, "reflex")
    session = bench.status.session_id
    bench.spin(1.0)
    assert bench.status.mode == DriverStatus.FAULT
    answer = bench.call("clear_fault")
    assert answer.success, answer.message
    bench.wait_for(DriverStatus.HOLDING, "fault cleared")
    assert bench.status.session_id > session
    assert not bench.call("clear_fault").success
    assert driver.end() == 0, driver.log
    assert "Traceback" not in driver.log


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ((), "parameter arm is not set"),
        (("arm:=fr5",), "parameter arm: expected one of fer, fr3, got 'fr5'"),
        (("arm:=fr3", "connection:=franky", "gripper:=topic", "robot_ip:='1.2.3.4'"),
         "run: pip install franky-control"),
        (("arm:=fr3", "connection:=franky", "gripper:=topic"),
         "parameter robot_ip: expected the robot's address"),
        ((*ROS2_CONTROL, "arm_states_topic:=joint_states"),
         "parameter arm_states_topic: expected the robot's own topic"),
        ((*ROS2_CONTROL, "robot_state_topic:=state"), "needs the package franka_msgs"),
    ],
)  # fmt: skip
def test_a_bad_start_is_one_clear_line(start, parameters, message):
    driver = start(*parameters)
    assert driver.process.wait(30) == 2
    assert re.search(message, driver.log)
    assert "Traceback" not in driver.log
