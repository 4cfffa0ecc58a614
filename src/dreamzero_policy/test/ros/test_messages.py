"""Messages there and back, and what a message can get wrong."""

from array import array
from dataclasses import replace

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import JointState

from dreamzero_policy import embodiments
from dreamzero_policy.ros import messages as m
from dreamzero_policy.types import ActionChunk

ROBOT = embodiments.get("droid")


@given(st.integers(0, 2**31 * 10**9 - 1), st.integers(-(2**60), 2**60))
def test_time_and_duration_keep_every_nanosecond(time_ns, duration_ns):
    assert m.nanoseconds(m.time_message(time_ns)) == time_ns
    assert m.nanoseconds(m.duration_message(duration_ns)) == duration_ns


@pytest.mark.parametrize("ns", [-1, 2**31 * 10**9])
def test_a_time_that_does_not_fit_is_refused(ns):
    with pytest.raises(ValueError, match="a ROS time is 0 to"):
        m.time_message(ns)


def test_a_duration_that_does_not_fit_is_clamped():
    assert m.duration_message(-(2**63)) == Duration(sec=-(2**31))
    assert m.duration_message(2**63) == Duration(sec=2**31 - 1, nanosec=999_999_999)


def chunk(rows):
    return ActionChunk(5, 7, 66_666_667, rows, ("a", "b"), session=2**63, sequence=9)


def test_a_chunk_comes_back_equal_to_float32():
    rows = np.arange(6.0).reshape(3, 2) / 7
    rows[1, 1] = np.nan
    back = m.chunk_from_message(m.chunk_message(chunk(rows)))
    np.testing.assert_array_equal(back.rows, rows.astype(np.float32))
    assert (back.observation_ns, back.start_ns, back.step_ns) == (5, 7, 66_666_667)
    assert (back.names, back.session, back.sequence) == (("a", "b"), 2**63, 9)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("horizon", 4, "expected 4 rows x 2 joints = 8 values, got 6"),
        ("joint_names", ["a"], "expected 3 rows x 1 joints = 3 values, got 6"),
        ("joint_names", [], "expected 3 rows x 0 joints"),
        ("rows", array("f", [1.0]), "got 1"),
        ("step", Duration(), "step_ns must be positive"),
    ],
)
def test_a_chunk_message_of_the_wrong_shape_is_refused(field, value, why):
    message = m.chunk_message(chunk(np.zeros((3, 2))))
    setattr(message, field, value)
    with pytest.raises(ValueError, match=why):
        m.chunk_from_message(message)


def test_proprioception_comes_back_equal():
    state = m.Proprioception(
        10**18, ("a", "b"), np.array([0.1, -2.0]), np.array([3.0, 0.5]), {"joints": -5, "hand": 7}
    )
    back = m.proprioception_from_message(m.proprioception_message(state))
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
    state = m.Proprioception(1, ("a", "b"), np.zeros(2), np.zeros(2), {})
    message = m.proprioception_message(state)
    for field, value in change.items():
        setattr(message, field, value)
    with pytest.raises(ValueError, match=why):
        m.proprioception_from_message(message)


def test_a_command_is_in_the_drivers_units():
    command = np.array(ROBOT.home)
    command[-1] = 0.25
    message = m.command_message(ROBOT, 3, command)
    assert tuple(message.name) == ROBOT.action_joints
    np.testing.assert_allclose(message.position[:7], ROBOT.home[:7])
    assert message.position[7] == pytest.approx(0.03)
    back = m.joint_positions(message)
    assert (back.stamp_ns, back.names) == (3, ROBOT.action_joints)
    with pytest.raises(ValueError, match="command: expected 8 values"):
        m.command_message(ROBOT, 3, command[:7])


def test_a_command_names_the_session_of_its_driver():
    assert m.command_message(ROBOT, 3, np.array(ROBOT.home)).header.frame_id == ""
    message = m.command_message(ROBOT, 3, np.array(ROBOT.home), session=1_795_000_000_123_456_789)
    assert message.header.frame_id == "1795000000123456789"


def test_targets_by_name_come_back_in_model_units():
    command = np.array(ROBOT.home)
    command[-1] = 0.25
    message = m.command_message(ROBOT, 3, command)
    message.name, message.position = message.name[::-1], message.position[::-1]
    back = m.targets_from_message(ROBOT, message)
    assert (back.stamp_ns, back.names) == (3, ROBOT.action_joints[::-1])
    np.testing.assert_allclose(back.positions, command[::-1])
    part = m.targets_from_message(ROBOT, JointState(name=["panda_joint2"], position=[0.5]))
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
        m.targets_from_message(embodiments.get(robot), JointState(name=[name], position=[0.0]))


