"""A task scene in virtual time: vectors in model units, pictures at the size that is asked for."""

import numpy as np
import pytest

from sim_driver.cameras import RenderingUnavailableError
from sim_driver.models import robots
from sim_driver.virtual import VirtualRobot


@pytest.mark.parametrize("name", robots.names())
def test_it_starts_at_home_and_follows_actions(name):
    robot = VirtualRobot(name, "stack", 0)
    home = np.array(robot.embodiment.home)
    np.testing.assert_allclose(robot.state, robot.embodiment.state_at_home(), atol=3e-3)
    action = home.copy()
    joint = 0
    action[joint] += 0.05
    for _ in range(30):
        robot.step(action)
    assert robot.seconds == pytest.approx(1.0)
    assert robot.verdict.elapsed_s == pytest.approx(1.0, abs=0.03)
    index = robot.embodiment.state_joints.index(robot.embodiment.action_joints[joint])
    assert robot.state[index] == pytest.approx(action[joint], abs=3e-3)


def test_a_bad_action_changes_nothing():
    robot = VirtualRobot("droid", "push", 0)
    before = robot.scene_state
    with pytest.raises(ValueError, match="expected 8 values"):
        robot.step(np.zeros(7))
    with pytest.raises(ValueError, match="panda_joint1: command is nan"):
        robot.step(np.full(8, np.nan))
    assert robot.seconds == 0.0
    assert robot.scene_state.tobytes() == before.tobytes()


def test_a_base_rolls():
    robot = VirtualRobot("agibot_g1", "push", 0)
    action = np.array(robot.embodiment.home)
    action[robot.embodiment.action_joints.index("base_forward")] = -0.1
    for _ in range(30):
        robot.step(action)
    assert robot._robot.base_place[0] < -0.05


@pytest.mark.parametrize(("size", "shape"), [(None, (180, 320, 3)), ((88, 160), (88, 160, 3))])
def test_pictures(size, shape):
    robot = VirtualRobot("droid", "wipe", 0, picture_size=size)
    try:
        pictures = robot.see()
    except RenderingUnavailableError as error:
        pytest.skip(str(error))
    assert set(pictures) == {"exterior_1", "exterior_2", "wrist"}
    for picture in pictures.values():
        assert (picture.shape, picture.dtype) == (shape, np.uint8)
        assert picture.std() > 10
    robot.close()
    again = robot.see()
    assert all((again[view] == pictures[view]).all() for view in pictures)
    robot.close()


def test_bad_names_and_sizes():
    with pytest.raises(ValueError, match="unknown robot 'ur5'"):
        VirtualRobot("ur5", "stack", 0)
    with pytest.raises(ValueError, match="no task 'carry' for droid"):
        VirtualRobot("droid", "carry", 0)
    with pytest.raises(ValueError, match="choice: expected at most 5"):
        VirtualRobot("droid", "stack", 0, choice=6)
