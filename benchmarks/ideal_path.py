"""Paths that a perfect policy would lead a robot along: smooth, inside its limits, from home."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float

_RISE_S = 2.0
"""The path leaves home over this long."""

_MOVE_S, _DWELL_S, _REACH = 1.7, 0.3, 0.4


@dataclass(frozen=True)
class SumOfSines:
    """Every joint swings around home at three frequencies; the gripper stays.

    Attributes:
        home: [A].
        amplitudes, frequencies, phases: [3, A] in rad, Hz, rad.
    """

    home: Float
    amplitudes: Float
    frequencies: Float
    phases: Float

    @classmethod
    def of(cls, robot: Embodiment, seed: int) -> SumOfSines:
        """A path for a robot: up to 0.36 rad from home at 0.08 to 0.35 Hz."""
        rng, joints = np.random.default_rng(seed), len(robot.joints)
        arm = np.array([joint.kind == "revolute" for joint in robot.joints])
        return cls(
            np.array(robot.home),
            rng.uniform(0.05, 0.12, (3, joints)) * arm,
            rng.uniform(0.08, 0.35, (3, joints)),
            rng.uniform(0.0, 2.0 * np.pi, (3, joints)),
        )

    def at(self, seconds: Float) -> Float:
        """[N, A] positions at [N] times along the path; home before 0."""
        t = np.maximum(np.asarray(seconds, dtype=np.float64), 0.0)[:, None, None]
        waves = self.amplitudes * np.sin(2.0 * np.pi * self.frequencies * t + self.phases)
        return self.home + _quintic(t[:, 0] / _RISE_S) * waves.sum(axis=1)


@dataclass(frozen=True)
class PickAndPlace:
    """Minimum-jerk moves between poses with a short dwell, at which the gripper turns.

    Attributes:
        poses: [P, A], the first is home.
    """

    poses: Float

    @classmethod
    def of(cls, robot: Embodiment, seed: int, moves: int = 60) -> PickAndPlace:
        """A path for a robot: poses up to 0.4 rad from home, one every 2 s."""
        rng, home = np.random.default_rng(seed), np.array(robot.home)
        kinds = np.array([joint.kind for joint in robot.joints])
        poses = home + rng.uniform(-_REACH, _REACH, (moves + 1, len(home))) * (kinds == "revolute")
        poses[:, kinds == "gripper"] = (np.arange(moves + 1) % 2)[:, None]
        poses[0] = home
        return cls(poses)

    def at(self, seconds: Float) -> Float:
        """[N, A] positions at [N] times along the path; home before 0, the last pose at its end."""
        t = np.maximum(np.asarray(seconds, dtype=np.float64), 0.0)
        move = np.minimum((t / (_MOVE_S + _DWELL_S)).astype(int), len(self.poses) - 2)
        share = _quintic((t - move * (_MOVE_S + _DWELL_S)) / _MOVE_S)[:, None]
        path = self.poses[move] + share * (self.poses[move + 1] - self.poses[move])
        turned = self.poses[move + (share[:, 0] >= 1.0)]
        gripper = np.isin(self.poses, (0.0, 1.0)).all(axis=0)
        return np.where(gripper, turned, path)


def _quintic(share: Float) -> Float:
    """From 0 to 1 with the least jerk."""
    u = np.clip(share, 0.0, 1.0)
    return u * u * u * (10.0 + u * (6.0 * u - 15.0))
