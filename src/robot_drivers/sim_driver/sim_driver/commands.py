"""The embodiment's action vector and the simulation's joint positions, one from the other."""

from __future__ import annotations

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float
from sim_driver.models.description import SimRobot


class Commands:
    """Converts between [J] positions in MuJoCo's units or the wire's, and [A] in model units.

    Args:
        robot: its joints, in the driver's order.
        embodiment: its action vector.
    """

    def __init__(self, robot: SimRobot, embodiment: Embodiment) -> None:
        layout = [embodiment.joint(joint.name) for joint in robot.joints]
        order = embodiment.action_joints
        self._columns = np.array([order.index(joint.name) for joint in robot.joints])
        self._count = len(order)
        self._wire = np.array([(j.command_wire.zero, j.command_wire.one) for j in layout]).T
        self._mujoco = np.array([(j.commanded.zero, j.commanded.one) for j in robot.joints]).T
        names = [joint.name for joint in embodiment.joints if joint.kind == "base"]
        self.base = np.array([order.index(name) for name in names], int)
        """Columns of the base's velocities; empty for a robot that stands."""

    def of(self, positions: Float) -> Float:
        """[A] of positions [J] in MuJoCo's units; a base stands still."""
        wire = self._mujoco[0] + positions * (self._mujoco[1] - self._mujoco[0])
        action = np.zeros(self._count)
        action[self._columns] = (wire - self._wire[0]) / (self._wire[1] - self._wire[0])
        return action

    def wire(self, action: Float) -> Float:
        """[J] on the wire of an action [A].

        Raises:
            ValueError: not one value per joint.
        """
        action = np.asarray(action, dtype=np.float64)
        if action.shape != (self._count,):
            raise ValueError(f"action: expected {self._count} values, got shape {action.shape}")
        return self._wire[0] + action[self._columns] * (self._wire[1] - self._wire[0])
