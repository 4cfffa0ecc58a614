"""Which way the joints go so that a hand goes as it is asked: differential inverse kinematics.

mink solves for joint velocities that move the hand a small step towards a goal, inside the
embodiment's ranges and at a share of its speeds. Near a singularity, where a small step of the hand
would take a large one of the joints, damping makes the hand slower instead; at the end of a joint's
range it stands. The goal is never further ahead than ``_AWAY``, so there is nothing to be caught up
on afterwards.
"""

from __future__ import annotations

import mink
import mujoco
import numpy as np

from dreamzero_bringup.teleop.arms import Arm
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float
from sim_driver.models import robots

SHARE = 0.35
"""Of a joint's largest speed, for jogging."""

_MARGIN = 0.02  # to the ends of a joint's range [rad, m]
_POSITION_COST, _ORIENTATION_COST = 1.0, 0.3  # per m, per rad
_DAMPING = 0.04  # of joint motion, in the same measure
_GAIN = 0.5  # of what is left to the goal, per step
_AWAY, _TURNED = 0.015, 0.06  # how far ahead of the hand the goal may be [m, rad]
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

    def goal(
        self, pose: Float, arm: Arm, before: mink.SE3 | None, linear: Float, angular: Float
    ) -> mink.SE3:
        """Where the hand is to be next: on its way, and never far from where it is.

        Args:
            pose: [A] model units, asked for last.
            arm: whose hand.
            before: the goal before; None from rest.
            linear: [3] m further, in the base's frame.
            angular: [3] rad further, about the base's axes.
        """
        self._at(pose)
        here = self._configuration.get_transform_frame_to_world(arm.site, "site")
        before = before or here
        shift = before.translation() + linear - here.translation()
        turned = mink.SO3.exp(np.asarray(angular)) @ before.rotation()
        turn = (turned @ here.rotation().inverse()).log()
        shift, turn = _near(shift, linear, _AWAY), _near(turn, angular, _TURNED)
        return mink.SE3.from_rotation_and_translation(
            mink.SO3.exp(turn) @ here.rotation(), here.translation() + shift
        )

    def velocity(self, pose: Float, arm: Arm, goal: mink.SE3, dt_s: float) -> Float:
        """[A] joint velocities that move a hand towards its goal; zero where there are none.

        Args:
            pose: [A] model units, asked for last.
            arm: whose hand.
            goal: as ``goal`` has it.
            dt_s: until the next pose.
        """
        self._at(pose)
        task = mink.FrameTask(arm.site, "site", _POSITION_COST, _ORIENTATION_COST, gain=_GAIN)
        task.set_target(goal)
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


def _near(error: Float, way: Float, most: float) -> Float:
    """Shortens what is left to a goal: its part on the way to ``most``, the rest to thrice that.

    The rest is kept, so that a hand that comes to its limits does not wander off its way: it is
    drawn back by as much as it was drawn aside.
    """
    length = float(np.linalg.norm(way))
    ahead = way * (error @ way) / length**2 if length > 0.0 else np.zeros(3)
    parts = ((ahead, most), (error - ahead, 3.0 * most))
    return sum(part * min(1.0, end / max(np.linalg.norm(part), 1e-12)) for part, end in parts)
