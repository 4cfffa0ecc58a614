"""What nodes say of their health on /diagnostics, over DDS; and the words it is made of."""

import subprocess
import sys

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from dreamzero_msgs.msg import DriverStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from sensor_msgs.msg import Image, JointState

from dreamzero_policy.embodiments import get
from dreamzero_policy.messages.images import image_message
from dreamzero_policy.messages.times import time_message
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.diagnostics import (
    Diagnosis,
    Level,
    ProcessUse,
    Rates,
    diagnostic_array,
    driver_diagnosis,
    worst,
)

DROID = get("droid")
VIEWS = [view.name for view in DROID.views]


def test_the_message_is_what_ros_tools_show():
    message = diagnostic_array(
        "controller",
        "droid",
        [
            Diagnosis("control loop", Level.OK, "fine"),
            Diagnosis(
                "gate",
                Level.WARN,
                "late",
                {"ticks": 3, "late_s": 0.123456, "on": True, "joints": ["a", "b"], "none": ()},
            ),
        ],
        1_500_000_000,
    )
    assert message.header.stamp.nanosec == 500_000_000
    fine, late = message.status
    assert (fine.name, fine.hardware_id) == ("dreamzero/controller: control loop", "droid")
    assert (fine.level, late.level) == (b"\x00", b"\x01")
    assert {pair.key: pair.value for pair in late.values} == {
        "ticks": "3",
        "late_s": "0.1235",
        "on": "yes",
        "joints": "a, b",
        "none": "",
    }


def test_the_worst_finding_counts_and_all_of_its_level_are_said():
    assert worst([], "fine") == (Level.OK, "fine")
    found = [(Level.WARN, "slow"), (Level.ERROR, "stale"), (Level.ERROR, "frozen")]
    assert worst(found, "fine") == (Level.ERROR, "stale; frozen")


def test_a_part_of_a_sleeping_node_is_stale():
    assert Diagnosis("x", Level.ERROR, "old", {"a": 1}).asleep() == Diagnosis(
        "x", Level.STALE, "inactive; old", {"a": 1}
    )


def test_rates_are_counts_over_the_time_between_two_calls():
    rates = Rates()
    assert rates.per_second({"a": 100}, 10**9) == {"a": 0.0}
    assert rates.per_second({"a": 130, "b": 4}, 3 * 10**9) == {"a": 15.0, "b": 2.0}
    assert rates.per_second({"a": 130}, 3 * 10**9) == {"a": 0.0}  # no time has passed
    assert rates.per_second({"a": 0}, 4 * 10**9) == {"a": 0.0}  # began anew


def test_process_use_is_of_this_process():
    use = ProcessUse()
    sum(range(2_000_000))
    values = use.values()
    assert 10.0 < values["cpu_percent"] < 150.0
    assert values["peak_memory_mib"] > 10.0
    assert values["pid"] > 1


@pytest.mark.parametrize(
    ("status", "refused_hz", "level", "message"),
    [
        ({"mode": DriverStatus.FOLLOWING}, 0.0, Level.OK, "following commands"),
        ({"message": "no command yet"}, 0.0, Level.OK, "holding: no command yet"),
        ({"last_refusal": "two of them"}, 9.0, Level.WARN, "refuses commands: two of them"),
        ({"mode": DriverStatus.RELEASED, "message": "limp"}, 0.0, Level.WARN, "released: limp"),
        ({"mode": DriverStatus.FAULT, "message": "reflex"}, 9.0, Level.ERROR, "fault: reflex"),
    ],
)
def test_a_driver_says_what_it_does(status, refused_hz, level, message):
    found = driver_diagnosis(DriverStatus(**status), {"commands": 30.0}, refused_hz)
    assert (found.level, found.message, found.values["commands_hz"]) == (level, message, 30.0)


def newest(messages, name):
    """The last status called ``dreamzero/<name>``; None where there is none."""
    for message in reversed(messages):
        for status in message.status:
            if status.name == f"dreamzero/{name}":
                return status
    return None


def says(messages, name, level, text):
    """Whether the last status of that name has the level and the text."""
    status = newest(messages, name)
    return status is not None and status.level == bytes([level]) and text in status.message


def figures(messages, name):
    return {pair.key: pair.value for pair in newest(messages, name).values}


class Robot:
    """Cameras and joints of a robot; each can be switched off."""

    def __init__(self, bench):
        self.bench, self.off, self.black, self.rng = bench, set(), set(), np.random.default_rng(0)
        publish = bench.node.create_publisher
        self.images = {v: publish(Image, f"{v}/image_raw", qos.CAMERA) for v in VIEWS}
        self.joints = publish(JointState, "joint_states", qos.STATE)
        self.timers = [
            bench.node.create_timer(1 / 15, self.film),
            bench.node.create_timer(1 / 50, self.measure),
        ]

    def film(self):
        for view in VIEWS:
            if view not in self.off:
                most = 2 if view in self.black else 255
                pixels = self.rng.integers(0, most, (*DROID.native_size, 3), dtype=np.uint8)
                self.images[view].publish(image_message(self.bench.now_ns(), view, pixels))

    def measure(self):
        if "joint_states" not in self.off:
            message = JointState(name=list(DROID.state_joints))
            message.header.stamp = time_message(self.bench.now_ns())
            message.position = [
                DROID.joint(name).state_wire.to_wire(value)
                for name, value in zip(DROID.state_joints, DROID.state_at_home(), strict=True)
            ]
            self.joints.publish(message)


