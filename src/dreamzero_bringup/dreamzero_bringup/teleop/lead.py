"""When a human's targets go out, and what they are: the clutch, the pose and who is followed.

Without ROS. Until the controller follows the human, the target is the measured pose: nothing is
asked for ahead of time, so nothing is made up for when it begins to follow, or follows again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dreamzero_bringup.teleop.asked import Asked
from dreamzero_bringup.teleop.follow import Follower, LeaderMap
from dreamzero_bringup.teleop.jog import SPEEDS, Jog
from dreamzero_policy.types import NS_PER_S, Float

STATE_S = 0.2
"""A measured pose older than this is none [s]."""

LONGEST_S = 0.04
"""A step is never longer than one of this time, however late it comes [s]."""


class Robot(NamedTuple):
    """What is known of the robot.

    Attributes:
        state: [S] the newest measured one, model units; None where none came.
        state_ns: when it came.
        followed: whether the controller follows the human now.
        why: what the controller says where it does not.
    """

    state: Float | None = None
    state_ns: int = 0
    followed: bool = False
    why: str = "no controller is heard"


class JogLead:
    """Jogging by keyboard or gamepad."""

    def __init__(self, jog: Jog) -> None:
        self._jog = jog
        self._before_ns: int | None = None
        self.text = ""

    def tick(self, asked: Asked, robot: Robot, now_ns: int) -> Float | None:
        """The target to publish now, if any; ``text`` says what happens."""
        jog = self._jog
        for word in asked.words:
            jog.say(word)
        how = f"{jog.arm.name}, speed {SPEEDS[jog.speed]:.0%}, axes of the {_frame(jog)}"
        before_ns, self._before_ns = self._before_ns, now_ns
        if not asked.engaged:
            self._before_ns, self.text = None, f"handed back ({how})"
            return None
        if robot.state is None or now_ns - robot.state_ns > STATE_S * NS_PER_S:
            self._before_ns, self.text = None, "no measured pose: nothing is sent"
            return None
        if before_ns is None or not robot.followed:
            self.text = f"you lead ({how})" if robot.followed else f"not followed: {robot.why}"
            return jog.begin(robot.state)
        self.text = f"you lead ({how})"
        dt_s = min(max((now_ns - before_ns) / NS_PER_S, 0.0), LONGEST_S)
        return jog.step(asked, robot.state, dt_s) if dt_s else jog.target


class LeaderLead:
    """Following a leader arm."""

    def __init__(self, follower: Follower, mapped: LeaderMap) -> None:
        self._follower, self._map = follower, mapped
        self._before_ns: int | None = None
        self._said: Mapping[str, float] = {}
        self._said_ns: int | None = None
        self.text = ""

    def hear(self, said: Mapping[str, float], now_ns: int) -> None:
        """Takes what the leader says.

        Raises:
            ValueError: as ``LeaderMap.pose``; it then counts as silent.
        """
        self._said_ns = None
        self._map.pose(said)
        self._said, self._said_ns = said, now_ns

    @property
    def lost(self) -> bool:
        """Whether the leader was silent at the newest tick: its clutch then goes out."""
        return self.text.startswith("the leader")

    def tick(self, asked: Asked, robot: Robot, now_ns: int) -> Float | None:
        """The target to publish now, if any; ``text`` says what happens."""
        before_ns, self._before_ns = self._before_ns, None
        if self._said_ns is None or now_ns - self._said_ns > STATE_S * NS_PER_S:
            self.text = "the leader says nothing"
            return None
        if not asked.engaged:
            self.text = "handed back"
            return None
        if robot.state is None or now_ns - robot.state_ns > STATE_S * NS_PER_S:
            self.text = "no measured pose: nothing is sent"
            return None
        self._before_ns = now_ns
        pose = self._follower.pose(robot.state)
        if before_ns is None or not robot.followed:
            self.text = "you lead" if robot.followed else f"not followed: {robot.why}"
            return self._follower.begin(pose)
        dt_s = min(max((now_ns - before_ns) / NS_PER_S, 0.0), LONGEST_S)
        target = self._follower.step(self._map.pose(self._said), pose, dt_s)
        self.text = "you lead" if self._follower.joined else "on the way to the leader's pose"
        return target


def _frame(jog: Jog) -> str:
    return "hand" if jog.in_hand else "base"