def test_a_base_is_commanded_apart_from_the_joints():
    robot = embodiments.get("agibot_g1")
    command = np.array(robot.home)
    command[robot.action_joints.index("base_forward")] = 0.1
    command[robot.action_joints.index("base_yaw")] = -0.3
    joints, base = m.command_message(robot, 3, command), m.base_message(robot, command)
    assert not {"base_forward", "base_yaw"} & set(joints.name)
    assert (base.linear.x, base.angular.z) == (0.1, -0.3)
    assert (base.linear.y, base.linear.z, base.angular.x, base.angular.y) == (0, 0, 0, 0)
    assert m.base_message(ROBOT, np.array(ROBOT.home)) is None
    only_base = [value if j.kind == "base" else 0.0 for j, value in zip(robot.joints, command)]
    np.testing.assert_array_equal(m.base_velocities(robot, base), only_base)


def test_a_base_without_an_axis_is_named():
    robot = embodiments.get("agibot_g1")
    joints = tuple(
        replace(joint, name="base_left") if joint.name == "base_yaw" else joint
        for joint in robot.joints
    )
    robot = replace(robot, joints=joints)
    with pytest.raises(ValueError, match="base joint 'base_left': expected one of base_forward"):
        m.base_message(robot, np.array(robot.home))


def test_a_joint_state_must_name_each_joint_once():
    with pytest.raises(ValueError, match="b stands more than once"):
        m.joint_positions(JointState(name=["a", "b", "b"], position=[0.0] * 3))
    with pytest.raises(ValueError, match="joint state positions: expected 2 values"):
        m.joint_positions(JointState(name=["a", "b"], position=[0.0] * 3))


def test_a_canvas_comes_back_equal():
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    message = m.canvas_message(m.Canvas(100, image, {"wrist": 90, "left": 80}))
    assert [m.nanoseconds(age) for age in message.view_ages] == [10, 20]
    back = m.canvas_from_message(message, (4, 6))
    np.testing.assert_array_equal(back.image, image)
    assert (back.stamp_ns, back.views_ns) == (100, {"wrist": 90, "left": 80})
    with pytest.raises(ValueError, match="expected 6 x 4 \\(height x width\\), got 4 x 6"):
        m.canvas_from_message(message, (6, 4))
    message.view_names = ["wrist"]
    with pytest.raises(ValueError, match="expected one stamp per view, got 2 stamps"):
        m.canvas_from_message(message)


def test_padded_rows_of_an_image_are_left_out():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    message = m.image_message(0, "", image)
    padded = np.pad(image.reshape(2, 12), ((0, 0), (0, 4)))
    message.step, message.data = 16, array("B", padded.tobytes())
    np.testing.assert_array_equal(m.rgb_pixels(message), image)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"encoding": "bgr8"}, "expected encoding rgb8, got 'bgr8'"),
        ({"height": 3}, "expected 3 rows of 12 bytes"),
        ({"step": 11}, "at least 12 each"),
        ({"height": 0, "data": array("B")}, "expected 0 rows"),
    ],
)
def test_an_image_that_does_not_hold_what_it_says_is_refused(change, why):
    message = m.image_message(0, "", np.zeros((2, 4, 3), dtype=np.uint8))
    for field, value in change.items():
        setattr(message, field, value)
    with pytest.raises(ValueError, match=why):
        m.rgb_pixels(message)


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 4)])
def test_pixels_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="expected uint8 \\[H, W, 3\\]"):
        m.image_message(0, "", np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize(("encoding", "worst"), [("raw", 0), ("png", 0), ("jpeg", 25)])
def test_a_canvas_arrives_however_it_is_sent(encoding, worst):
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :, 0], image[32:, ::, 2] = 200, np.arange(96)
    sent = m.Canvas(100, image, {"wrist": 90})
    message = m.canvas_message(sent, encoding=encoding, quality=95)
    assert len(message.image.data) == (image.size if encoding == "raw" else 0)
    assert message.header.stamp == message.image.header.stamp
    back = m.canvas_from_message(message, (64, 96))
    assert (back.stamp_ns, back.views_ns) == (100, {"wrist": 90})
    assert np.abs(back.image.astype(int) - image).max() <= worst


def test_a_compressed_canvas_of_another_size_or_cut_short_is_refused():
    sent = m.Canvas(100, np.zeros((64, 96, 3), np.uint8), {"wrist": 90})
    message = m.canvas_message(sent, encoding="jpeg")
    message.image.width = 48
    with pytest.raises(ValueError, match=r"expected 64 x 48 .* got 64 x 96 in its compressed data"):
        m.canvas_from_message(message)
    message.image.width, message.compressed.data = 96, message.compressed.data[:-7]
    with pytest.raises(ValueError, match=r"canvas: format 'jpeg': .* cut short or damaged"):
        m.canvas_from_message(message)
    with pytest.raises(ValueError, match="expected encoding png or jpeg, got 'webp'"):
        m.canvas_message(sent, encoding="webp")
