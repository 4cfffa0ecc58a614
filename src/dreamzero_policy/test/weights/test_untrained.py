"""Invented statistics fit the robot that they are invented for."""

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.normalize import ModelVectors
from dreamzero_policy.weights import untrained


@pytest.mark.parametrize("name", embodiments.names())
def test_vectors_can_be_made_of_them(name):
    robot = embodiments.get(name)
    vectors = ModelVectors(
        robot, untrained.state_statistics(robot), untrained.action_statistics(robot)
    )
    state = robot.state_at_home()
    assert np.abs(vectors.state(state)).max() <= 1.0
    still = vectors.actions(np.zeros((4, 32)), state)
    columns = np.concatenate([[key.relative] * key.width for key in robot.action_keys])
    home = np.array(robot.home)
    assert np.allclose(still[:, columns], home[columns])  # zero is no motion where it is relative
    largest = vectors.actions(np.ones((4, 32)), state) - still
    assert 0 < largest[:, columns].max() <= 0.2


@pytest.mark.parametrize("name", embodiments.names())
def test_noise_three_times_as_large_keeps_what_a_controller_lets_through(name):
    """Row to row: 0.2 rad and 0.05 m; out of its range: a base by half of it."""
    robot = embodiments.get(name)
    vectors = ModelVectors(
        robot, untrained.state_statistics(robot), untrained.action_statistics(robot)
    )
    state = robot.state_at_home()
    up, down = (vectors.actions(np.full((1, 32), sign * 3.0), state)[0] for sign in (1, -1))
    for joint, high, low in zip(robot.joints, up, down, strict=True):
        if joint.kind in ("revolute", "prismatic"):
            assert high - low < {"revolute": 0.2, "prismatic": 0.05}[joint.kind]
        if joint.kind == "base":
            assert high - joint.upper < 0.5 * (joint.upper - joint.lower)
            assert joint.lower - low < 0.5 * (joint.upper - joint.lower)


def test_slow_joints_are_shaken_less():
    g1, droid = (embodiments.get(name) for name in ("agibot_g1", "droid"))
    arms = [untrained.action_statistics(robot) for robot in (g1, droid)]
    assert arms[0]["left_arm_joint_position"].q99 == pytest.approx(np.full(7, 0.01))
    assert arms[1]["joint_position"].q99 == pytest.approx(np.full(7, 0.03))
