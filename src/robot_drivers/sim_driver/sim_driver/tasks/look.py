"""What a judge and an expert can see of a scene: where bodies are, how they move, what touches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from dreamzero_policy.types import Float
from sim_driver.models.description import SimRobot

if TYPE_CHECKING:
    from sim_driver.tasks.task import Item

_REST_M, _REST_RAD = 0.02, 0.3  # per second
_TOUCH_M = 1e-4


class Look:
    """Answers about one instant of a simulation.

    Args:
        model: of the scene.
        data: of the instant, looked at again at every question; contacts are those of its last
            step.
        robot: whose arms may touch things.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, robot: SimRobot) -> None:
        self._model, self._data, self._robot = model, data, robot
        self._arm_of = _arms_of(model, robot)

    def place(self, body: str) -> Float:
        """[3] where a body is in the world [m]."""
        return self._data.body(body).xpos.copy()

    def axes(self, body: str) -> Float:
        """[3, 3] a body's own axes in the world, as columns."""
        return self._data.body(body).xmat.reshape(3, 3).copy()

    def yaw(self, body: str) -> float:
        """How a body is turned about the vertical [rad]."""
        axes = self.axes(body)
        return math.atan2(axes[1, 0], axes[0, 0])

    def tilt(self, body: str) -> float:
        """How far a body's own z axis is from the vertical [rad]."""
        return math.acos(min(1.0, max(-1.0, self.axes(body)[2, 2])))

    def at_rest(self, body: str) -> bool:
        """Whether a free body lies still."""
        start = self._model.body(body).dofadr[0]
        velocity = self._data.qvel[start : start + 6]
        return bool(
            np.linalg.norm(velocity[:3]) < _REST_M and np.linalg.norm(velocity[3:]) < _REST_RAD
        )

    def hide(self, geom: str) -> None:
        """Makes something that is painted on the table invisible."""
        self._model.geom(geom).rgba[3] = 0.0

    def within(self, item: Item, kind: str) -> list[str]:
        """Names of the free bodies of a kind whose centre is over a round item, at any height."""
        names = (self._model.body(index).name for index in range(self._model.nbody))
        return [
            name
            for name in names
            if name.endswith(f"_{kind}")
            and np.hypot(*(self.place(name)[:2] - (item.x, item.y))) < item.half[0]
        ]

    def hands_on(self, body: str) -> set[int]:
        """Indices of the robot's arms that touch a body, hand or not."""
        contact = self._data.contact
        pairs = np.asarray(contact.geom)
        if not len(pairs):
            return set()
        bodies = self._model.geom_bodyid[pairs]
        mine = bodies == self._model.body(body).id
        arms = self._arm_of[bodies]
        touching = mine.any(axis=1) & (np.asarray(contact.dist) < _TOUCH_M)
        return set(arms[touching][~mine[touching]].tolist()) - {-1}

    def finger_ends(self, arm: int) -> Float:
        """[3] where the fingers of a hand end [m]."""
        hand = self._robot.arms[arm]
        site = self._data.site(hand.tcp)
        return site.xpos + hand.tip * site.xmat.reshape(3, 3) @ hand.approach

    def held(self, body: str) -> bool:
        """Whether the robot touches a body."""
        return bool(self.hands_on(body))


def _arms_of(model: mujoco.MjModel, robot: SimRobot) -> Float:
    """[nbody] which arm a body is part of, -1 for none."""
    arms = np.full(model.nbody, -1)
    for index, arm in enumerate(robot.arms):
        arms[model.jnt_bodyid[model.joint(arm.joints[0]).id]] = index
    for body in range(1, model.nbody):  # parents come before their children
        if arms[body] < 0:
            arms[body] = arms[model.body_parentid[body]]
    return arms
