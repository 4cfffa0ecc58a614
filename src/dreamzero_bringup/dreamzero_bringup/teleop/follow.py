"""Following a leader arm: towards its pose slowly until the robot is there, then with it.

Without ROS; for any robot and any leader that says joint positions by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float

JOIN, JOINED = 0.15, 0.9
"""Of a joint's largest speed: on the way to the leader's pose, and once there."""

LEAD, LEAD_M = 0.3, 0.03
"""How far a target may be ahead of the measured joint [rad, m]; there it waits."""

_NEAR = 0.02  # of a joint's range: there


class LeaderMap:
    """A leader's joints by name as the robot's.

    Args:
        embodiment: the robot's names and ranges.
        pairs: ``theirs:=ours`` each, ``theirs:=-ours`` for one that turns the other way; none
            where the leader uses the robot's own names.

    Raises:
        ValueError: a pair that is none, or a joint that the robot does not have or has twice.
    """

    def __init__(self, embodiment: Embodiment, pairs: Sequence[str] = ()) -> None:
        joints = [joint for joint in embodiment.joints if joint.kind != "base"]
        names = [joint.name for joint in joints]
        self._columns: dict[str, tuple[int, float]] = {}
        for pair in pairs or [f"{name}:={name}" for name in names]:
            match = re.fullmatch(r"([^:=\s]+):=(-?)([^-\s]\S*)", pair)
            if match is None or match[3] not in names:
                raise ValueError(
                    f"leader map: expected theirs:=ours with ours of {', '.join(names)}, "
                    f"got {pair!r}"
                )
            column = embodiment.action_joints.index(match[3])
            if match[1] in self._columns or column in {c for c, _ in self._columns.values()}:
                raise ValueError(f"leader map: {pair!r} names a joint a second time")
            self._columns[match[1]] = column, -1.0 if match[2] else 1.0
        self._given = bool(pairs)

    def pose(self, said: Mapping[str, float]) -> dict[int, float]:
        """What the leader says, by column of the action vector.

        Raises:
            ValueError: a joint is missing or not finite, or none is the robot's.
        """
        wanted = [name for name in self._columns if self._given or name in said]
        missing = [name for name in wanted if name not in said]
        if missing or not wanted:
            raise ValueError(
                f"leader: expected joints {', '.join(missing or self._columns)}, got "
                f"{', '.join(said) or 'none'}"
            )
        if not all(math.isfinite(said[name]) for name in wanted):
            raise ValueError(f"leader: a position is not finite: {dict(said)}")
        return {self._columns[n][0]: self._columns[n][1] * float(said[n]) for n in wanted}


class Follower:
    """Targets that follow a leader from where the robot is.

    Args:
        embodiment: ranges and speeds.

    Attributes:
        joined: whether the robot's targets have reached the leader since ``begin``.
        target: [A] model units, zero for bases; None before ``begin``.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        joints = embodiment.joints
        self._moved = np.array([joint.kind != "base" for joint in joints])
        self._state = [embodiment.action_joints.index(name) for name in embodiment.state_joints]
        self._lower = np.array([joint.lower for joint in joints])
        self._upper = np.array([joint.upper for joint in joints])
        self._most = np.array([joint.velocity for joint in joints])
        waits = {"prismatic": LEAD_M, "revolute": LEAD, "gripper": np.inf, "base": np.inf}
        self._lead = np.array([waits[joint.kind] for joint in joints])
        self.joined = False
        self.target: Float | None = None

    def pose(self, state: Float) -> Float:
        """[A] the pose of a state vector [S]; zero for bases."""
        pose = np.zeros(len(self._moved))
        pose[self._state] = state
        return pose

    def begin(self, pose: Float) -> Float:
        """Starts from a measured pose [A]."""
        self.joined = False
        self.target = np.where(self._moved, np.clip(pose, self._lower, self._upper), 0.0)
        return self.target

    def step(self, leader: Mapping[int, float], pose: Float, dt_s: float) -> Float:
        """The next target; no joint moves faster than its share, or further ahead than it may.

        Args:
            leader: its pose by column; columns that are not in it stay.
            pose: [A] measured.
            dt_s: since the target before.
        """
        assert self.target is not None, "begin first"
        wanted = self.target.copy()
        wanted[list(leader)] = list(leader.values())
        wanted = np.where(self._moved, np.clip(wanted, self._lower, self._upper), 0.0)
        near = np.abs(wanted - self.target) <= _NEAR * (self._upper - self._lower)
        self.joined = self.joined or bool(near.all())
        most = (JOINED if self.joined else JOIN) * self._most * dt_s
        step = np.clip(wanted - self.target, -most, most)
        ahead = self.target + step - pose
        step[(np.abs(ahead) > self._lead) & (ahead * step > 0.0)] = 0.0
        self.target = self.target + step
        return self.target
