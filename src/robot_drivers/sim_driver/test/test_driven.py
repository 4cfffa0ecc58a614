"""A simulated robot keeps the modes that a driver's node knows, in whatever scene it is."""

import numpy as np
import pytest

pytest.importorskip("dreamzero_msgs.msg", reason="modes are constants of a message")

from dreamzero_policy.ros.driver_robot import Mode
from sim_driver.driven import Driven
from sim_driver.hardware import SimulatedRobot
from sim_driver.models import robots

ROBOT = robots.get("droid")
HOME = np.array([joint.home for joint in ROBOT.joints])
NEAR = HOME + np.array([0.02] * 7 + [-0.01])
TICK_NS = 10_000_000


@pytest.fixture
def robot():
    return Driven(SimulatedRobot(ROBOT, 0, now_ns=0))


def test_modes_and_reasons(robot):
    assert robot.state == (Mode.HOLDING, "no command yet")
    robot.command(robot.joint_names, NEAR, 0)
    assert robot.state == (Mode.FOLLOWING, "")
    with pytest.raises(ValueError, match="end motion first"):
        robot.release()
    robot.advance(500_000_000, 1)
    assert robot.state == (Mode.HOLDING, "no command for 0.4 s")
    assert robot.release() == "it can be moved by hand"
    assert robot.state == (Mode.RELEASED, "released by the operator")
    robot.hold("somebody asks")
    assert robot.state[0] == Mode.RELEASED
    robot.take_back()
    assert robot.state == (Mode.HOLDING, "taken back; no command since")
    with pytest.raises(ValueError, match="no fault to clear"):
        robot.clear_fault()


def test_it_measures_at_the_instant_that_it_was_brought_to(robot):
    for step in range(1, 40):
        robot.command(robot.joint_names, NEAR, step * TICK_NS)
        reading = robot.advance(step * TICK_NS, 1000 + step)
        assert reading.stamp_ns == 1000 + step
    np.testing.assert_allclose(reading.positions, NEAR, atol=5e-3)
    assert reading.velocities.shape == NEAR.shape


def test_another_scene_takes_the_place_of_the_first(robot):
    robot.command(robot.joint_names, NEAR, 0)
    robot.advance(200_000_000, 0)
    robot.simulated = SimulatedRobot(ROBOT, 1, now_ns=200_000_000)
    assert robot.state == (Mode.HOLDING, "no command yet")
    np.testing.assert_allclose(robot.advance(210_000_000, 0).positions, HOME, atol=1e-3)
