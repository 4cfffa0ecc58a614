"""The driver as a process over real DDS: rates, motion, hold, a rival publisher, and bad starts."""

import os
import re
import signal
import subprocess
import sys
import time
from array import array
from collections import defaultdict

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from dreamzero_msgs.msg import DriverStatus, TaskStatus
from dreamzero_msgs.srv import ResetTask
from geometry_msgs.msg import Twist
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import SetBool, Trigger

from dreamzero_policy.ros import qos
from sim_driver import tasks
from sim_driver.cameras import EGL_PACKAGES
from sim_driver.models import robots

pytestmark = [pytest.mark.ros, pytest.mark.slow]

ROBOT = robots.get("droid")
NAMES = [joint.name for joint in ROBOT.joints]
HOME = np.array([joint.home for joint in ROBOT.joints])
NEAR = HOME + np.array([0.02] * 7 + [-0.01])
VIEWS = [view.name for view in ROBOT.views]
DRIVER = "from sim_driver.driver_node import main; main()"
WITHOUT_EGL = """
import ctypes
load = ctypes.CDLL.__init__
def refuse(self, name, *args, **more):
    if "EGL" in str(name):
        raise OSError(f"{name}: cannot open shared object file")
    load(self, name, *args, **more)
ctypes.CDLL.__init__ = refuse
"""


@pytest.fixture(scope="module")
def domain():
    """A DDS domain of this test's own on this host, in the environment of every process it
    starts."""
    with pytest.MonkeyPatch.context() as patch:
        if "ROS_DOMAIN_ID" not in os.environ:
            patch.setenv("ROS_DOMAIN_ID", str(51 + os.getpid() % 50))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield


def start(*arguments, code=DRIVER, **environment):
    """The driver as a process, its log on stderr."""
    return subprocess.Popen(
        [sys.executable, "-c", code, "--ros-args", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"RCUTILS_LOGGING_BUFFERED_STREAM": "0"} | environment,
    )


class Bench:
    """A node that listens to the driver and commands it."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("test_bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.stamps = defaultdict(list)
        self.newest = {}
        self.commands = self.node.create_publisher(JointState, "joint_commands", qos.COMMAND)
        self.node.create_subscription(
            JointState, "joint_states", lambda m: self._take("joints", m), qos.STATE_INPUT
        )
        self.statuses = []
        self.node.create_subscription(
            DriverStatus, "driver_status", self.statuses.append, qos.STATUS
        )
        self.letting_go = self.node.create_client(SetBool, "driver/release")
        for view in VIEWS:
            self.node.create_subscription(
                Image, f"{view}/image_raw", lambda m, v=view: self._take(v, m), qos.CAMERA
            )

    def _take(self, what, message):
        stamp = message.header.stamp
        self.stamps[what].append(stamp.sec + stamp.nanosec * 1e-9)
        self.newest[what] = message

    @property
    def positions(self):
        return np.array(self.newest["joints"].position)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=min(left, 0.01))

    def spin_until(self, done, seconds):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "waited too long"
            self.executor.spin_once(timeout_sec=0.05)

    @property
    def status(self):
        return self.statuses[-1]

    def send(self, positions, names=NAMES, by=None, session=None):
        values = array("d", np.asarray(positions, dtype=float).tobytes())
        message = JointState(name=list(names), position=values)
        message.header.frame_id = str(session or self.status.session_id)
        (by or self.commands).publish(message)

    def release(self, data):
        assert self.letting_go.wait_for_service(10)
        answer = self.letting_go.call_async(SetBool.Request(data=data))
        self.spin_until(answer.done, 10)
        return answer.result()

    def drive(self, positions, seconds, session=None, names=NAMES):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(positions, names, session=session)
            self.spin(1 / 30)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


_DRAW = """
from sim_driver.models import robots
from sim_driver.cameras import Cameras, RenderingUnavailableError
from sim_driver.hardware import SimulatedRobot

robot = robots.get("droid")
try:
    Cameras(SimulatedRobot(robot, 0, 0).model, robot.views).close()
