"""The expert at the leader's place: home until it begins, then its task, on the leader's topic."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("sim_driver.virtual")

from dreamzero_msgs import msg as dz

from dreamzero_bringup.expert import RATE_HZ, ExpertTeleop
from dreamzero_policy.messages.joints import targets_from_message
from dreamzero_policy.types import NS_PER_S
from sim_driver.virtual import VirtualRobot

START = 1_700_000_000 * NS_PER_S


class FakeNode:
    """Keeps what a node is asked for; a test turns its clock and its timer."""

    def __init__(self):
        self.now_ns, self.sent, self.topics, self.heard = START, [], [], {}

    def create_publisher(self, kind, topic, profile):
        self.topics.append(topic)
        return SimpleNamespace(publish=self.sent.append)

    def create_subscription(self, kind, topic, callback, profile):
        self.heard[topic] = callback

    def create_timer(self, period, callback):
        assert period == pytest.approx(1 / RATE_HZ)
        self.tick = callback

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=self.now_ns))


def status(robot, **changes):
    judge = robot.judge
    fields = {
        "robot": robot.embodiment.name,
        "task": judge.task.name,
        "seed": judge.seed,
        "choice": judge.index,
        "scene_state": robot.scene_state.tolist(),
    }
    return dz.TaskStatus(**{**fields, **changes})


@pytest.mark.parametrize(("name", "task"), [("droid", "push"), ("agibot_g1", "stack")])
def test_it_stands_where_the_task_begins_and_then_does_it(name, task):
    robot, node = VirtualRobot(name, task, 1), FakeNode()
    teleop = ExpertTeleop(node, robot.embodiment)
    assert node.topics == ["teleop/joint_commands"]
    node.heard["task_status"](status(robot))
    node.tick()
    at_home = targets_from_message(robot.embodiment, node.sent[0])
    assert at_home.stamp_ns == START
    assert not any("base" in joint for joint in at_home.names)
    home = dict(zip(robot.embodiment.action_joints, robot.embodiment.home, strict=True))
    np.testing.assert_allclose(at_home.positions, [home[n] for n in at_home.names], atol=1e-9)

    teleop.prepare(seed=0)
    node.tick()
    np.testing.assert_allclose(node.sent[-1].position, node.sent[0].position, atol=1e-9)
    teleop.begin()
    if name == "agibot_g1":  # the long way through is the other robot's
        for _ in range(60):
            node.now_ns += round(NS_PER_S / RATE_HZ)
            node.tick()
        assert not np.allclose(node.sent[-1].position, node.sent[0].position)
        return
    while not teleop.finished and robot.seconds < 30.0:
        node.tick()
        targets = targets_from_message(robot.embodiment, node.sent[-1])
        robot.step(targets.positions)
        node.heard["task_status"](status(robot))
        node.now_ns += round(NS_PER_S / RATE_HZ)
    assert teleop.trouble == ""
    assert robot.verdict.success
    teleop.prepare(seed=1)
    node.tick()
    np.testing.assert_allclose(node.sent[-1].position, node.sent[0].position)


@pytest.mark.parametrize("name", ["agibot_g1", "yam"])
def test_where_an_arm_begins_ready_it_stands_so(name):
    robot, node = VirtualRobot(name, "reach", 1), FakeNode()
    teleop = ExpertTeleop(node, robot.embodiment)
    node.heard["task_status"](status(robot))
    node.tick()
    teleop.prepare(seed=0)
    node.tick()
    targets = targets_from_message(robot.embodiment, node.sent[-1])
    states = dict(zip(robot.embodiment.state_joints, robot.state, strict=True))
    measured = [states[name] for name in targets.names]
    np.testing.assert_allclose(targets.positions, measured, atol=0.02)
    assert not np.allclose(node.sent[-1].position, node.sent[0].position, atol=0.5)


def test_a_scene_of_another_version_is_refused():
    robot, node = VirtualRobot("droid", "push", 1), FakeNode()
    teleop = ExpertTeleop(node, robot.embodiment)
    node.heard["task_status"](status(robot, scene_state=[0.0] * 5))
    with pytest.raises(ValueError, match="the scene has 5 positions, but push with seed 1 has 23"):
        teleop.prepare(0)
    node.heard["task_status"](status(robot, task="fold"))
    with pytest.raises(ValueError, match="no task 'fold' for droid"):
        teleop.prepare(0)
