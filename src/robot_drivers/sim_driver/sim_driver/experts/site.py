"""What every script works with, and the few moves that most of them share."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dreamzero_policy.types import Float
from sim_driver.experts.hands import Hands
from sim_driver.experts.kinematics import Grip
from sim_driver.experts.motion import Motion
from sim_driver.tasks.judge import Judge
from sim_driver.tasks.look import Look

TRIES = 3
"""How often a script takes something up again that slipped away."""

_CLEAR_M = (0.075, 0.105)  # how high things are carried over the table, drawn anew every time
_ASIDE_M = 0.015
_FLOOR_M = 0.004  # finger ends stay this far above the table
_WAIT_S = (0.1, 0.25)


class Site:
    """A scene, hands and habits.

    Args:
        look: answers about the scene as of the last time it was looked at.
        hands: plan motions.
        judge: says which thing and place are meant.
        rng: of this attempt.
    """

    def __init__(self, look: Look, hands: Hands, judge: Judge, rng: np.random.Generator) -> None:
        self.look, self.hands, self.rng = look, hands, rng
        self.thing, self.place = judge.choice.thing, judge.choice.place
        self.arms = judge.layout.arms
        self.arm = self.arms[0]

    def above(self, point: Float, height: float | None = None) -> Float:
        """[3] somewhere above a point on the table, a little aside."""
        high = self.rng.uniform(*_CLEAR_M) if height is None else height
        aside = self.rng.uniform(-_ASIDE_M, _ASIDE_M, 2)
        return np.array([point[0] + aside[0], point[1] + aside[1], high])

    def wait(self) -> float:
        """A short pause [s]."""
        return float(self.rng.uniform(*_WAIT_S))

    def low(self, arm: int, height: float) -> float:
        """Height of the grip that holds something at ``height``, fingers off the table [m]."""
        return max(height, self.hands.tip(arm) + _FLOOR_M)

    def square(self, yaw: float, quarter: bool = True) -> float:
        """A hand's turn that suits a thing turned by ``yaw``: of several the easiest.

        Args:
            yaw: of the direction across which the thing is gripped [rad].
            quarter: whether the thing may be gripped across its other side as well.
        """
        easy = self.hands.yaw(self.arm)
        return easy + math.remainder(yaw - easy, math.pi / 2 if quarter else math.pi)

    def take(self, yaw: float, height: float, apart: float) -> Iterator[Motion]:
        """Grips the thing from above and lifts nothing yet.

        Args:
            yaw: the hand's turn.
            height: of the grip over the table.
            apart: how far a finger is from the middle while the hand comes down.
        """
        arm = (self.arm,)
        yield self.hands.fingers(arm, apart, 0.0)
        point = self.look.place(self.thing.name)
        grip = np.array([point[0], point[1], self.low(self.arm, height)])
        over = grip + (0, 0, 0.06)
        above = self.above(point)
        above[2] += grip[2]
        corners = [Grip(above, yaw), Grip(over, yaw), Grip(grip, yaw)]
        yield self.hands.move({self.arm: corners}, 0.05)
        yield self.hands.fingers(arm, 0.0, self.wait() + 0.15)

    def carry(self, point: Float, yaw: float) -> Motion:
        """Lifts what is held, carries it over ``point`` [3] and lowers the hand to there."""
        now = self.hands.grip(self.arm)
        high = now.place[2] + self.rng.uniform(*_CLEAR_M)
        high = max(high, point[2] + 0.05)
        up = self.above(now.place, high)
        up[:2] = now.place[:2]
        across = self.above(point, high)
        before = np.array([*point[:2], max(high - 0.02, point[2] + 0.04)])
        corners = [Grip(up, now.yaw), Grip(across, yaw), Grip(before, yaw), Grip(point, yaw)]
        return self.hands.move({self.arm: corners}, 0.05)

    def let_go(self, apart: float) -> Iterator[Motion]:
        """Opens the hand and draws it back upwards."""
        yield self.hands.fingers((self.arm,), apart, self.wait())
        now = self.hands.grip(self.arm)
        up = now.place + (0, 0, self.rng.uniform(*_CLEAR_M))
        yield self.hands.move({self.arm: [Grip(up, now.yaw)]}, exact=False)