except RenderingUnavailableError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def why_not_drawn():
    """Empty where pictures can be drawn; tried elsewhere: no OpenGL beside DDS in this process."""
    tried = subprocess.run(
        [sys.executable, "-c", _DRAW], capture_output=True, text=True, check=True, timeout=120
    )
    return tried.stdout.strip()


@pytest.fixture
def bench(domain, why_not_drawn):
    if why_not_drawn:
        pytest.skip(why_not_drawn)
    bench = Bench()
    yield bench
    bench.close()


def rate(stamps):
    """Messages per second by their stamps, the median being deaf to a busy machine."""
    return 1 / np.median(np.diff(stamps))


def test_topics_motion_hold_and_stop(bench):
    driver = start("-p", "robot:=droid", "-p", "seed:=3")
    try:
        bench.spin_until(lambda: {"joints", *VIEWS} <= bench.newest.keys(), 30)
        bench.stamps.clear()
        bench.spin(3.0)
        assert rate(bench.stamps["joints"]) == pytest.approx(100, rel=0.1)
        for view in VIEWS:
            assert rate(bench.stamps[view]) == pytest.approx(15, rel=0.1)
            image = bench.newest[view]
            assert (image.height, image.width, image.step) == (180, 320, 960)
            assert (image.encoding, image.header.frame_id) == ("rgb8", view)
            assert np.asarray(image.data).std() > 10
        assert set(bench.stamps["wrist"][2:-2]) <= set(bench.stamps["exterior_1"])
        joints = bench.newest["joints"]
        assert list(joints.name) == NAMES
        assert len(joints.velocity) == len(NAMES)
        np.testing.assert_allclose(bench.positions, HOME, atol=1e-4)

        assert bench.status.mode == DriverStatus.HOLDING
        assert bench.status.message == "no command yet"

        target = HOME + [0.3, 0.1, 0, 0, 0, 0, 0, -0.02]
        bench.drive(target, 1.5)
        np.testing.assert_allclose(bench.positions, target, atol=2e-3)
        assert bench.status.mode == DriverStatus.FOLLOWING
        assert bench.status.commands_taken >= 30
        assert bench.status.commands_refused == 0

        bench.spin(1.0)  # silence: the watchdog holds
        held = bench.positions
        bench.send(np.full(8, np.nan))
        bench.spin(1.1)  # the log says one refusal a second
        bench.send(HOME[:7], NAMES[:7])
        bench.spin(0.5)
        np.testing.assert_allclose(bench.positions, held, atol=1e-3)

        rival = bench.node.create_publisher(JointState, "joint_commands", qos.COMMAND)
        bench.spin(0.5)
        bench.drive(HOME, 1.0)
        np.testing.assert_allclose(bench.positions, held, atol=1e-3)
        bench.node.destroy_publisher(rival)
        bench.spin(0.5)
        bench.drive(HOME, 1.5)
        np.testing.assert_allclose(bench.positions, HOME, atol=2e-3)

        driver.send_signal(signal.SIGINT)
        _, log = driver.communicate(timeout=6)
    finally:
        driver.kill()
    assert driver.returncode == 0, log
    assert "holding the pose: no command yet" in log
    assert "holding the pose: no command for 0.4 s" in log
    assert "command refused: panda_joint1: command is nan" in log
    assert "missing: panda_finger_joint1" in log
    assert re.search(r"expected one publisher on /joint_commands, got 2 \(.*/test_bench", log)
    assert log.count("following commands") == 2
    assert "Traceback" not in log


