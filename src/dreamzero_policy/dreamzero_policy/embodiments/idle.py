"""Rows in which nothing moves: neither the robot nor what it is told.

Training data without them is what the paper trained on. They are left out as whole stretches; what
is on either side is never put together, since a window across the seam would show a jump.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float

_WINDOW_S = 0.5
"""Motion is looked for over that time around a row."""


def idle_rows(
    robot: Embodiment, states: Float, actions: Float, *, fraction: float, least_s: float
) -> np.ndarray:
    """Which rows belong to a stretch of at least ``least_s`` without motion.

    A row is still when within half a second around it no measured and no commanded joint changed
    by more than ``fraction`` of what its top speed allows in that time, and no base was told to go
    faster than ``fraction`` of its top speed.

    Args:
        robot: joints and their top speeds.
        states: [N, S] consecutive rows, model units.
        actions: [N, A].
        fraction: share of the top speed.
        least_s: length of a stretch [s].

    Returns:
        [N] bool.
    """
    hz = robot.time_base.control_hz
    size = 2 * max(1, round(_WINDOW_S * hz / 2)) + 1
    span_s = (size - 1) / hz
    still = np.ones(len(states), dtype=bool)
    measured = [robot.joint(name) for name in robot.state_joints]
    for joints, values in ((measured, states), (robot.joints, actions)):
        for joint, column in zip(joints, values.T, strict=True):
            if joint.kind == "base":
                still &= np.abs(column) <= fraction * max(abs(joint.lower), abs(joint.upper))
                continue
            moved = maximum_filter1d(column, size, mode="nearest") - minimum_filter1d(
                column, size, mode="nearest"
            )
            still &= moved <= fraction * joint.velocity * span_s
    return _long_enough(still, max(1, round(least_s * hz)))


def _long_enough(mask: np.ndarray, least: int) -> np.ndarray:
    """``mask`` without runs of fewer than ``least``."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    kept = np.zeros_like(mask)
    for first, behind in zip(edges[0::2], edges[1::2], strict=True):
        kept[first:behind] = behind - first >= least
    return kept
