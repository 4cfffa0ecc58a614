"""The driver as a process over real DDS, with the fake arms in it."""

import os
import signal
import subprocess
import sys
import time
from array import array
from pathlib import Path

import fake_i2rt
import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from dreamzero_msgs.msg import DriverStatus
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool, Trigger

from dreamzero_policy.embodiments.yam import YAM
from dreamzero_policy.ros import qos

pytestmark = [pytest.mark.ros, pytest.mark.slow]

NAMES = [joint.name for joint in YAM.joints]
START = np.array([0.1, 0.5, 0.6, -0.2, 0.1, 0.3, 0.8, -0.1, 0.4, 0.5, 0.2, -0.1, -0.3, 0.7])
NEAR = START + [0.1, 0.1, 0, 0, 0, 0, -0.3, 0.1, 0.1, 0, 0, 0, 0, -0.3]
LIMITS = ["-p", "left_gripper_limits:=[6.5, 0.0]", "-p", "right_gripper_limits:=[6.4, -0.1]"]
YAM_ARGUMENTS = ["-p", "robot:=yam", *LIMITS]
# Files that appear in the working folder do something to an arm; what it was told is written there.
DRIVER = f"""
import sys, threading, time, json, os
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import fake_i2rt
from yam_driver import vendor
vendor.SYS_NET = Path("net")
poses = {START.reshape(2, 7).tolist()}
arms = dict(zip(("can_left", "can_right"),
    (fake_i2rt.FakeArm(c, p) for c, p in zip(("can_left", "can_right"), poses))))
fake_i2rt.install(arms)
for arm in arms.values():
    arm.run()
def watch():
    while True:
        time.sleep(0.01)
        for name in list(os.listdir("do")):
            verb, arm, *rest = name.split(",")
            getattr(arms[arm], verb)(*map(eval, rest))
            os.unlink("do/" + name)
threading.Thread(target=watch, daemon=True).start()
import atexit
def note():
    Path("calls.json").write_text(json.dumps({{name: arm.calls for name, arm in arms.items()}}))
real = os._exit
os._exit = lambda code: (note(), real(code))
atexit.register(note)
from yam_driver.driver_node import main
main()
"""
WITHOUT_I2RT = """
import sys
from pathlib import Path
from yam_driver import vendor
vendor.SYS_NET = Path("net")
sys.modules["i2rt"] = None
from yam_driver.driver_node import main
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
    """A node that listens to the driver and commands it, and the folder that the driver runs in."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "do").mkdir()
        fake_i2rt.interfaces(folder / "net", "can_left", "can_right")
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("test_bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.states, self.statuses = [], []
        self.commands = self.node.create_publisher(JointState, "joint_commands", qos.COMMAND)
        self.node.create_subscription(
            JointState, "joint_states", self.states.append, qos.STATE_INPUT
        )
        self.node.create_subscription(
            DriverStatus, "driver_status", self.statuses.append, qos.STATUS
        )
        self.letting_go = self.node.create_client(SetBool, "driver/release")
        self.clearing = self.node.create_client(Trigger, "driver/clear_fault")
        self.driver = None

    def start(self, *arguments, code=DRIVER):
        self.driver = subprocess.Popen(
            [sys.executable, "-c", code, "--ros-args", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=os.environ | {"RCUTILS_LOGGING_BUFFERED_STREAM": "0"},
        )
        return self.driver

    def up(self, *arguments):
        self.start(*YAM_ARGUMENTS, *arguments)
        self.spin_until(lambda: self.states and self.statuses, 60)

    def stop(self):
        self.driver.send_signal(signal.SIGINT)
        _, log = self.driver.communicate(timeout=15)
        return log

    def do(self, verb, arm, *values):
        (self.folder / "do" / ",".join([verb, arm, *map(repr, values)])).touch()

    @property
    def status(self):
        return self.statuses[-1]

    @property
    def positions(self):
        return np.array(self.states[-1].position)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=min(left, 0.01))

    def spin_until(self, done, seconds=10):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, f"waited too long; {self.statuses[-1:]}"
            self.executor.spin_once(timeout_sec=0.05)

    def send(self, positions, names=NAMES, by=None, session=None):
        values = array("d", np.asarray(positions, dtype=float).tobytes())
        message = JointState(name=list(names), position=values)
        message.header.frame_id = str(session or self.status.session_id)
        (by or self.commands).publish(message)

    def drive(self, positions, seconds, **more):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(positions, **more)
            self.spin(1 / 30)

    def call(self, client, **request):
        assert client.wait_for_service(10)
        answer = client.call_async(client.srv_type.Request(**request))
        self.spin_until(answer.done, 10)
        return answer.result()

    def close(self):
        if self.driver is not None and self.driver.poll() is None:
            self.driver.kill()
            self.driver.communicate()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def bench(domain, tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def test_states_motion_hold_refusals_and_stop(bench):
    bench.up("-p", "realtime_priority:=0")
    bench.states.clear()
    bench.spin(2.0)
    stamps = [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in bench.states]
    assert 1 / np.median(np.diff(stamps)) == pytest.approx(100, rel=0.1)
    assert list(bench.states[-1].name) == NAMES
    assert len(bench.states[-1].velocity) == len(NAMES)
    np.testing.assert_allclose(bench.positions, START, atol=1e-3)
    assert (bench.status.mode, bench.status.message) == (DriverStatus.HOLDING, "no command yet")

    bench.drive(NEAR, 1.5)
    assert bench.status.mode == DriverStatus.FOLLOWING
    np.testing.assert_allclose(bench.positions, NEAR, atol=5e-3)
    assert bench.status.commands_refused == 0
    assert bench.status.commands_taken >= 30

    bench.spin_until(lambda: bench.status.mode == DriverStatus.HOLDING, 3)
    assert bench.status.message == "no command for 0.2 s"
    refused = bench.status.commands_refused
    for bad in (np.full(14, np.nan), NEAR + 2.0, NEAR + 0.6):
        bench.send(bad)
        bench.spin(0.3)
    bench.send(NEAR[:7], NAMES[:7])
    bench.spin_until(lambda: bench.status.commands_refused == refused + 4, 5)
    assert "missing: right_joint1" in bench.status.last_refusal
    bench.send(NEAR, session=1)
    bench.spin_until(lambda: "expected frame_id" in bench.status.last_refusal, 5)

    rival = bench.node.create_publisher(JointState, "joint_commands", qos.COMMAND)
    bench.spin(0.5)
    bench.drive(START, 0.5)
    assert bench.status.mode == DriverStatus.HOLDING
    assert "expected one publisher" in bench.status.last_refusal
    np.testing.assert_allclose(bench.positions, NEAR, atol=5e-3)
    bench.node.destroy_publisher(rival)

    log = bench.stop()
    assert bench.driver.returncode == 0, log
    assert "left arm on can_left holds; left_gripper_limits: [6.500, 0.000]" in log
    assert "right_gripper_limits: [6.400, -0.100]" in log
    assert "the arms are not folded" in log
    assert "a turn of its motor off" not in log  # both grippers stand far from their ends
    assert "Traceback" not in log
    for calls in eval((bench.folder / "calls.json").read_text()).values():
        assert calls[0] == "command_joint_pos"  # holds from the start
        assert calls[-1] == "close"
        assert calls[-2] == "command_joint_pos"
        assert not {"zero_torque_mode", "calibration"} & set(calls)


def test_a_lost_arm_is_a_latched_fault_and_clearing_begins_a_session(bench):
    bench.up("-p", "realtime_priority:=0")
    bench.drive(NEAR, 0.5)
    session = bench.status.session_id
    bench.do("stall", "can_right")
    bench.spin_until(lambda: bench.status.mode == DriverStatus.FAULT, 5)
    assert "right arm: nothing new from can_right" in bench.status.message
    bench.spin(0.3)
    bench.states.clear()
    bench.drive(NEAR, 0.3)
    assert not bench.states  # what is not measured is not said
    assert "clear_fault" in bench.status.last_refusal
    answer = bench.call(bench.clearing)
    assert not answer.success
    assert "the fault is still there" in answer.message
    assert not bench.call(bench.letting_go, data=True).success

    bench.do("resume", "can_right")
    bench.spin_until(lambda: bench.states, 5)
    bench.spin(0.5)
    assert bench.status.mode == DriverStatus.FAULT  # never by itself
    assert bench.call(bench.clearing).success
    bench.spin_until(lambda: bench.status.mode == DriverStatus.HOLDING, 5)
    assert bench.status.session_id > session
    bench.drive(START, 0.4, session=session)
    assert bench.status.mode == DriverStatus.HOLDING  # who commanded before is not obeyed
    bench.drive(NEAR, 0.5)
    assert bench.status.mode == DriverStatus.FOLLOWING

    bench.do("fail_bus", "can_left")
    bench.spin_until(lambda: bench.status.mode == DriverStatus.FAULT, 5)
    assert "left arm: its loop on can_left has ended" in bench.status.message
    log = bench.stop()
    assert bench.driver.returncode == 0, log
    assert "fault: left arm" in log


def test_letting_go_floats_and_taking_back_does_not_jump(bench):
    bench.up("-p", "realtime_priority:=0")
    bench.drive(NEAR, 0.5)
    assert not bench.call(bench.letting_go, data=True).success
    bench.spin_until(lambda: bench.status.mode == DriverStatus.HOLDING, 5)
    answer = bench.call(bench.letting_go, data=True)
    assert answer.success
    assert "float" in answer.message
    bench.spin_until(lambda: bench.status.mode == DriverStatus.RELEASED, 5)
    bench.do("push", "can_left", 1, 0.4)
    bench.spin_until(lambda: bench.positions[1] > NEAR[1] + 0.3, 5)
    bench.spin(0.2)
    moved = bench.positions
    assert bench.call(bench.letting_go, data=False).success
    bench.spin_until(lambda: bench.status.mode == DriverStatus.HOLDING, 5)
    bench.states.clear()
    bench.spin(0.5)
    arm_joints = [i for i in range(14) if i % 7 != 6]
    for state in bench.states:
        np.testing.assert_allclose(
            np.array(state.position)[arm_joints], moved[arm_joints], atol=2e-3
        )


def test_it_says_how_it_is(bench):
    heard = []
    bench.node.create_subscription(DiagnosticArray, "/diagnostics", heard.append, qos.DIAGNOSTICS)
    bench.up("-p", "realtime_priority:=0")
    bench.do("fail_bus", "can_left")

    def robot():
        found = [s for m in heard for s in m.status if s.name == "dreamzero/yam_driver: robot"]
        return found[-1] if found else None

    bench.spin_until(lambda: robot() and robot().level == b"\x02", 10)
    assert robot().message.startswith("fault: left arm")
    assert robot().hardware_id == "yam"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-p", "robot:=droid", *LIMITS], DRIVER, "parameter robot: expected yam, got 'droid'"),
        (["-p", "robot:=yam"], DRIVER, "left_gripper_limits is not set: with the jaws free"),
        (YAM_ARGUMENTS, WITHOUT_I2RT, "run: pip install --no-deps 'i2rt @ git+https://github.com"),
        ([*YAM_ARGUMENTS, "-p", "left_channel:=can_right"], DRIVER, "its own"),
        ([*YAM_ARGUMENTS, "-p", "left_channel:=can_l"], DRIVER, "no CAN interface 'can_l' here"),
        (
            [*YAM_ARGUMENTS, "-p", "left_gripper_limits:=[0.5, 0.0]"],
            DRIVER,
            "left gripper: motor travel 0.500 rad",
        ),
    ],
)
def test_a_bad_start_is_one_clear_line_and_an_end(bench, arguments, code, message):
    """Also where i2rt's threads, which are no daemons, would keep the process."""
    driver = bench.start(*arguments, code=code)
    _, log = driver.communicate(timeout=40)
    assert driver.returncode == 2, log
    assert message in log
    assert "Traceback" not in log


def test_calibration_happens_only_when_told(bench):
    bench.start("-p", "robot:=yam", "-p", "calibrate_grippers:=true")
    bench.spin_until(lambda: bench.statuses, 60)
    log = bench.stop()
    assert "left_gripper_limits: [6.570, 0.000]" in log
    for calls in eval((bench.folder / "calls.json").read_text()).values():
        assert calls[0] == "calibration"
