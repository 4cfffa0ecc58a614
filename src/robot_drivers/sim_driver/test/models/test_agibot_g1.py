"""The G1's kinematics against the maker's frames, its wheels in the scene, and what is seen."""

import mujoco
import numpy as np
import pytest

from sim_driver import scene
from sim_driver.hardware import SimulatedRobot
from sim_driver.models import robots

G1 = robots.get("agibot_g1")
MS = 1_000_000
Q, PI = np.pi / 2, np.pi

# The maker's frames, typed here on their own: (x y z, roll pitch yaw, joint, is it prismatic).
BODY = [
    ((0, 0, 0.6485), (0, 0, 0), "waist_lift_joint"),
    ((0.131, 0, 0), (-Q, 0, 0), "waist_pitch_joint"),
]
HEAD = [
    *BODY,
    ((0, -0.441, 0), (Q, 0, 0), "head_yaw_joint"),
    ((0.050238, 0, 0.060065), (-Q, 0, 0), "head_pitch_joint"),
]
SHOULDER = {
    "left": [((0, -0.305, 0), (Q, 0, 0), None), ((0, 0.025, 0), (-Q, 0, 0), None)],
    "right": [((0, -0.305, 0), (Q, 0, 0), None), ((0, -0.025, 0), (-Q, 0, PI), None)],
}
ARM = {
    side: [
        *BODY,
        *SHOULDER[side],
        ((0, 0, reach), (0, 0, 0), f"{side}_arm_joint1"),
        ((0, 0, 0), (-Q, 0, sign * Q), f"{side}_arm_joint2"),
        ((0, -0.305, 0), (-Q, sign * Q, PI), f"{side}_arm_joint3"),
        ((0, 0, 0), (-Q, 0, PI), f"{side}_arm_joint4"),
        ((0, -0.1975, 0), (-Q, 0, -PI), f"{side}_arm_joint5"),
        ((0, 0, 0), (-Q, 0, 0), f"{side}_arm_joint6"),
        ((0, -0.1805, 0), (Q, 0, 0), f"{side}_arm_joint7"),
    ]
    for side, reach, sign in (("left", 0.1859, 1), ("right", 0.188, -1))
}
TCP = 0.14308  # from the last joint along its axis
FLOOR = -0.75


def turned(roll, pitch, yaw):
    """Rotation [3, 3] of a description file's roll, pitch and yaw."""
    cr, sr, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    cy, sy = np.cos(yaw), np.sin(yaw)
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def pose_of(frames, angles):
    """Pose [4, 4] of the last frame, in the scene."""
    pose = np.eye(4)
    pose[2, 3] = FLOOR
    for place, rpy, joint in frames:
        step = np.eye(4)
        step[:3, :3], step[:3, 3] = turned(*rpy), place
        pose = pose @ step
        if joint is None:
            continue
        move = np.eye(4)
        if joint == "waist_lift_joint":
            move[2, 3] = angles[joint]
        else:
            move[:3, :3] = turned(0, 0, angles[joint])
        pose = pose @ move
    return pose


@pytest.fixture(scope="module")
def model():
    return scene.build(G1, seed=0)


def test_forward_kinematics_are_the_makers(model):
    """Every last link turns and shifts as the maker's description says, over random poses."""
    rng, data = np.random.default_rng(0), mujoco.MjData(model)
    chains = {"head_pitch_joint": HEAD} | {f"{side}_arm_joint7": ARM[side] for side in ARM}
    rest = {joint.name: 0.0 for joint in G1.joints}
    start = {name: pose_of(frames, rest)[:3, :3] for name, frames in chains.items()}
    for _ in range(30):
        angles = {joint.name: rng.uniform(joint.lower, joint.upper) for joint in G1.joints}
        for name, angle in angles.items():
            data.joint(name).qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        for name, frames in chains.items():
            expected, link = pose_of(frames, angles), data.body(f"{name}_link")
            np.testing.assert_allclose(link.xpos, expected[:3, 3], atol=1e-6)
            turn = expected[:3, :3] @ start[name].T  # our frames are the base's at zero
            np.testing.assert_allclose(link.xmat.reshape(3, 3), turn, atol=1e-6)
        for side in ARM:
            tip = pose_of(ARM[side], angles) @ [0, 0, TCP, 1]
            np.testing.assert_allclose(data.site(f"{side}_tcp").xpos, tip[:3], atol=1e-6)


