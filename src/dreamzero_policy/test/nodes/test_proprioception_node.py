"""The proprioception node as a process over real DDS: grid, names, sources, bad messages."""

import math
import time
from array import array
from pathlib import Path

import numpy as np
import pytest
import yaml
from dreamzero_msgs.msg import Proprioception
from sensor_msgs.msg import JointState

from dreamzero_policy.embodiments import get
from dreamzero_policy.messages.times import nanoseconds, time_message
from dreamzero_policy.nodes.proprioception_node import ProprioceptionParameters, parse_sources
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.parameters import resolve

pytestmark = pytest.mark.ros

DROID = get("droid")
NAMES = list(DROID.state_joints)
SPEED = 0.1  # rad/s, of every joint


class Joints:
    """A robot whose joints all move at SPEED from 0 at ``begin``; its gripper is half closed."""

    def __init__(self, bench, topic="joint_states", names=NAMES, rate=100.0):
        self.bench, self.names, self.begin = bench, list(names), bench.now_ns()
        self.bad = None
        self.publisher = bench.node.create_publisher(JointState, topic, qos.STATE)
        self.timer = bench.node.create_timer(1 / rate, self.publish)

    def publish(self):
        stamp = self.bench.now_ns()
        angle = SPEED * (stamp - self.begin) * 1e-9
        values = [0.02 if "finger" in name else angle for name in self.names]
        if self.bad is not None:
            values[1] = self.bad
        message = JointState(name=self.names, position=array("d", values))
        message.header.stamp = time_message(stamp)
        self.publisher.publish(message)


def test_states_are_on_the_grid_by_name_and_interpolated(bench, start):
    joints = Joints(bench, names=[*reversed(NAMES), "panda_finger_joint2"])
    states = bench.listen(Proprioception, "proprioception", qos.STATE)
    process = start("proprioception_node", robot="droid", ignored_joints="[panda_finger_joint2]")
    bench.spin_until(lambda: len(states) >= 45)

    grid = Grid(30)
    stamps = [nanoseconds(state.header.stamp) for state in states]
    assert all(grid.is_instant(stamp) for stamp in stamps)
    assert np.diff([grid.index_at(stamp) for stamp in stamps]).min() == 1  # none twice
    interpolated = 0
    for state, stamp in list(zip(states, stamps, strict=True))[1:]:
        assert state.names == NAMES
        assert state.sources == ["/joint_states"]
        age = nanoseconds(state.source_ages[0])
        expected = SPEED * (stamp - max(age, 0) - joints.begin) * 1e-9
        np.testing.assert_allclose(state.positions[:7], expected, atol=1e-9)
        assert state.positions[7] == pytest.approx(0.5)
        if age < 0:
            np.testing.assert_allclose(state.velocities[:7], SPEED, rtol=1e-6)
            interpolated += 1
    assert interpolated > len(states) / 4

    joints.bad = math.nan
    bench.spin_until(lambda: "no state: joint_states: last measurement is" in process.log)
    assert "expected finite positions, got {'panda_joint7': nan}" in process.log
    joints.bad = None
    bench.spin_until(lambda: "states again after" in process.log)
    assert process.stop() == 0


def test_a_robot_may_spread_its_joints_over_topics(bench, start):
    Joints(bench, "arm/joint_states", NAMES[:7])
    Joints(bench, "gripper/joint_states", NAMES[7:], rate=15.0)
    states = bench.listen(Proprioception, "proprioception", qos.STATE)
    sources = [
        f"arm/joint_states={','.join(NAMES[:7])}",
        f"gripper/joint_states={NAMES[7]}",
    ]
    process = start("proprioception_node", robot="droid", sources=str(sources).replace("'", '"'))
    bench.spin_until(lambda: len(states) >= 20)
    assert list(states[-1].sources) == ["/arm/joint_states", "/gripper/joint_states"]
    assert states[-1].positions[7] == pytest.approx(0.5)
    assert nanoseconds(states[-1].source_ages[1]) < 200_000_000
    assert process.stop() == 0


def test_the_first_message_must_bring_the_robots_joints(bench, start):
    wrong = [name.replace("panda", "fr3") for name in NAMES]
    Joints(bench, names=wrong)
    states = bench.listen(Proprioception, "proprioception", qos.STATE)
    process = start("proprioception_node", robot="droid")
    end = time.monotonic() + 20
    while process.child.poll() is None and time.monotonic() < end:
        bench.spin(0.1)
    assert process.wait() == 3
    assert "topic /joint_states does not fit robot droid: joint_states: expected 8" in process.log
    assert "  ! panda_joint1         ! fr3_joint1" in process.log
    assert not states


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"robot": "droyd"}, "unknown robot 'droyd'"),
        (
            {"robot": "droid", "rate_hz": 32},
            "parameter rate_hz: expected a multiple of the 5 Hz of the canvases, got 32",
        ),
        ({"robot": "droid", "sources": "[arm]"}, "expected topic=joint,joint,..."),
        (
            {"robot": "droid", "sources": '["arm=panda_joint1"]'},
            "droid: expected every joint from one source, got",
        ),
    ],
)
def test_a_wrong_setting_is_refused_at_start(start, parameters, complaint):
    process = start("proprioception_node", **parameters)
    assert process.wait() == 2
    assert complaint in process.log


def test_sources_are_written_as_topic_and_joints():
    assert parse_sources([]) is None
    assert parse_sources(["a/b = x, y", "c=z"]) == {"a/b": ("x", "y"), "c": ("z",)}


@pytest.mark.parametrize("texts", [["a"], ["=x"], ["a="], ["a=x,,y"], ["a=x", "a=y"]])
def test_a_source_without_topic_or_joints_is_refused(texts):
    with pytest.raises(ValueError, match="parameter sources: expected topic=joint"):
        parse_sources(texts)


def test_the_installed_settings_are_the_defaults():
    path = Path(__file__).resolve().parents[4] / "config" / "proprioception.yaml"
    if not path.is_file():
        pytest.skip(f"no {path}")
    installed = yaml.safe_load(path.read_text())["/**"]["ros__parameters"]
    defaults = resolve(ProprioceptionParameters, {"robot": "droid"})
    assert resolve(ProprioceptionParameters, {"robot": "droid", **installed}) == defaults
