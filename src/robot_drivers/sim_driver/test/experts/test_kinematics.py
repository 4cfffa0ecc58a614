"""Inverse kinematics agrees with MuJoCo's forward kinematics, and says what is out of reach."""

import mujoco
import numpy as np
import pytest

from sim_driver import scene
from sim_driver.experts.kinematics import Arm, Grip
from sim_driver.models import robots


def made(name, index):
    robot = robots.get(name)
    model = scene.build(robot, 0, ())
    arm = robot.arms[index]
    ranges = np.array([model.joint(joint).range for joint in arm.joints])
    return Arm(model, arm, *ranges.T), mujoco.MjData(model), model


@pytest.mark.parametrize(
    ("name", "index"), [("droid", 0), ("yam", 0), ("yam", 1), ("agibot_g1", 0), ("agibot_g1", 1)]
)
def test_hands_arrive_all_over_their_part_of_the_table(name, index):
    arm, data, model = made(name, index)
    robot = robots.get(name)
    for joint in robot.joints:
        data.qpos[model.joint(joint.measured).qposadr[0]] = joint.home
    ready = np.array(arm.arm.ready)
    easy = arm.grip(data, ready).yaw
    for x in np.linspace(*arm.arm.x, 3):
        for y in np.linspace(*arm.arm.y, 3):
            for z in (0.02, 0.1):
                wanted = Grip(np.array([x, y, z]), easy + 0.3)
                joints = arm.solve(data, wanted, ready)
                got = arm.grip(data, joints)
                np.testing.assert_allclose(got.place, wanted.place, atol=2e-3)
                assert np.angle(np.exp(1j * (got.yaw - wanted.yaw))) == pytest.approx(0, abs=0.02)
                hand = data.site(arm.arm.tcp).xmat.reshape(3, 3)
                assert abs((hand @ arm.arm.across)[2]) < 0.02  # the fingers open level
                assert (hand @ arm.arm.approach)[2] < -0.8  # and point down


def test_out_of_reach_is_said_with_how_far_off():
    arm, data, _ = made("droid", 0)
    with pytest.raises(ValueError, match=r"the arm cannot reach \[1.5, 0.0, 0.1\].*nearest") as e:
        arm.solve(data, Grip(np.array([1.5, 0.0, 0.1]), 0.0), np.array(arm.arm.ready))
    assert "m or" in str(e.value)
