"""What a played stream is judged by: distance from the path, jerk, steps at seams, holds."""

from __future__ import annotations

import numpy as np

from chunk_player import Played
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float
from synthetic_policy import Path

SETTLED_S = 4.0
"""Left out at the start: enabling, the first delay and the ramp."""

_SEAM_TICKS = 3
"""Commands after a chunk took over that belong to the seam."""


def figures(robot: Embodiment, played: Played, path: Path) -> dict[str, float]:
    """Judges the arm's joints; grippers and bases step as they are told.

    Args:
        robot: kinds and ranges of the joints.
        played: what was commanded.
        path: where each command should have been; its own jerk is the measure of the commands'.

    Returns:
        error_p50, error_p99, error_max [share of range], jerk [rad/s^3], jerk_ratio, seam_velocity
        [rad/s] and seam_acceleration [rad/s^2] (largest change from one tick to the next at seams
        without a hold), path_velocity [rad/s] (the path's own largest change per tick), seams,
        limited and holding [share of ticks], playback (mean), along [s of the path], refused.
    """
    arm = np.array([joint.kind not in ("gripper", "base") for joint in robot.joints])
    span = np.array([joint.upper - joint.lower for joint in robot.joints])[arm]
    period, first = played.period_s, round(SETTLED_S / played.period_s)
    commands, along = played.commands[first:, arm], played.along_s[first:]
    ideal = path.at(along)[:, arm]
    error = (np.abs(commands - ideal) / span).max(axis=1)
    unslowed = path.at(SETTLED_S + np.arange(len(along)) * period)[:, arm]
    jerk, own = peak(commands, 3, period), peak(unslowed, 3, period)
    joined = np.convolve(played.seams[first:], np.ones(_SEAM_TICKS))[: len(along)] > 0
    held = np.convolve(played.holding[first:], np.ones(_SEAM_TICKS + 2))[: len(along)] > 0
    at_seam = joined & ~held
    return {
        "error_p50": float(np.percentile(error, 50)),
        "error_p99": float(np.percentile(error, 99)),
        "error_max": float(error.max()),
        "jerk": jerk,
        "jerk_ratio": jerk / own,
        "seam_velocity": _largest(np.diff(commands, n=2, axis=0)[at_seam[2:]]) / period,
        "seam_acceleration": _largest(np.diff(commands, n=3, axis=0)[at_seam[3:]]) / period**2,
        "path_velocity": peak(unslowed, 2, period) * period,
        "seams": float(played.seams[first:].sum()),
        "limited": float(played.limited[first:].mean()),
        "holding": float(played.holding[first:].mean()),
        "playback": float(played.playback[first:].mean()),
        "along": float(along[-1]),
        "refused": float(played.refused),
    }


def figures_of_chunks(robot: Embodiment, played: Played) -> dict[str, float]:
    """Judges commands by the chunks that they follow, where nobody knows a path.

    Args:
        robot: kinds and ranges of the joints.
        played: what was commanded.

    Returns:
        error_p50 [share of range] from the chunk in force, jerk [rad/s^3], jerk_ratio to what the
        chunks themselves have, holding [share of ticks], refused.
    """
    arm = np.array([joint.kind not in ("gripper", "base") for joint in robot.joints])
    span = np.array([joint.upper - joint.lower for joint in robot.joints])[arm]
    first = round(SETTLED_S / played.period_s)
    commands, wanted = played.commands[first:, arm], played.wanted[first:, arm]
    error = (np.abs(commands - wanted) / span).max(axis=1)
    # Differences across a seam are not the chunk's own.
    own = np.abs(np.diff(wanted, n=3, axis=0)).max(axis=1) / played.period_s**3
    across = np.convolve(played.seams[first:], np.ones(3))[3 : len(wanted)] > 0
    jerk = peak(commands, 3, played.period_s)
    return {
        "error_p50": float(np.nanmedian(error)),
        "jerk": jerk,
        "jerk_ratio": jerk / float(np.nanmax(own[~across])),
        "holding": float(played.holding[first:].mean()),
        "refused": float(played.refused),
    }


def peak(path: Float, order: int, period_s: float) -> float:
    """Largest difference of an order over all ticks and joints, per s to that power."""
    return float(np.abs(np.diff(path, n=order, axis=0)).max() / period_s**order)


def _largest(values: Float) -> float:
    """Largest magnitude, 0 without any."""
    return float(np.abs(values).max()) if values.size else 0.0
