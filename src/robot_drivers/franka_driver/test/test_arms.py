"""Each arm by its own table."""

import numpy as np
import pytest

from dreamzero_policy.embodiments.droid import DROID
from franka_driver.arms import ARMS, FER, FR3

NAMES = DROID.action_joints[:7]
HOME = np.array(DROID.home[:7])


def test_the_home_pose_is_legal_on_both():
    for arm in ARMS.values():
        np.testing.assert_array_equal(arm.check(NAMES, HOME), HOME)


@pytest.mark.parametrize(
    ("joint", "value", "arm"), [(5, 0.3, FR3), (0, 2.8, FR3), (5, 4.0, FER), (1, -1.77, FER)]
)
def test_a_pose_legal_on_the_other_arm_is_refused_by_name(joint, value, arm):
    pose = HOME.copy()
    pose[joint] = value
    other = FER if arm is FR3 else FR3
    other.check(NAMES, pose)
    with pytest.raises(ValueError, match=rf"panda_joint{joint + 1}: command .* of the {arm.name}"):
        arm.check(NAMES, pose)


def test_rounding_is_no_breach_and_is_cut_off():
    pose = HOME.copy()
    pose[0] = FR3.upper[0] + 5e-7
    assert FR3.check(NAMES, pose)[0] == FR3.upper[0]


def test_the_embodiment_is_inside_both_tables():
    """What the controller may command is refused by neither arm."""
    for arm in ARMS.values():
        for joint, low, high, speed in zip(
            DROID.joints, arm.lower, arm.upper, arm.velocity, strict=False
        ):
            assert low <= joint.lower < joint.upper <= high
            assert joint.velocity <= speed
