"""The arm's kinematics against Denavit-Hartenberg by hand; agreement with the embodiment."""

import mujoco
import numpy as np
import pytest

from dreamzero_policy.embodiments import get as embodiment
from sim_driver import scene
from sim_driver.models import robots
from sim_driver.models.franka import TCP_M

# The maker's table, typed here on its own: a [m], d [m], alpha [rad] of joints 1 to 7.
A = (0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088)
D = (0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0)
ALPHA = (0.0, -np.pi / 2, np.pi / 2, np.pi / 2, -np.pi / 2, np.pi / 2, np.pi / 2)
FLANGE = 0.107

FRANKA = robots.get("droid")


@pytest.fixture(scope="module")
def model():
    return scene.build(FRANKA, seed=0)


def joint_frames(q):
    """Poses [4, 4] of frames 1 to 7 and of the flange, in the base frame."""
    pose, frames = np.eye(4), []
    for a, d, alpha, angle in zip(A, D, ALPHA, q, strict=True):
        ca, sa, ct, st = np.cos(alpha), np.sin(alpha), np.cos(angle), np.sin(angle)
        pose = pose @ np.array(
            [
                [ct, -st, 0, a],
                [st * ca, ct * ca, -sa, -d * sa],
                [st * sa, ct * sa, ca, d * ca],
                [0, 0, 0, 1],
            ]
        )
        frames.append(pose)
    flange = np.eye(4)
    flange[2, 3] = FLANGE
    return [*frames, pose @ flange]


def test_forward_kinematics_are_the_makers(model):
    rng = np.random.default_rng(0)
    data = mujoco.MjData(model)
    low = [joint.lower for joint in FRANKA.joints[:7]]
    high = [joint.upper for joint in FRANKA.joints[:7]]
    for _ in range(50):
        q = rng.uniform(low, high)
        data.qpos[:7] = q
        mujoco.mj_kinematics(model, data)
        bodies = [f"link{number}" for number in range(1, 8)] + ["hand"]
        for name, expected in zip(bodies, joint_frames(q), strict=True):
            np.testing.assert_allclose(data.body(name).xpos, expected[:3, 3], atol=1e-6)
            np.testing.assert_allclose(
                data.body(name).xmat.reshape(3, 3), expected[:3, :3], atol=1e-6
            )
        tip = joint_frames(q)[-1] @ [0, 0, TCP_M, 1]
        np.testing.assert_allclose(data.site("tcp").xpos, tip[:3], atol=1e-6)


def test_model_has_the_joint_limits(model):
    for joint in FRANKA.joints:
        np.testing.assert_allclose(model.joint(joint.measured).range, [joint.lower, joint.upper])
        assert model.joint(joint.measured).limited[0]


def test_fingers_close_in_the_middle(model):
    data = mujoco.MjData(model)
    data.qpos[:7] = [joint.home for joint in FRANKA.joints[:7]]
    for opening in (0.0, 0.04):
        for number in (1, 2):
            data.joint(f"panda_finger_joint{number}").qpos[0] = opening
        mujoco.mj_kinematics(model, data)
        left, right = data.body("finger1").xpos, data.body("finger2").xpos
        np.testing.assert_allclose(np.linalg.norm(left - right), 2 * opening, atol=1e-9)
        middle = (left + right) / 2 - data.site("tcp").xpos
        np.testing.assert_allclose(middle[:2], 0, atol=1e-9)


def test_agrees_with_the_embodiment():
    droid = embodiment("droid")
    assert [joint.name for joint in FRANKA.joints] == list(droid.action_joints)
    assert [view.name for view in FRANKA.views] == [view.name for view in droid.views]
    assert {(view.height, view.width) for view in FRANKA.views} == {droid.native_size}
    for joint, home in zip(FRANKA.joints, droid.home, strict=True):
        policy = droid.joint(joint.name)
        assert joint.home == pytest.approx(policy.command_wire.to_wire(home))
        ends = sorted(policy.command_wire.to_wire(end) for end in (policy.lower, policy.upper))
        assert joint.lower - 1e-9 <= ends[0] < ends[1] <= joint.upper + 1e-9


def test_unknown_robot_is_named():
    with pytest.raises(ValueError, match=r"unknown robot 'pr2'; known robots: .*droid"):
        robots.get("pr2")
