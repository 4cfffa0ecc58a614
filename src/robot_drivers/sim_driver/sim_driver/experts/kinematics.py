"""Where an arm's joints must be for its fingers to be somewhere: damped least squares on MuJoCo.

The hand arrives first; that fingers point down and joints stay near their rest takes what freedom
is left and never costs the hand its place, which it would where all three are weighed against one
another in one problem. (A general solver, mink, was about as fast when both were tried.)
"""

from __future__ import annotations

from typing import NamedTuple

import mujoco
import numpy as np

from dreamzero_policy.types import Float
from sim_driver.models.description import SimArm

_DAMPING, _STEPS = 1e-5, 80
_NEAR_M, _NEAR_RAD = 1e-4, 1e-3
_LARGEST_STEP = 0.25  # rad per iteration
_UPRIGHT, _RETURN = 1.0, 0.03  # how strongly fingers go down and joints to rest, where free to
_MARGIN = 0.02  # kept from both ends of a joint's range [rad]
_REACHED_M = 2e-3
_SETTLED = 2e-3  # rad per iteration


class Grip(NamedTuple):
    """Where the point between the finger tips is, and how the hand is turned.

    Attributes:
        place: [3] in the world [m].
        yaw: horizontal direction in which the fingers open, from the world's x axis [rad]; half a
            turn more is the same grip.
    """

    place: Float
    yaw: float


class Arm:
    """Inverse kinematics of one arm in one scene.

    The fingers open along a horizontal line. They point straight down where the arm can, and lean
    about that line where it cannot.

    Args:
        model: of the scene.
        arm: which of the robot's.
        lower, upper: [n] range of its joints [rad].
    """

    def __init__(self, model: mujoco.MjModel, arm: SimArm, lower: Float, upper: Float) -> None:
        self._model, self.arm = model, arm
        joints = [model.joint(name) for name in arm.joints]
        self._positions = np.array([joint.qposadr[0] for joint in joints])
        self._columns = np.array([joint.dofadr[0] for joint in joints])
        self._lower, self._upper = lower + _MARGIN, upper - _MARGIN
        self._site = model.site(arm.tcp).id
        self._jacobian = np.zeros((6, model.nv))
        self._rest = np.array(arm.ready)

    def grip(self, data: mujoco.MjData, joints: Float) -> Grip:
        """Where the hand is with the arm at ``joints`` [n]; the rest of ``data`` is as it is."""
        self._place(data, joints)
        across = data.site_xmat[self._site].reshape(3, 3) @ self.arm.across
        return Grip(data.site_xpos[self._site].copy(), float(np.arctan2(across[1], across[0])))

    def _place(self, data: mujoco.MjData, joints: Float) -> None:
        data.qpos[self._positions] = joints
        mujoco.mj_kinematics(self._model, data)

    def solve(
        self, data: mujoco.MjData, grip: Grip, start: Float, near_m: float = _REACHED_M
    ) -> Float:
        """[n] joint positions that reach ``grip``.

        Args:
            data: scratch; its arm joints are overwritten.
            grip: where to.
            start: [n] where to search from.
            near_m: how far off it may end [m], and ten times that in rad.

        Raises:
            ValueError: the arm does not get there; the message says how far off it stays.
        """
        across = np.array([np.cos(grip.yaw), np.sin(grip.yaw), 0.0])
        basis = np.array([[0.0, 0.0, 1.0], [-across[1], across[0], 0.0]])
        joints, error = np.clip(start, self._lower, self._upper), np.zeros(5)
        best, excess = joints, np.inf
        for _ in range(_STEPS):
            self._place(data, joints)
            mujoco.mj_comPos(self._model, data)
            turn = self._jacobian[3:]
            mujoco.mj_jacSite(self._model, data, self._jacobian[:3], turn, self._site)
            hand = data.site_xmat[self._site].reshape(3, 3)
            error[:3] = grip.place - data.site_xpos[self._site]
            error[3:] = basis @ _turn(hand @ self.arm.across, across)
            lean = across @ np.cross(hand @ self.arm.approach, (0.0, 0.0, -1.0))
            jacobian = np.concatenate((self._jacobian[:3], basis @ turn))[:, self._columns]
            inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + _DAMPING * np.eye(5))
            upright = across @ turn[:, self._columns]
            free = _UPRIGHT * upright * lean / (upright @ upright + 0.1)
            free += _RETURN * (self._rest - joints)
            idle = free - inverse @ (jacobian @ free)
            off = max(np.linalg.norm(error[:3]) / _NEAR_M, np.linalg.norm(error[3:]) / _NEAR_RAD)
            if off < excess:
                best, excess = joints, off
            if off < 1.0 and np.abs(idle).max() < _SETTLED:
                return joints
            step = inverse @ error + idle
            step *= min(1.0, _LARGEST_STEP / max(np.abs(step).max(), 1e-9))
            joints = np.clip(joints + step, self._lower, self._upper)
        if excess * _NEAR_M < near_m:
            return best
        raise ValueError(
            f"{self.arm.name or 'the'} arm cannot reach {np.round(grip.place, 3).tolist()} with "
            f"yaw {grip.yaw:.2f} rad: the nearest it came is {excess * _NEAR_M:.3f} m or "
            f"{excess * _NEAR_RAD:.2f} rad off"
        )


def _turn(now: Float, wanted: Float) -> Float:
    """[3] axis times angle from one unit vector to another."""
    axis = np.cross(now, wanted)
    sine = np.linalg.norm(axis)
    angle = np.arctan2(sine, now @ wanted)
    return axis * (angle / sine if sine > 1e-9 else 1.0)
