"""Arms that are elsewhere than they were recorded, and come back: what no demonstration shows.

In demonstrations an arm that stands low over the table stands at the right thing, so a network
learns from the pose alone that it is to stay. Here the measured pose is another and the recorded
goal the same: only the picture and the words tell where that is.
"""

from __future__ import annotations

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float

_LEAST_RAD = 0.05
"""A joint that goes less far than that rests."""


class Displacement:
    """Draws offsets of a chunk's states and actions.

    Args:
        robot: whose arms.
        span: [S] how far each joint goes in the data; those that rest are left where they are.
        std: standard deviation of each moving revolute joint's offset [rad].
    """

    def __init__(self, robot: Embodiment, span: Float, std: float) -> None:
        self._std = std
        far = dict(zip(robot.state_joints, span > _LEAST_RAD, strict=True))
        names = [
            joint.name
            for joint in robot.joints
            if joint.kind == "revolute" and far.get(joint.name, False)
        ]
        self._states = [robot.state_joints.index(name) for name in names]
        self._actions = [robot.action_joints.index(name) for name in names]
        self._sizes = len(robot.state_joints), len(robot.action_joints)

    def draw(self, rows: int, rng: np.random.Generator) -> tuple[Float, Float]:
        """[rows, S] and [rows, A], to add: whole in the first row, nothing from the middle on.

        Args:
            rows: of the chunk.
            rng: of the window.
        """
        offsets = self._std * rng.standard_normal(len(self._states))
        way = np.clip(np.arange(rows) / (rows / 2), 0.0, 1.0)
        left = (1.0 + np.cos(np.pi * way)) / 2.0
        found = tuple(np.zeros((rows, size)) for size in self._sizes)
        for added, columns in zip(found, (self._states, self._actions), strict=True):
            added[:, columns] = left[:, None] * offsets
        return found
