"""Arms that are taken to be elsewhere: which joints, by how much, and that they come back."""

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.mixture.displacement import Displacement

ROWS = 24


@pytest.mark.parametrize("name", ["droid", "yam", "agibot_g1"])
def test_moving_joints_of_arms_are_moved_alike_in_state_and_action(name):
    robot = embodiments.get(name)
    span = np.ones(len(robot.state_joints))
    resting = robot.state_joints[1]
    span[1] = 0.001
    states, actions = Displacement(robot, span, 0.1).draw(ROWS, np.random.default_rng(0))
    assert states.shape == (ROWS, len(robot.state_joints))
    assert actions.shape == (ROWS, len(robot.action_joints))
    kinds = {joint.name: joint.kind for joint in robot.joints}
    for column, joint in enumerate(robot.action_joints):
        moved = actions[:, column].any()
        assert moved == (kinds[joint] == "revolute" and joint != resting), joint
        if moved:
            in_state = states[:, robot.state_joints.index(joint)]
            np.testing.assert_array_equal(in_state, actions[:, column])


def test_offsets_are_whole_at_first_shrink_and_are_gone_from_the_middle_on():
    robot = embodiments.get("droid")
    draw = Displacement(robot, np.ones(len(robot.state_joints)), 0.1).draw
    rng = np.random.default_rng(1)
    many = np.stack([draw(ROWS, rng)[0][:, :7] for _ in range(2000)])
    assert many[:, 0].std() == pytest.approx(0.1, rel=0.05)
    assert abs(many[:, 0].mean()) < 0.01
    assert (np.abs(np.diff(many, axis=1)).max(axis=1) < 0.2 * np.abs(many[:, 0])).all()
    assert (np.diff(np.abs(many), axis=1) <= 1e-12).all()
    assert not many[:, ROWS // 2 :].any()
