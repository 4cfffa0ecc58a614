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