@pytest.mark.ros
def test_the_tiler_says_how_its_cameras_are(bench, start):
    robot = Robot(bench)
    robot.black.add("exterior_2")
    heard = bench.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
    process = start("camera_tiler_node", robot="droid")
    bench.spin_until(lambda: says(heard, "camera_tiler: view wrist", Level.OK, " Hz"))
    bench.spin_until(lambda: says(heard, "camera_tiler: canvases", Level.OK, " Hz"))
    bench.spin_until(lambda: says(heard, "camera_tiler: view exterior_2", Level.WARN, "black"))
    assert newest(heard, "camera_tiler: node").message == "active"
    assert newest(heard, "camera_tiler: canvases").hardware_id == "droid"
    bench.spin(1.1)
    wrist = figures(heard, "camera_tiler: view wrist")
    assert wrist["topic"] == "/wrist/image_raw"
    assert wrist["frame_id"] == "wrist"
    assert 5.0 < float(wrist["rate_hz"]) < 20.0
    assert float(wrist["age_s"]) < 0.5

    robot.off.add("wrist")
    bench.spin_until(lambda: says(heard, "camera_tiler: view wrist", Level.ERROR, "stale: "))
    bench.spin_until(
        lambda: says(heard, "camera_tiler: canvases", Level.ERROR, "no canvases: wrist: newest")
    )
    assert int(figures(heard, "camera_tiler: canvases")["withheld_stale"]) > 0
    heard.clear()
    bench.spin(3.0)
    assert 2 <= len(heard) <= 4  # one message a second
    assert process.stop() == 0


@pytest.mark.ros
def test_the_proprioception_says_how_its_sources_are(bench, start):
    robot = Robot(bench)
    heard = bench.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
    process = start("proprioception_node", robot="droid")
    source = "proprioception: source joint_states"
    bench.spin_until(lambda: says(heard, source, Level.OK, " Hz"))
    bench.spin_until(lambda: says(heard, "proprioception: states", Level.OK, " Hz"))
    bench.spin(1.1)
    assert 20.0 < float(figures(heard, source)["rate_hz"]) < 60.0
    misfit = JointState(name=["thumb"], position=[0.0])
    misfit.header.stamp = time_message(bench.now_ns())
    robot.off.add("joint_states")
    robot.joints.publish(misfit)
    bench.spin_until(lambda: says(heard, source, Level.ERROR, "stale: "))
    assert "expected 8 joints, got 1" in newest(heard, source).message
    assert figures(heard, source)["messages_refused"] == "1"
    robot.off.clear()
    bench.spin_until(lambda: says(heard, source, Level.OK, " Hz"))
    assert process.stop() == 0


@pytest.mark.ros
def test_a_node_reports_in_every_state_of_its_life(bench, start):
    heard = bench.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
    process = start("camera_tiler_node", robot="droid", autostart="false")
    bench.spin_until(lambda: says(heard, "camera_tiler: node", Level.STALE, "unconfigured"))
    assert newest(heard, "camera_tiler: canvases") is None

    client = bench.node.create_client(ChangeState, "camera_tiler/change_state")
    bench.spin_until(client.service_is_ready)

    def change(transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        answer = client.call_async(request)
        bench.spin_until(answer.done)
        assert answer.result().success

    change(Transition.TRANSITION_CONFIGURE)
    bench.spin_until(lambda: says(heard, "camera_tiler: node", Level.STALE, "inactive"))
    assert says(heard, "camera_tiler: canvases", Level.STALE, "inactive; ")
    change(Transition.TRANSITION_ACTIVATE)
    bench.spin_until(lambda: says(heard, "camera_tiler: node", Level.OK, "active"))
    change(Transition.TRANSITION_DEACTIVATE)
    change(Transition.TRANSITION_CLEANUP)
    bench.spin_until(lambda: says(heard, "camera_tiler: node", Level.STALE, "unconfigured"))
    assert process.stop() == 0


@pytest.mark.ros
def test_the_controller_says_what_it_waits_for(bench, start):
    heard = bench.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
    process = start("controller_node", robot="droid")
    loop = "controller: control loop"
    bench.spin_until(lambda: says(heard, loop, Level.OK, "inactive, not_enabled"))
    bench.spin_until(lambda: says(heard, "controller: watchdogs", Level.WARN, "state: no pose yet"))
    assert float(figures(heard, loop)["tick_cpu_s"]) > 0.0
    assert says(heard, "controller: chunks", Level.OK, "none in force")
    assert process.stop() == 0


@pytest.mark.ros
@pytest.mark.slow
def test_the_policy_says_that_nobody_trained_it(bench, start):
    heard = bench.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
    process = start("policy_node", robot="droid")
    what, weights = "policy: instruction", "policy: weights"
    bench.spin_until(lambda: says(heard, what, Level.OK, "idle: ready"), 60.0)
    assert says(heard, weights, Level.WARN, "untrained weights: ")
    assert says(heard, "policy: latency", Level.OK, "no call yet")
    assert process.stop() == 0


BROKEN = """
import sys
from dreamzero_policy.ros.lifecycle import Node, run
from dreamzero_policy.ros.parameters import NodeParameters

class Probe(Node[NodeParameters]):
    def __init__(self):
        super().__init__("probe", NodeParameters)
    def _diagnose(self):
        raise KeyError("oops")

sys.exit(run(Probe))
"""


@pytest.mark.ros
def test_a_bug_in_a_diagnosis_is_reported_and_does_not_end_the_node(bench):
    heard = bench.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
    child = subprocess.Popen(
        [sys.executable, "-c", BROKEN, "--ros-args", "-p", "robot:=droid"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        bench.spin_until(lambda: says(heard, "probe: diagnostics", Level.ERROR, "KeyError: 'oops'"))
        heard.clear()
        bench.spin_until(lambda: says(heard, "probe: node", Level.OK, "active"))
    finally:
        child.terminate()
        _, log = child.communicate(timeout=20)
    assert child.returncode == 0
    assert "could not diagnose" in log
