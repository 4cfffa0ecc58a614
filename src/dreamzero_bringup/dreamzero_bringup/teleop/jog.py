"""Jogging: what a human asks for becomes the next target, a small step from the one before.

Without ROS; time comes in as the length of a step.
"""

from __future__ import annotations

import numpy as np

from dreamzero_bringup.teleop import arms
from dreamzero_bringup.teleop.asked import Asked, Word
from dreamzero_bringup.teleop.kinematics import SHARE, Kinematics
from dreamzero_policy.embodiments.embodiment import BASE_AXES, Embodiment
from dreamzero_policy.types import Float

SPEEDS = (0.1, 0.25, 0.5, 1.0)
"""Steps of speed, as shares of the fastest."""

LINEAR, ANGULAR = 0.25, 0.9
"""Fastest hand [m/s, rad/s]."""

LEAD, LEAD_M = 0.3, 0.03
"""How far a target may be ahead of the measured joint [rad, m]; there it waits."""

_RAMP_S = 0.15  # from standing to the speed asked for


class Jog:
    """The targets of one robot.

    Args:
        embodiment: names, ranges and speeds.

    Attributes:
        arm: which one is moved.
        speed: a step of ``SPEEDS``.
        in_hand: whether directions are those of the hand instead of the base.
        target: [A] model units, of bases a velocity; None before ``begin``.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        self._arms = arms.of(embodiment.name)
        self._kinematics = Kinematics(embodiment)
        self._names = embodiment.action_joints
        joints = embodiment.joints
        self._moved = np.array([joint.kind != "base" for joint in joints])
        self._lower = np.array([joint.lower for joint in joints])
        self._upper = np.array([joint.upper for joint in joints])
        self._most = SHARE * np.array([joint.velocity for joint in joints])
        kinds = [joint.kind for joint in joints]
        waits = {"prismatic": LEAD_M, "revolute": LEAD, "gripper": np.inf, "base": np.inf}
        self._lead = np.array([waits[kind] for kind in kinds])
        self._lift = arms.LIFTS.get(embodiment.name)
        axes = list(BASE_AXES)
        self._wheels = {k: axes.index(j.name) for k, j in enumerate(joints) if j.kind == "base"}
        self._state = [self._names.index(name) for name in embodiment.state_joints]
        self.arm, self.speed, self.in_hand = self._arms[0], 1, False
        self.target: Float | None = None
        self._rest()

    def pose(self, state: Float) -> Float:
        """[A] the pose of a state vector [S], inside the ranges; zero for bases."""
        pose = np.zeros(len(self._names))
        pose[self._state] = state
        return np.where(self._moved, np.clip(pose, self._lower, self._upper), 0.0)

    def begin(self, state: Float) -> Float:
        """Starts anew from where the robot is, at rest.

        Args:
            state: [S] measured, model units.

        Returns:
            [A] the target.
        """
        self._rest()
        self.target = self.pose(state)
        return self.target

    def say(self, word: Word) -> None:
        """Takes a press: another arm, speed or frame; the hand comes to rest."""
        if word == "other arm":
            self.arm = self._arms[(self._arms.index(self.arm) + 1) % len(self._arms)]
        elif word == "faster":
            self.speed = min(self.speed + 1, len(SPEEDS) - 1)
        elif word == "slower":
            self.speed = max(self.speed - 1, 0)
        elif word == "frame":
            self.in_hand = not self.in_hand
        if word in ("other arm", "frame"):
            self._rest()

    def step(self, asked: Asked, state: Float, dt_s: float) -> Float:
        """The next target.

        A base gets the velocity that is held now, at most ``SHARE`` of its limit. Every other joint
        moves by at most ``SHARE`` of its speed and stays in its range, and none goes further from
        the measured pose than ``LEAD``.

        Args:
            asked: what is held.
            state: [S] measured, model units.
            dt_s: since the target before.

        Returns:
            [A] model units, of bases a velocity.
        """
        assert self.target is not None, "begin first"
        velocity = self._arm_velocity(asked, dt_s) + self._others(asked)
        velocity = np.where(self._moved & np.isfinite(velocity), velocity, 0.0)
        velocity /= max(1.0, float(np.max(np.abs(velocity) / self._most)))
        wanted = np.clip(self.target + velocity * dt_s, self._lower, self._upper)
        ahead = wanted - self.pose(state)
        waits = (np.abs(ahead) > self._lead) & (ahead * velocity > 0.0)
        if waits.any():
            self._rest()
            wanted = self.target
        self.target = np.where(self._moved, wanted, self._rolling(asked))
        return self.target

    def _rolling(self, asked: Asked) -> Float:
        """[A] velocities of a base, zero elsewhere; the controller ramps them."""
        velocity = np.zeros(len(self._names))
        for column, axis in self._wheels.items():
            held = float(np.clip(asked.wheels[axis], -1.0, 1.0))
            velocity[column] = held * self._most[column] * SPEEDS[self.speed]
        return velocity

    def _rest(self) -> None:
        """Brings the hand to rest where it is."""
        self._hand, self._goal = np.zeros(6), None

    def _arm_velocity(self, asked: Asked, dt_s: float) -> Float:
        """[A] of the arm's joints; the hand's speed rises over a ramp and falls at once."""
        share = SPEEDS[self.speed]
        fastest = np.repeat([LINEAR, ANGULAR], 3) * share
        goal = np.clip([*asked.linear, *asked.angular], -1.0, 1.0) * fastest
        most = fastest * dt_s / _RAMP_S
        self._hand = self._hand + np.clip(goal - self._hand, -most, most)
        self._hand[goal == 0.0] = 0.0  # nothing held is no motion
        if not self._hand.any():
            self._goal = None
            return np.zeros(len(self._names))
        linear, angular = self._hand[:3], self._hand[3:]
        if self.in_hand:
            _, turn = self._kinematics.hand(self.target, self.arm)
            linear, angular = turn @ linear, turn @ angular
        move = linear * dt_s, angular * dt_s
        self._goal = self._kinematics.goal(self.target, self.arm, self._goal, *move)
        return self._kinematics.velocity(self.target, self.arm, self._goal, dt_s)

    def _others(self, asked: Asked) -> Float:
        """[A] of gripper and lift."""
        velocity = np.zeros(len(self._names))
        gripper = self._names.index(self.arm.gripper)
        velocity[gripper] = asked.gripper * self.arm.closes * self._most[gripper]
        if self._lift is not None:
            lift = self._names.index(self._lift)
            velocity[lift] = asked.lift * self._most[lift] * SPEEDS[self.speed]
        return velocity