def test_a_restarted_driver_ignores_who_commanded_the_one_before(bench):
    """kill -9 and a new process: the old session's commands are refused by name, the new obeyed."""
    first = start("-p", "robot:=droid")
    try:
        bench.spin_until(lambda: bench.statuses, 30)
        old = bench.status.session_id
        bench.drive(NEAR, 0.5)
        assert bench.status.mode == DriverStatus.FOLLOWING
        stamps = [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in bench.statuses[1:]]
        assert rate(stamps) == pytest.approx(10, rel=0.15)
    finally:
        first.kill()
        first.communicate()
    second = start("-p", "robot:=droid")
    try:
        bench.spin_until(lambda: bench.status.session_id > old, 30)
        bench.newest.pop("joints", None)
        bench.spin_until(lambda: "joints" in bench.newest, 10)
        end = time.monotonic() + 20
        while bench.status.commands_refused <= 5:
            assert time.monotonic() < end, "the new driver heard no command"
            bench.drive(NEAR, 0.1, session=old)
        assert bench.status.mode == DriverStatus.HOLDING
        assert bench.status.commands_taken == 0
        assert f"expected frame_id '{bench.status.session_id}'" in bench.status.last_refusal
        assert f"got '{old}'" in bench.status.last_refusal
        assert "enabled again" in bench.status.last_refusal
        np.testing.assert_allclose(bench.positions, HOME, atol=1e-3)
        bench.drive(NEAR, 0.5)
        assert bench.status.mode == DriverStatus.FOLLOWING
        second.send_signal(signal.SIGINT)
        _, log = second.communicate(timeout=6)
    finally:
        second.kill()
    assert second.returncode == 0, log
    assert "command refused: expected frame_id" in log


def test_letting_go_and_taking_back(bench):
    """Refused while it follows; released it obeys nothing; taken back it holds where it is."""
    driver = start("-p", "robot:=droid", "-p", "realtime_priority:=0")
    try:
        bench.spin_until(lambda: bench.statuses and "joints" in bench.newest, 30)
        bench.drive(NEAR, 0.5)
        refused = bench.release(True)
        assert not refused.success
        assert "commands are being followed" in refused.message
        assert bench.status.mode == DriverStatus.FOLLOWING

        bench.spin_until(lambda: bench.status.mode == DriverStatus.HOLDING, 5)
        assert bench.release(True).success
        bench.spin_until(lambda: bench.status.mode == DriverStatus.RELEASED, 5)
        released = bench.positions
        bench.drive(NEAR - 0.01, 0.5)
        assert bench.status.mode == DriverStatus.RELEASED
        assert "take it back" in bench.status.last_refusal
        assert np.abs(bench.positions - released).max() < 0.01

        clearing = bench.node.create_client(Trigger, "driver/clear_fault")
        assert clearing.wait_for_service(10)
        answer = clearing.call_async(Trigger.Request())
        bench.spin_until(answer.done, 10)
        assert (answer.result().success, answer.result().message) == (
            False,
            "there is no fault to clear",
        )

        assert bench.release(False).success
        bench.spin_until(lambda: bench.status.mode == DriverStatus.HOLDING, 5)
        assert bench.status.message == "taken back; no command since"
        bench.drive(NEAR, 0.5)
        assert bench.status.mode == DriverStatus.FOLLOWING
    finally:
        driver.kill()
        driver.communicate()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-p", "robot:=pr2"], DRIVER, "unknown robot 'pr2'; known robots: "),
        (["-p", "robot:=droid", "-p", "sed:=1"], DRIVER, "unknown parameter sed: did you mean"),
        (["-p", "robot:=droid", "-p", "task:=carry"], DRIVER, "no task 'carry' for droid; there"),
        ([], DRIVER, "parameter robot is not set"),
        (["-p", "robot:=droid"], WITHOUT_EGL + DRIVER, EGL_PACKAGES),
    ],
)
def test_a_bad_start_is_one_clear_line(domain, arguments, code, message):
    driver = start(*arguments, code=code, MUJOCO_GL="egl")
    try:
        _, log = driver.communicate(timeout=30)
    finally:
        driver.kill()
    assert driver.returncode == 2
    assert message in log
    assert "Traceback" not in log


