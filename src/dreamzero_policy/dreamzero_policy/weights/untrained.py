"""What a checkpoint carries beside weights, invented for a robot where nothing was trained.

The numbers only have to be sane: the whole range of every joint as its state statistics, and small
steps for what is predicted relative to the measured state, so that random actions stay near the
present pose.
"""

from __future__ import annotations

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment, Joint, Key
from dreamzero_policy.normalize import Statistics

_RELATIVE_REACH = {"revolute": 0.03, "prismatic": 0.006, "gripper": 0.2}
"""Largest relative action by kind of joint, in rad, m and parts of the range.

Rows of an untrained model are noise of about this size: they must differ by less than a controller
lets one row differ from the next, and leave a joint's range by less than it lets a chunk leave it.
"""

_MOMENT_S = 0.1
"""No relative action is larger than what the joint's acceleration makes of the square of this: a
slow joint that is shaken faster than it can brake would swing far beyond what shakes it."""

_BASE_SHARE = 0.3
"""Share of a base's range that its velocity has: it is predicted as it is, and noise of the whole
range would leave it by more than a controller lets a chunk leave it."""


def state_statistics(embodiment: Embodiment) -> dict[str, Statistics]:
    """Statistics of every state key: each joint's whole range."""
    joints = [embodiment.joint(name) for name in embodiment.state_joints]
    ranges = np.array([[joint.lower, joint.upper] for joint in joints])
    return _by_key(embodiment.state_keys, ranges)


def action_statistics(embodiment: Embodiment) -> dict[str, Statistics]:
    """Statistics of every action key: whole ranges, but small for relative columns and bases."""
    relative = np.concatenate([[key.relative] * key.width for key in embodiment.action_keys])
    ranges = np.array(
        [
            _reach(joint) if rel else _range(joint)
            for joint, rel in zip(embodiment.joints, relative, strict=True)
        ]
    )
    return _by_key(embodiment.action_keys, ranges)


def _reach(joint: Joint) -> list[float]:
    """Range of a joint's relative action."""
    reach = min(_RELATIVE_REACH[joint.kind], joint.acceleration * _MOMENT_S**2)
    return [-reach, reach]


def _range(joint: Joint) -> list[float]:
    """Range of what is predicted of a joint as it is."""
    share = _BASE_SHARE if joint.kind == "base" else 1.0
    return [share * joint.lower, share * joint.upper]


def _by_key(keys: tuple[Key, ...], ranges: np.ndarray) -> dict[str, Statistics]:
    """Statistics of a uniform distribution over ``ranges`` [D, 2], cut at the keys."""
    found, start = {}, 0
    for key in keys:
        lower, upper = ranges[start : start + key.width].T
        start += key.width
        span = upper - lower
        found[key.name] = Statistics(
            q01=lower, q99=upper, min=lower, max=upper, mean=(lower + upper) / 2, std=span / 12**0.5
        )
    return found
