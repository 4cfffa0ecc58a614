"""Joints there and back in the drivers' units, and what a message of them can get wrong."""

from array import array
from dataclasses import replace

import numpy as np
import pytest
from sensor_msgs.msg import JointState

from dreamzero_policy import embodiments
from dreamzero_policy.messages.joints import (
    Proprioception,
    base_message,
    base_velocities,
    command_message,
    joint_positions,
    proprioception_from_message,
    proprioception_message,
    targets_from_message,
)

ROBOT = embodiments.get("droid")


def test_proprioception_comes_back_equal():
    state = Proprioception(
        10**18, ("a", "b"), np.array([0.1, -2.0]), np.array([3.0, 0.5]), {"joints": -5, "hand": 7}
    )
    back = proprioception_from_message(proprioception_message(state))
    assert back._replace(positions=0, velocities=0) == state._replace(positions=0, velocities=0)
    np.testing.assert_array_equal(back.positions, state.positions)
    np.testing.assert_array_equal(back.velocities, state.velocities)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"positions": array("d", [1.0])},
            "positions: expected 2 values, one for each of a, b, got",
        ),
        ({"velocities": array("d")}, "velocities: expected 2 values"),
        ({"sources": ["x"]}, "expected one age per source, got 0 ages for 1 sources"),
    ],
)
def test_a_proprioception_message_of_the_wrong_shape_is_refused(change, why):
    state = Proprioception(1, ("a", "b"), np.zeros(2), np.zeros(2), {})
    message = proprioception_message(state)
    for field, value in change.items():
        setattr(message, field, value)
    with pytest.raises(ValueError, match=why):
        proprioception_from_message(message)


def test_a_command_is_in_the_drivers_units():
    command = np.array(ROBOT.home)
    command[-1] = 0.25
    message = command_message(ROBOT, 3, command)
    assert tuple(message.name) == ROBOT.action_joints
    np.testing.assert_allclose(message.position[:7], ROBOT.home[:7])
    assert message.position[7] == pytest.approx(0.03)
    back = joint_positions(message)
    assert (back.stamp_ns, back.names) == (3, ROBOT.action_joints)
    with pytest.raises(ValueError, match="command: expected 8 values"):
        command_message(ROBOT, 3, command[:7])


def test_a_command_names_the_session_of_its_driver():
    assert command_message(ROBOT, 3, np.array(ROBOT.home)).header.frame_id == ""
    message = command_message(ROBOT, 3, np.array(ROBOT.home), session=1_795_000_000_123_456_789)
    assert message.header.frame_id == "1795000000123456789"


def test_targets_by_name_come_back_in_model_units():
    command = np.array(ROBOT.home)
    command[-1] = 0.25
    message = command_message(ROBOT, 3, command)
    message.name, message.position = message.name[::-1], message.position[::-1]
    back = targets_from_message(ROBOT, message)
    assert (back.stamp_ns, back.names) == (3, ROBOT.action_joints[::-1])
    np.testing.assert_allclose(back.positions, command[::-1])
    part = targets_from_message(ROBOT, JointState(name=["panda_joint2"], position=[0.5]))
    assert (part.names, part.positions.tolist()) == (("panda_joint2",), [0.5])


@pytest.mark.parametrize(
    ("robot", "name", "why"),
    [
        ("droid", "fr3_joint1", "fr3_joint1 unknown; expected joints of panda_joint1, "),
        ("agibot_g1", "base_yaw", "base_yaw unknown; expected joints of left_arm_joint1, "),
    ],
)
def test_targets_of_joints_that_are_no_position_are_refused(robot, name, why):
    with pytest.raises(ValueError, match=why):
        targets_from_message(embodiments.get(robot), JointState(name=[name], position=[0.0]))


def test_a_base_is_commanded_apart_from_the_joints():
    robot = embodiments.get("agibot_g1")
    command = np.array(robot.home)
    command[robot.action_joints.index("base_forward")] = 0.1
    command[robot.action_joints.index("base_yaw")] = -0.3
    joints, base = command_message(robot, 3, command), base_message(robot, command)
    assert not {"base_forward", "base_yaw"} & set(joints.name)
    assert (base.linear.x, base.angular.z) == (0.1, -0.3)
    assert (base.linear.y, base.linear.z, base.angular.x, base.angular.y) == (0, 0, 0, 0)
    assert base_message(ROBOT, np.array(ROBOT.home)) is None
    only_base = [value if j.kind == "base" else 0.0 for j, value in zip(robot.joints, command)]
    np.testing.assert_array_equal(base_velocities(robot, base), only_base)


def test_a_base_without_an_axis_is_named():
    robot = embodiments.get("agibot_g1")
    joints = tuple(
        replace(joint, name="base_left") if joint.name == "base_yaw" else joint
        for joint in robot.joints
    )
    robot = replace(robot, joints=joints)
    with pytest.raises(ValueError, match="base joint 'base_left': expected one of base_forward"):
        base_message(robot, np.array(robot.home))


def test_a_joint_state_must_name_each_joint_once():
    with pytest.raises(ValueError, match="b stands more than once"):
        joint_positions(JointState(name=["a", "b", "b"], position=[0.0] * 3))
    with pytest.raises(ValueError, match="joint state positions: expected 2 values"):
        joint_positions(JointState(name=["a", "b"], position=[0.0] * 3))
