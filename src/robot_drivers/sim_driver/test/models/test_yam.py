"""The YAM station's kinematics and cameras against the maker's frames."""

import mujoco
import numpy as np
import pytest

from sim_driver import scene
from sim_driver.models import robots

YAM = robots.get("yam")

# The maker's frames, typed here on their own: position, quaternion (w x y z), axis.
H = np.sqrt(0.5)
CHAIN = [
    ((0, 0, 0.068), (0, -H, 0, H), (-1, 0, 0)),
    ((-0.0455, -0.0339, -0.02), (0, 0, 0, -1), (0, 1, 0)),
    ((0, -0.0688, 0.264), (0, 0, 0, -1), (0, 1, 0)),
    ((-0.06, -0.0688, -0.245), (1, 0, 0, 0), (0, 1, 0)),
    ((-0.0405, 0.0339, -0.074), (1, 0, 0, 0), (1, 0, 0)),
    ((0.0405, 0, -0.0356), (1, 0, 0, 0), (0, 0, -1)),
]
TCP = (0, 0, -0.14465)
WRIST = ((-0.070435, 0, -0.077006), (0.15305076, 0.69034445, 0.69034502, 0.15304822))
BASES = {"left": (0, 0.305, 0), "right": (0, -0.305, 0)}
TOP = ((-0.166495, 0, 0.954321), (0.18301, -0.68301, 0.68301, -0.18301))
NEARER = 0.493  # m, how far ours is along the line of sight


def matrix(quaternion):
    out = np.empty(9)
    mujoco.mju_quat2Mat(out, np.asarray(quaternion, float) / np.linalg.norm(quaternion))
    return out.reshape(3, 3)


def pose(place, turn):
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = turn, place
    return out


def flange(side, angles):
    """Pose [4, 4] of the frame after joint 6."""
    at = pose(BASES[side], np.eye(3))
    for (place, quaternion, axis), angle in zip(CHAIN, angles, strict=True):
        at = at @ pose(place, matrix(quaternion))
        spin = np.empty(4)
        mujoco.mju_axisAngle2Quat(spin, np.asarray(axis, float), angle)
        at = at @ pose((0, 0, 0), matrix(spin))
    return at


def looks(data, name):
    """Where a camera is, where it looks, and what is right in its picture."""
    camera = data.camera(name)
    turn = camera.xmat.reshape(3, 3)
    return camera.xpos, -turn[:, 2], turn[:, 0]


@pytest.fixture(scope="module")
def model():
    return scene.build(YAM, seed=0)


def test_forward_kinematics_are_the_makers(model):
    rng, data = np.random.default_rng(0), mujoco.MjData(model)
    for _ in range(30):
        for side in BASES:
            joints = [joint for joint in YAM.joints if joint.name.startswith(f"{side}_joint")]
            angles = [rng.uniform(joint.lower, joint.upper) for joint in joints]
            for joint, angle in zip(joints, angles, strict=True):
                data.joint(joint.name).qpos[0] = angle
            mujoco.mj_kinematics(model, data)
            tip = flange(side, angles) @ [*TCP, 1]
            np.testing.assert_allclose(data.site(f"{side}_tcp").xpos, tip[:3], atol=2e-4)


def test_grippers_open_to_the_stroke(model):
    data = mujoco.MjData(model)
    for side in BASES:
        for opening, apart in ((0.0, 0.0), (0.048, 0.096)):
            for name in (f"{side}_gripper", f"{side}_gripper_mirror"):
                data.joint(name).qpos[0] = opening
            mujoco.mj_kinematics(model, data)
            one = data.body(f"{side}_gripper_finger").xpos
            other = data.body(f"{side}_gripper_mirror_finger").xpos
            assert np.linalg.norm(one - other) == pytest.approx(apart, abs=1e-9)


def test_cameras_look_as_those_of_the_station_and_the_one_above_is_nearer(model):
    """But for the few millimetres and the half degree by which a seed moves them."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)
    turn = matrix(TOP[1])
    frames = {"top": pose(TOP[0] + NEARER * turn[:, 2], turn)}
    for side in BASES:
        frames[side] = flange(side, [0.0] * 6) @ pose(WRIST[0], matrix(WRIST[1]))
    for name, frame in frames.items():
        at, ahead, right = looks(data, name)
        np.testing.assert_allclose(at, frame[:3, 3], atol=scene.CAMERA_OFF_M + 2e-4)
        np.testing.assert_allclose(ahead, frame[:3, 2], atol=0.02)  # its z is the optical axis
        np.testing.assert_allclose(right, frame[:3, 0], atol=0.02)


def test_the_seed_moves_cameras_and_blocks_together_repeatably():
    first, again, other = (scene.build(YAM, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.cam_pos, again.cam_pos)
    np.testing.assert_array_equal(first.qpos0, again.qpos0)
    assert np.all(np.abs(first.cam_pos - other.cam_pos).max(axis=1) > 1e-5)
    assert np.all(np.abs(first.cam_pos - other.cam_pos) <= 2 * scene.CAMERA_OFF_M)
    assert not np.allclose(first.qpos0, other.qpos0)
