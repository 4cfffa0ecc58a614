"""A robot over DDS that does everything wrong, and what the doctor hears of it."""

import threading
import time
from array import array
from contextlib import suppress

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and the built workspace")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from dreamzero_msgs.msg import DriverStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sensor_msgs.msg import Image, JointState

from dreamzero_bringup.doctor import camera_checks, connection_checks, joint_checks, stream_checks
from dreamzero_bringup.doctor.finding import Level
from dreamzero_bringup.domain import DomainClaim
from dreamzero_bringup.facts.expected import Expected
from dreamzero_bringup.facts.listen import listen
from dreamzero_policy.embodiments.droid import DROID
from dreamzero_policy.messages.images import image_message
from dreamzero_policy.messages.times import time_message
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S

pytestmark = [pytest.mark.ros, pytest.mark.timeout(120)]

EXPECTED = Expected(DROID, sources={"joint_states": DROID.state_joints})


class FakeRobot:
    """Publishes at 30 Hz from a thread of its own what its ``publish`` sends."""

    def __init__(self, domain_id, name="fake_driver"):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = rclpy.create_node(name, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._sends = []
        self.node.create_timer(1 / 30, lambda: [send() for send in self._sends])
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self):
        with suppress(ExternalShutdownException):
            self._executor.spin()

    def send(self, kind, topic, profile, make):
        """Sends ``make(stamp_ns)`` 30 times a second."""
        publisher = self.node.create_publisher(kind, topic, profile)
        self._sends.append(lambda: publisher.publish(make(time.time_ns())))

    def close(self):
        self._executor.shutdown(timeout_sec=2.0)
        self._thread.join(5.0)
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def domain_id(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    claim = DomainClaim()
    yield claim.domain_id
    claim.release()


@pytest.fixture
def robots(domain_id):
    made = []

    def make(name="fake_driver"):
        made.append(FakeRobot(domain_id, name))
        return made[-1]

    yield make
    for robot in made:
        robot.close()


def pixels(width, height, shade=None):
    if shade is not None:
        return np.full((height, width, 3), shade, np.uint8)
    return np.random.default_rng().integers(0, 256, (height, width, 3), dtype=np.uint8)


def joint_state(names, stamp_ns):
    home = dict(zip(DROID.action_joints, DROID.home, strict=True))
    wire = [DROID.joint(n).state_wire.to_wire(home[n]) if n in home else 0.0 for n in names]
    message = JointState(name=list(names), position=array("d", wire))
    message.header.stamp = time_message(stamp_ns)
    return message


def test_a_robot_that_does_everything_wrong(robots, domain_id, complaints):
    driver, other = robots(), robots("other_commander")
    # the wrist is of another shape, one camera of unknown colours and late, one is not there
    driver.send(
        Image,
        "wrist/image_raw",
        qos.CAMERA,
        lambda now: image_message(now, "wrist", pixels(320, 240)),
    )

    def strange(now):
        message = image_message(now - NS_PER_S, "", pixels(320, 180, 0))
        message.encoding = "8UC3"
        return message

    driver.send(Image, "exterior_1/image_raw", qos.CAMERA, strange)
    driver.send(
        Image,
        "camera_left/color",
        qos.CAMERA,
        lambda now: image_message(now, "left", pixels(64, 36)),
    )
    # joints 1 and 2 in each other's place, joint 3 missing, stamps 1 s in the past
    names = [DROID.state_joints[i] for i in (1, 0, 3, 4, 5, 6, 7)]
    driver.send(
        JointState, "joint_states", qos.STATE, lambda now: joint_state(names, now - NS_PER_S)
    )
    # best effort, where the controller asks for a reliable and latched status
    fault = DriverStatus(session_id=5, mode=DriverStatus.FAULT, message="reflex")
    driver.send(DriverStatus, "driver_status", qos.CAMERA, lambda _: fault)
    driver.node.create_subscription(JointState, "joint_commands", lambda _: None, qos.COMMAND)
    for node in (driver.node, other.node):
        node.create_publisher(JointState, "joint_commands", qos.COMMAND)
    diagnostics = driver.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    status = DiagnosticStatus(level=DiagnosticStatus.ERROR, name="arm", message="too hot")
    driver.node.create_timer(0.2, lambda: diagnostics.publish(DiagnosticArray(status=[status])))

    live = listen(domain_id, EXPECTED, seconds=2.0, patience_s=3.0)

    assert live.anything
    assert live.nodes == ("/fake_driver", "/other_commander")
    cameras = {
        view: complaints(camera_checks.check(view, camera, EXPECTED))
        for view, camera in live.cameras.items()
    }
    assert "320x240" in cameras["wrist"]["wrist: size"].found
    left = cameras["exterior_1"]
    assert "8UC3" in left["exterior_1: encoding"].found
    assert "old on arrival" in left["exterior_1: stamps"].found
    assert left["exterior_1: frame_id"].level is Level.WARN
    absent = cameras["exterior_2"]["exterior_2"]
    assert "others there are: /camera_left/color" in absent.found
    assert "exterior_2/image_raw:=/camera_left/color" in absent.fix

    joints = complaints(joint_checks.check("joint_states", live.joints["joint_states"], EXPECTED))
    names_row = joints["joint_states: joints"]
    assert names_row.level is Level.FAIL
    assert names_row.found.startswith("missing: panda_joint3")
    assert "panda_joint1         panda_joint1   < number 2" in names_row.found
    assert "old on arrival" in joints["joint_states: stamps"].found
    assert 5 < live.joints["joint_states"].stream.rate_hz < 40

    said = complaints(connection_checks.driver(live.driver))
    assert said["driver"].found == "FAULT: reflex"
    commands = complaints(connection_checks.commands(live))
    assert "/fake_driver, /other_commander" in commands["joint_commands"].found
    (mismatch,) = connection_checks.quality(live.mismatches)
    assert mismatch.what == "QoS: /driver_status"
    assert "/fake_driver offers BEST_EFFORT, VOLATILE" in mismatch.found
    assert "RELIABLE, TRANSIENT_LOCAL" in mismatch.fix
    (diagnosis,) = live.diagnoses
    assert (diagnosis.level, diagnosis.name, diagnosis.message) == ("ERROR", "arm", "too hot")

    clocks = list(stream_checks.clocks(live.streams))
    assert [clock.what for clock in clocks] == ["clock: this host"]


def test_a_subscriber_that_asks_for_more_than_we_offer(robots, domain_id):
    robot = robots()
    robot.send(
        JointState, "joint_states", qos.STATE, lambda now: joint_state(DROID.state_joints, now)
    )
    robot.node.create_subscription(JointState, "joint_commands", lambda _: None, qos.STATUS)
    live = listen(domain_id, EXPECTED, seconds=0.3, patience_s=2.0)
    (mismatch,) = connection_checks.quality(live.mismatches)
    assert mismatch.fix == "let /fake_driver subscribe to /joint_commands as RELIABLE, VOLATILE"


def test_nothing_is_published_by_the_doctor(robots, domain_id):
    robot = robots()
    robot.send(
        JointState, "joint_states", qos.STATE, lambda now: joint_state(DROID.state_joints, now)
    )
    seen = set()

    def look():
        for name, space in robot.node.get_node_names_and_namespaces():
            if name.startswith("dreamzero_doctor"):
                found = robot.node.get_publisher_names_and_types_by_node(name, space)
                seen.update(topic for topic, _ in found)

    robot.node.create_timer(0.05, look)
    listen(domain_id, EXPECTED, seconds=1.0, patience_s=2.0)
    assert seen <= {"/rosout", "/parameter_events"}
    assert seen


def test_silence(domain_id):
    began = time.monotonic()
    live = listen(domain_id, EXPECTED, seconds=60.0, patience_s=0.5)
    assert not live.anything
    assert time.monotonic() - began < 30.0