def test_a_scene_is_reset_while_it_runs(bench):
    """Another task and seed: robot where that begins, other objects, and nothing is armed."""
    tasks_seen = []
    bench.node.create_subscription(TaskStatus, "task_status", tasks_seen.append, qos.STATUS)
    resetting = bench.node.create_client(ResetTask, "driver/reset_task")

    def reset(**wanted):
        assert resetting.wait_for_service(20)
        answer = resetting.call_async(ResetTask.Request(**{"choice": -1, **wanted}))
        bench.spin_until(answer.done, 20)
        return answer.result()

    def drive_until(done, session=None):
        end = time.monotonic() + 20
        while not done():
            assert time.monotonic() < end, "waited too long"
            bench.drive(NEAR, 0.1, session=session)

    driver = start("-p", "robot:=droid", "-p", "task:=stack", "-p", "seed:=3")
    try:
        bench.spin_until(lambda: tasks_seen and VIEWS[0] in bench.newest, 30)
        first, old = tasks_seen[-1], bench.status.session_id
        assert (first.task, first.seed, first.progress, first.success) == ("stack", 3, 0.0, False)
        choice = tasks.get("stack", ROBOT).lay(ROBOT, 3).choice(-1)
        things = f"{choice.thing.colour} block on the {choice.place.colour} block"
        assert first.instruction == f"put the {things}"
        assert first.time_limit > 0
        assert len(first.scene_state) > 20
        drive_until(lambda: bench.status.mode == DriverStatus.FOLLOWING)
        bench.spin_until(lambda: tasks_seen[-1].elapsed > 0, 10)

        refused = reset(task="carry", seed=1)
        assert not refused.success
        assert refused.message.endswith("there are: reach, hover, pick_place, stack, wipe, push")
        assert not reset(task="stack", seed=1, choice=6).success
        assert bench.status.session_id == old  # a refused reset changes nothing

        bench.newest.clear()
        answer = reset(task="push", seed=8, choice=2)
        assert answer.success
        assert answer.message.startswith("push the ")
        bench.spin_until(lambda: tasks_seen[-1].task == "push", 10)
        bench.spin_until(lambda: {"joints", *VIEWS} <= bench.newest.keys(), 20)
        assert (tasks_seen[-1].seed, tasks_seen[-1].choice) == (8, 2)
        assert tasks_seen[-1].instruction == answer.message
        bench.spin_until(lambda: bench.status.session_id != old, 10)
        assert bench.status.mode == DriverStatus.HOLDING
        np.testing.assert_allclose(bench.positions, HOME, atol=1e-3)
        drive_until(lambda: bench.status.commands_refused > 5, session=old)
        np.testing.assert_allclose(bench.positions, HOME, atol=1e-3)
        assert tasks_seen[-1].elapsed == 0.0
        drive_until(lambda: np.allclose(bench.positions, NEAR, atol=2e-3))

        assert reset(task="", seed=0).success
        bench.spin_until(lambda: tasks_seen[-1].task == "", 10)
        assert not tasks_seen[-1].scene_state
        driver.send_signal(signal.SIGINT)
        _, log = driver.communicate(timeout=8)
    finally:
        driver.kill()
    assert driver.returncode == 0, log
    assert "Traceback" not in log


def test_it_says_how_it_is_once_a_second(bench):
    heard = []
    bench.node.create_subscription(DiagnosticArray, "/diagnostics", heard.append, qos.DIAGNOSTICS)
    driver = start("-p", "robot:=droid")

    def robot():
        return (
            next((s for s in heard[-1].status if s.name == "dreamzero/sim_driver: robot"), None)
            if heard
            else None
        )

    def figures():
        return {pair.key: pair.value for pair in robot().values}

    try:
        bench.spin_until(lambda: robot() and robot().message == "holding: no command yet", 30)
        bench.spin_until(lambda: 50 < float(figures()["joint_states_hz"]) < 150, 10)
        bench.spin_until(lambda: 5 < float(figures()["wrist_images_hz"]) < 20, 10)
        bench.drive(NEAR, 2.5)
        assert (robot().level, robot().message) == (b"\x00", "following commands")
        bench.drive(NEAR, 2.0, session=1)
        assert robot().level == b"\x01"
        assert "refuses commands: expected frame_id" in robot().message
        assert robot().hardware_id == "droid"
    finally:
        driver.send_signal(signal.SIGINT)
        driver.communicate(timeout=20)
    assert driver.returncode == 0


