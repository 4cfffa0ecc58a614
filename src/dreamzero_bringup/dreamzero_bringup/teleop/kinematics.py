"""Which way the joints go so that a hand goes as it is asked: differential inverse kinematics.

mink solves, each time anew from the pose that was asked for last, for joint velocities that move
the hand by a small step, inside the embodiment's ranges and at a share of its speeds. Near a
singularity, where a small step of the hand would take a large one of the joints, damping makes the
hand slower instead; at the end of a joint's range it slides along or stands. Nothing accumulates,
so nothing is caught up on afterwards.
"""

from __future__ import annotations

import mink
import mujoco
import numpy as np

from dreamzero_bringup.teleop.arms import Arm
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float
from sim_driver import robots

SHARE = 0.35
"""Of a joint's largest speed, for jogging."""

_MARGIN = 0.02  # to the ends of a joint's range [rad, m]
_POSITION_COST, _ORIENTATION_COST = 1.0, 0.3  # per m, per rad
_DAMPING = 0.04  # of joint motion, in the same measure
_SOLVER = "daqp"


class Kinematics:
    """The model of a whole robot, without its surroundings.

    Args:
        embodiment: names, ranges and speeds.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        spec = mujoco.MjSpec()
        spec.compiler.degree = False
        robots.get(embodiment.name).add_to(spec)
        self._model = spec.compile()
        places, columns = [], []
        for column, joint in enumerate(embodiment.joints):
            if joint.kind in ("gripper", "base"):
                continue
            number = self._model.joint(joint.name).id
            self._model.jnt_range[number] = joint.lower + _MARGIN, joint.upper - _MARGIN
            places.append(self._model.jnt_qposadr[number])
            columns.append(column)
        self._places, self._columns = np.array(places), np.array(columns)
        self._names = embodiment.action_joints
        self._speeds = {joint.name: joint.velocity * SHARE for joint in embodiment.joints}
        self._configuration = mink.Configuration(self._model)
        self._limits: dict[str, list[mink.Limit]] = {}

    def hand(self, pose: Float, arm: Arm) -> tuple[Float, Float]:
        """Position [3] and rotation [3, 3] of a hand in the base's frame.

        Args:
            pose: [A] model units.
            arm: whose.
        """
        self._at(pose)
        place = self._configuration.get_transform_frame_to_world(arm.site, "site")
        return place.translation(), place.rotation().as_matrix()

    def velocity(self, pose: Float, arm: Arm, linear: Float, angular: Float, dt_s: float) -> Float:
        """[A] joint velocities that move a hand; zero where there are none.

        Args:
            pose: [A] model units, asked for last.
            arm: whose hand.
            linear: [3] m/s in the base's frame.
            angular: [3] rad/s about the base's axes.
            dt_s: until the next pose.
        """
        self._at(pose)
        here = self._configuration.get_transform_frame_to_world(arm.site, "site")
        turned = mink.SO3.exp(np.asarray(angular) * dt_s) @ here.rotation()
        there = here.translation() + np.asarray(linear) * dt_s
        task = mink.FrameTask(arm.site, "site", _POSITION_COST, _ORIENTATION_COST)
        task.set_target(mink.SE3.from_rotation_and_translation(turned, there))
        calm = mink.DampingTask(self._model, _DAMPING)
        held = [dof for dof in range(self._model.nv) if dof not in self._dofs(arm)]
        frozen = mink.DofFreezingTask(self._model, held)
        result = np.zeros(len(self._names))
        try:
            found = mink.solve_ik(
                self._configuration,
                [task, calm],
                dt_s,
                _SOLVER,
                limits=self._limits_of(arm),
                constraints=[frozen],
            )
        except mink.NoSolutionFound:
            return result
        for name in arm.joints:
            result[self._names.index(name)] = found[self._model.joint(name).dofadr[0]]
        return result if np.isfinite(result).all() else np.zeros_like(result)

    def _at(self, pose: Float) -> None:
        """Puts the model into a pose, inside its ranges."""
        q = self._model.qpos0.copy()
        q[self._places] = np.asarray(pose)[self._columns]
        limited = self._model.jnt_limited.astype(bool)
        low, high = self._model.jnt_range[limited].T
        places = self._model.jnt_qposadr[limited]
        q[places] = np.clip(q[places], low, high)
        self._configuration.update(q)

    def _dofs(self, arm: Arm) -> set[int]:
        return {int(self._model.joint(name).dofadr[0]) for name in arm.joints}

    def _limits_of(self, arm: Arm) -> list[mink.Limit]:
        if arm.name not in self._limits:
            speeds = {name: self._speeds[name] for name in arm.joints}
            self._limits[arm.name] = [
                mink.ConfigurationLimit(self._model),
                mink.VelocityLimit(self._model, speeds),
            ]
        return self._limits[arm.name]
