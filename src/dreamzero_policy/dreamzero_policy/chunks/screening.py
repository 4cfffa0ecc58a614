"""What a chunk must be before it may be executed, each reason with a name.

A chunk is checked as it would be executed, which is after smoothing; a raw row may not differ much
from that either, so that the filter cannot hide an outlier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_policy.chunks.followable import followable
from dreamzero_policy.chunks.interpolation import Trajectory
from dreamzero_policy.chunks.smoothing import smooth
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float

_LONGEST = 1024
"""Rows; a longer chunk is not one of this kind of policy."""

_STEP_NS = (1_000_000, NS_PER_S)

_NOISE = 0.25
"""Share of ``first_row_max_step`` by which a row may be moved so that its joint can follow."""

_ABSURD = 1e6
"""Values are cut here before anything is computed with them; they are refused afterwards."""

UNSOUND = frozenset(
    {
        "wrong_joints",
        "bad_timing",
        "non_finite",
        "outlier",
        "out_of_range",
        "step_too_large",
        "first_row_too_far",
    }
)
"""Reasons that say the policy is unwell; the others say only that a chunk came late or twice."""


@dataclass(frozen=True)
class Refused:
    """What will not be followed.

    Attributes:
        reason: one word for counters and status.
        message: one sentence with the numbers.
    """

    reason: str
    message: str


class Screen:
    """The checks of a chunk that need no memory of earlier ones.

    Args:
        limits: joints, kinds and ranges.
        settings: thresholds.
    """

    def __init__(self, limits: Limits, settings: ControllerSettings) -> None:
        self._limits, self._settings = limits, settings
        self._filtered = ~(limits.gripper | limits.base)
        spans = limits.upper - limits.lower
        excess = settings.per_joint(limits, settings.range_excess, settings.range_excess_m)
        excess = np.where(limits.gripper, settings.range_excess_gripper * spans, excess)
        self._excess = np.where(limits.base, settings.range_excess_base * spans, excess)
        self._row_step = settings.per_joint(limits, settings.row_max_step, settings.row_max_step_m)
        self._first_step = settings.per_joint(
            limits, settings.first_row_max_step, settings.first_row_max_step_m
        )
        self._change = np.full(len(spans), settings.smoothing_max_change)
        self._noise = self._first_step * _NOISE

    def kind(self, chunk: ActionChunk) -> Refused | None:
        """Refuses a chunk for other joints, or on an impossible grid: wrong_joints, bad_timing."""
        names = self._limits.names
        if chunk.names != names:
            return Refused(
                "wrong_joints", f"expected joints {', '.join(names)}, got {', '.join(chunk.names)}"
            )
        low, high = _STEP_NS
        if not low <= chunk.step_ns <= high or chunk.horizon > _LONGEST:
            return Refused(
                "bad_timing",
                f"expected up to {_LONGEST} rows {low} to {high} ns apart, "
                f"got {chunk.horizon} rows {chunk.step_ns} ns apart",
            )
        early = chunk.observation_ns - chunk.start_ns
        if early > chunk.step_ns:
            return Refused(
                "bad_timing", f"row 0 is due {early / NS_PER_S:.3f} s before its observation"
            )
        return None

    def age(self, chunk: ActionChunk, now_ns: int, playback: float) -> Refused | None:
        """Refuses a chunk that is over or too old, or not due yet: stale_chunk, from_the_future.

        Args:
            chunk: as it would be played.
            now_ns: the clock.
            playback: share of its own speed at which it would be; its age counts in its own time.
        """
        most = self._settings.chunk_max_age_s / playback
        ahead = self._settings.clock_tolerance_s
        age = (now_ns - chunk.observation_ns) / NS_PER_S
        if age > most or now_ns >= chunk.end_ns:
            return Refused(
                "stale_chunk",
                f"the observation is {age:.3f} s old (at most {most:g} s) and the last row was due "
                f"{(now_ns - chunk.end_ns) / NS_PER_S:.3f} s ago",
            )
        due = (chunk.start_ns - now_ns) / NS_PER_S
        if age < -ahead or due > most:
            return Refused(
                "from_the_future",
                f"observed {-age:.3f} s from now (at most {ahead} s), "
                f"row 0 due {due:.3f} s from now (at most {most:g} s)",
            )
        return None

    def motion(self, chunk: ActionChunk) -> tuple[Trajectory, int] | Refused:
        """The chunk, smoothed and clamped to the range, as motion.

        Returns:
            The motion and how many values were clamped; or why there is none: non_finite, outlier,
            out_of_range, step_too_large.
        """
        limits = self._limits
        if not np.isfinite(chunk.rows).all():
            row, column = np.argwhere(~np.isfinite(chunk.rows))[0].tolist()
            value = chunk.rows[row, column]
            return Refused("non_finite", f"{limits.names[column]} in row {row} is {value}")
        raw = np.clip(chunk.rows, -_ABSURD, _ABSURD)
        rows = smooth(raw, self._filtered) if self._settings.smoothing else raw
        outside = np.maximum(limits.lower - rows, rows - limits.upper)
        steps = np.abs(np.diff(rows, axis=0))
        for reason, amount, most, what in (
            ("outlier", np.abs(raw - rows), self._change, "from its smoothed self"),
            ("out_of_range", outside, self._excess, "outside its range"),
            ("step_too_large", steps, self._row_step, "from the next row"),
        ):
            over = np.argwhere(amount > most)
            if len(over):
                row, column = over[0].tolist()
                return Refused(
                    reason,
                    f"{limits.names[column]} in row {row} is {amount[row, column]:.3f} {what}; "
                    f"at most {most[column]}",
                )
        clamped = np.clip(rows, limits.lower, limits.upper)
        count = int(np.count_nonzero(clamped != rows))
        if self._settings.smoothing:
            rates = (limits.acceleration, limits.jerk)
            seconds = chunk.step_ns / NS_PER_S
            clamped = followable(clamped, seconds, *rates, self._noise, self._filtered)
            clamped = np.clip(clamped, limits.lower, limits.upper)
        motion = Trajectory(clamped, chunk.start_ns, chunk.step_ns, limits.gripper, limits.base)
        return motion, count

    def distance(self, motion: Trajectory, at_ns: int, pose: Float) -> Refused | None:
        """Refuses motion that does not come by a pose: first_row_too_far.

        The rows that are over count too: from rest, and with a slow policy, the row that is due now
        may be a stretch along a path that began at the pose. The seam closes that gap slowly. A
        path that never came by is refused. Grippers and bases may be anywhere.

        Args:
            motion: the chunk.
            at_ns: the instant from which it would be followed.
            pose: [A] commanded or measured pose.
        """
        instant = min(max(at_ns, motion.start_ns), motion.end_ns)
        due = (instant - motion.start_ns) // motion.step_ns
        first = motion.position(instant)
        path = np.vstack((motion.rows[: due + 1], first))
        if np.any(np.all(np.abs(path - pose) <= self._first_step, axis=1)):
            return None
        away = np.abs(first - pose)
        joint = int(np.argmax(away / self._first_step))
        return Refused(
            "first_row_too_far",
            f"{self._limits.names[joint]}: the first applicable row is {first[joint]:.3f}, "
            f"{away[joint]:.3f} from {pose[joint]:.3f}; at most {self._first_step[joint]}",
        )
