"""What an operator is told to look for, from the simulated robots."""

import numpy as np
import pytest

from dreamzero_bringup.walk import seen
from dreamzero_policy import embodiments

pytest.importorskip("mujoco")


@pytest.mark.parametrize(
    ("robot", "joint", "amount", "words"),
    [
        ("yam", "left_joint1", 0.05, "the LEFT hand moves 1.3 cm to the left"),
        ("yam", "right_joint3", 0.05, "the RIGHT hand moves 2.5 cm up"),
        ("yam", "left_gripper", -0.5, "the LEFT gripper CLOSES half way"),
        ("agibot_g1", "left_gripper_joint1", 0.5, "the LEFT gripper CLOSES half way"),
        ("agibot_g1", "waist_lift_joint", -0.01,
         "the LEFT hand and the RIGHT hand move 1.0 cm down"),
        ("agibot_g1", "head_yaw_joint", 0.05, "the head looks further to its left"),
        ("agibot_g1", "head_pitch_joint", 0.05, "the head looks further down"),
        ("agibot_g1", "base_forward", 0.04, "the whole robot rolls ahead"),
        ("droid", "panda_joint1", 0.05, "the hand moves 1.8 cm to the left"),
        ("droid", "panda_joint1", -0.05, "the hand moves 1.8 cm to the right"),
        ("droid", "panda_finger_joint1", 0.5, "the gripper CLOSES half way"),
    ],
)  # fmt: skip
def test_words_at_home(robot, joint, amount, words):
    layout = embodiments.get(robot)
    assert seen.motion(layout, np.array(layout.home), joint, amount) == words


def test_an_open_gripper_is_told_from_a_closed_one():
    layout = embodiments.get("droid")
    pose = np.array(layout.home)
    pose[-1] = 1.0
    assert seen.motion(layout, pose, "panda_finger_joint1", -0.5) == "the gripper OPENS half way"