# Names and home pose on the wire, typed here from what the robots' makers and clients publish.
G1_ARM = (-1.075, 0.611, 0.279, -1.285, 0.730, 1.496, -0.187)
G1_HOME = {
    **{f"left_arm_joint{n}": value for n, value in enumerate(G1_ARM, start=1)},
    **{f"right_arm_joint{n}": -value for n, value in enumerate(G1_ARM, start=1)},
    "left_gripper_joint1": 35.0,  # open
    "right_gripper_joint1": 35.0,
    "head_yaw_joint": 0.0,
    "head_pitch_joint": 0.34,
    "waist_pitch_joint": 0.873,
    "waist_lift_joint": 0.42,  # m
}
YAM_HOME = {
    name: value
    for side in ("left", "right")
    for name, value in (
        *((f"{side}_joint{n}", 0.0) for n in range(1, 7)),
        (f"{side}_gripper", 1.0),  # open
    )
}


def named(bench):
    return dict(zip(bench.newest["joints"].name, bench.positions, strict=True))


def test_g1_speaks_the_makers_units_both_ways_and_rolls(bench):
    wheels = bench.node.create_publisher(Twist, "base_command", qos.COMMAND)
    driver = start("-p", "robot:=agibot_g1", "-p", "camera_hz:=2.0")
    try:
        bench.spin_until(lambda: bench.statuses and "joints" in bench.newest, 30)
        joints = bench.newest["joints"]
        assert list(joints.name) == list(G1_HOME)
        np.testing.assert_allclose(bench.positions, list(G1_HOME.values()), atol=2e-3)

        # Commanded 0 to 1 and cm; read 35 to 120 and m.
        command = G1_HOME | {
            "left_gripper_joint1": 1.0,
            "right_gripper_joint1": 0.5,
            "waist_lift_joint": 40.0,
        }
        bench.drive(list(command.values()), 2.5, names=list(command))
        read = named(bench)
        assert read["left_gripper_joint1"] == pytest.approx(120.0, abs=1.0)
        assert read["right_gripper_joint1"] == pytest.approx(77.5, abs=1.0)
        assert read["waist_lift_joint"] == pytest.approx(0.40, abs=2e-3)
        assert read["left_arm_joint2"] == pytest.approx(0.611, abs=2e-3)

        taken, refused = bench.status.commands_taken, bench.status.commands_refused
        twist = Twist()
        twist.linear.x, twist.angular.z = -0.1, 0.2
        for _ in range(15):
            bench.send(list(command.values()), names=list(command))
            wheels.publish(twist)
            bench.spin(1 / 30)
        assert bench.status.commands_taken > taken + 5
        assert bench.status.commands_refused == refused

        twist.linear.y = 0.1
        wheels.publish(twist)
        bench.spin(0.3)
        assert "base: expected linear.x and angular.z only" in bench.status.last_refusal
        bench.spin_until(lambda: bench.status.mode == DriverStatus.HOLDING, 5)
        twist.linear.y = 0.0
        wheels.publish(twist)  # nobody's joint commands are followed now
        bench.spin(0.3)
        assert "stands still while the robot holds" in bench.status.last_refusal
    finally:
        driver.kill()
        driver.communicate()


def test_yam_speaks_the_makers_units_both_ways(bench):
    driver = start("-p", "robot:=yam", "-p", "camera_hz:=2.0")
    try:
        bench.spin_until(lambda: bench.statuses and "joints" in bench.newest, 30)
        assert list(bench.newest["joints"].name) == list(YAM_HOME)
        np.testing.assert_allclose(bench.positions, list(YAM_HOME.values()), atol=2e-3)
        command = YAM_HOME | {"left_gripper": 0.0, "right_gripper": 0.25, "left_joint2": 0.4}
        bench.drive(list(command.values()), 1.5, names=list(command))
        read = named(bench)
        assert read["left_gripper"] == pytest.approx(0.0, abs=0.02)
        assert read["right_gripper"] == pytest.approx(0.25, abs=0.02)
        assert read["left_joint2"] == pytest.approx(0.4, abs=2e-3)
        bench.spin(0.8)  # silence: this driver holds, though the maker's own never would
        assert bench.status.mode == DriverStatus.HOLDING
        assert bench.status.message == "no command for 0.4 s"
    finally:
        driver.kill()
        driver.communicate()