def test_the_hands_mirror_one_another_at_home_above_the_table(model):
    data = mujoco.MjData(model)
    for joint in G1.joints:
        data.joint(joint.measured).qpos[0] = joint.home
    mujoco.mj_kinematics(model, data)
    left, right = data.site("left_tcp").xpos, data.site("right_tcp").xpos
    np.testing.assert_allclose(left, right * [1, -1, 1], atol=0.005)
    assert 0.5 < left[0] < 0.8
    assert 0.1 < left[1] < 0.3
    assert 0.1 < left[2] < 0.4


def drive(robot, forward, yaw, now, seconds, joints=True):
    """Commands the base at 30 Hz, and the joints to stay at home; returns when it ended."""
    home = [joint.commanded.to_wire(joint.home) for joint in G1.joints]
    end = now + round(seconds * 1e9)
    while now < end:
        if joints:
            robot.command(robot.joint_names, home, now)
        robot.drive(forward, yaw, now)
        now += 33_333_333
        robot.advance(now)
    return now


def test_drives_up_and_away_and_turns_without_shaking_its_arms():
    robot = SimulatedRobot(G1, 0, now_ns=0)
    now = drive(robot, -0.15, 0.0, 0, 2.0)
    assert robot.base_place[0] == pytest.approx(-0.3, abs=0.03)
    now = drive(robot, 0.0, 0.4, now, 2.0)
    assert robot.base_place[2] == pytest.approx(0.8, abs=0.05)
    home = [joint.reported.to_wire(joint.home) for joint in G1.joints]
    span = [abs(joint.reported.one - joint.reported.zero) for joint in G1.joints]
    assert np.all(np.abs(robot.read().positions - home) < 0.02 * np.array(span))


def test_the_wheels_stop_after_a_short_silence_while_the_arms_go_on():
    robot = SimulatedRobot(G1, 0, now_ns=0)
    now = drive(robot, -0.15, 0.0, 0, 1.0)
    home = [joint.commanded.to_wire(joint.home) for joint in G1.joints]
    for _ in range(30):  # joint commands only
        robot.command(robot.joint_names, home, now)
        now += 33_333_333
        robot.advance(now)
    place = robot.base_place
    assert robot.hold_reason is None
    assert -0.15 * 1.3 - 0.03 < place[0] < -0.12
    robot.command(robot.joint_names, home, now)
    robot.advance(now + 300 * MS)
    np.testing.assert_allclose(robot.base_place, place, atol=1e-3)


def test_the_wheels_stop_with_the_arms():
    robot = SimulatedRobot(G1, 0, now_ns=0)
    now = drive(robot, -0.15, 0.0, 0, 1.0)
    robot.hold("two publishers")
    robot.advance(now + 250 * MS)
    place = robot.base_place
    assert place[0] > -0.15 - 0.04
    with pytest.raises(ValueError, match="stands still while the robot holds: two publishers"):
        robot.drive(0.1, 0.0, now + 250 * MS)
    robot.drive(0.0, 0.0, now + 250 * MS)  # standing still is always in order
    robot.advance(now + 500 * MS)
    np.testing.assert_allclose(robot.base_place, place, atol=1e-3)


def test_no_wheels_no_driving():
    robot = SimulatedRobot(robots.get("yam"), 0, now_ns=0)
    with pytest.raises(ValueError, match="yam has no wheels"):
        robot.drive(0.0, 0.0, 0)
    assert not len(robot.base_place)
