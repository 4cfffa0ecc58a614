"""Chunks on a timeline: what is accepted, what is refused and why, and what is wanted at an instant.

Row k of a chunk is due at ``start_ns + k step_ns`` whenever it arrives; rows that are over by then
are skipped by arithmetic. The newest accepted chunk supersedes the older one, from the next tick or
from its own start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_policy.control.interpolation import Motion, Point, Trajectory
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.seam import PEAK_OVER_MEAN, CrossFade, Seam
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.control.smoothing import smooth
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float

_LONGEST = 1024
"""Rows; a longer chunk is not one of this kind of policy."""

_LONGEST_FADE_S = 5.0

_STEP_NS = (1_000_000, NS_PER_S)

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
"""Reasons that say the policy itself is unwell; the others say only that a chunk came late or twice."""


@dataclass(frozen=True)
class Accepted:
    """A chunk that will be followed.

    Attributes:
        skipped: rows that were over on arrival.
        clamped: values that lay a little outside the range and were set onto its end.
    """

    skipped: int
    clamped: int


@dataclass(frozen=True)
class Refused:
    """A chunk that will not be followed.

    Attributes:
        reason: one word for counters and status.
        message: one sentence with the numbers.
    """

    reason: str
    message: str


@dataclass(frozen=True)
class _Entry:
    """An accepted chunk with its motion."""

    chunk: ActionChunk
    trajectory: Trajectory
    accepted_ns: int


class ChunkBuffer:
    """Accepts chunks and says what is wanted at an instant.

    Args:
        limits: joints, kinds and ranges.
        settings: thresholds and times.
        seam: how chunks are joined; the settings' strategy by default.

    Attributes:
        accepted, refused, skipped_rows, clamped_values: counts since the start.
        last_refusal: the newest refusal, None before the first.
    """

    def __init__(
        self, limits: Limits, settings: ControllerSettings, seam: Seam | None = None
    ) -> None:
        self._limits, self._settings = limits, settings
        self._whole = limits.gripper | limits.base
        self._seam = seam or CrossFade(self._whole)
        spans = limits.upper - limits.lower
        excess = settings.per_joint(limits, settings.range_excess, settings.range_excess_m)
        excess = np.where(limits.gripper, settings.range_excess_gripper * spans, excess)
        self._excess = np.where(limits.base, settings.range_excess_base * spans, excess)
        self._row_step = settings.per_joint(limits, settings.row_max_step, settings.row_max_step_m)
        self._seam_speed = settings.per_joint(limits, settings.seam_speed, settings.seam_speed_m)
        self._first_step = settings.per_joint(
            limits, settings.first_row_max_step, settings.first_row_max_step_m
        )
        self.accepted = self.refused = self.skipped_rows = self.clamped_values = 0
        self.last_refusal: Refused | None = None
        self._newest: tuple[int, int] | None = None
        self._waiting: _Entry | None = None
        self._entry: _Entry | None = None
        self._motion: Motion | None = None

    @property
    def in_force(self) -> ActionChunk | None:
        """The chunk that is followed, or was last."""
        return self._entry.chunk if self._entry else None

    @property
    def newest(self) -> ActionChunk | None:
        """The newest accepted chunk, whether or not it is followed yet."""
        return self._waiting.chunk if self._waiting else self.in_force

    def accept(
        self, chunk: ActionChunk, now_ns: int, pose: Float | None = None
    ) -> Accepted | Refused:
        """Takes a chunk up, or refuses it.

        Args: chunk: as it came. now_ns: the clock. pose: [A] commanded pose while motion is
            enabled, the measured one before; None if there is none yet,
                then the distance of the first row is not checked here.
        """
        outcome = self._examine(chunk, now_ns, pose)
        if isinstance(outcome, Refused):
            self.refused += 1
            self.last_refusal = outcome
            return outcome
        trajectory, clamped = outcome
        skipped = int(np.clip(-((chunk.start_ns - now_ns) // chunk.step_ns), 0, chunk.horizon))
        self._newest = (chunk.session, chunk.sequence)
        self._waiting = _Entry(chunk, trajectory, now_ns)
        self.accepted += 1
        self.skipped_rows += skipped
        self.clamped_values += clamped
        return Accepted(skipped, clamped)

    def clear(self) -> None:
        """Drops every chunk; older sessions and sequence numbers stay refused."""
        self._waiting = self._entry = self._motion = None

    def forget(self) -> None:
        """Drops every chunk and the order of sessions, as after a jump of the clock they are named by."""
        self.clear()
        self._newest = None

    def distance(self, at_ns: int, pose: Float) -> str | None:
        """Why the motion at an instant is too far from a pose to be taken up, None if it is not or there is none."""
        entry = self._waiting or self._entry
        return self._too_far(entry.trajectory, at_ns, pose) if entry else None

    def wanted(self, at_ns: int, present: Point, *, resting: bool = False) -> Point | Refused:
        """What is wanted at an instant, one tick after the present command.

        A chunk that waits is joined to the present command here.

        Args: at_ns: the instant of the next command. present: the newest command with its rates,
            whose instant is about a tick before ``at_ns``. resting: the command was held up to now,
            so that the motion is ramped into again.

        Returns:
            The wanted point, or why nothing is wanted: no_chunk, stale_chunk, first_row_too_far.
        """
        joins = self._waiting and self._waiting.trajectory.start_ns <= at_ns
        if joins:
            self._entry, self._waiting = self._waiting, None
        if self._entry is None:
            return Refused("no_chunk", "no chunk has been accepted yet")
        entry = self._entry
        age = (at_ns - entry.chunk.observation_ns) / NS_PER_S
        if at_ns > entry.trajectory.end_ns or age > self._settings.chunk_max_age_s:
            self._motion = None
            return Refused(
                "stale_chunk",
                f"chunk {entry.chunk.sequence} ended {(at_ns - entry.chunk.end_ns) / NS_PER_S:.3f} s ago and is "
                f"{age:.3f} s old; at most {self._settings.chunk_max_age_s} s",
            )
        if joins or resting or self._motion is None:
            trajectory = entry.trajectory
            too_far = self._too_far(trajectory, at_ns, present.position)
            if too_far is not None:
                self._motion = None
                return Refused("first_row_too_far", too_far)
            # The present command is one period older than the wanted one.
            begin = max(trajectory.start_ns, at_ns - self._settings.period_ns)
            following = None if resting else self._motion
            fade = self._fade_ns(entry, trajectory.position(begin) - present.position, following)
            self._motion = self._seam.join(present, following, trajectory, begin, fade)
        point = self._motion.at(at_ns)
        if point is None:
            return Refused("no_chunk", f"the motion in force does not cover {at_ns} ns")
        return point

    def _fade_ns(self, entry: _Entry, gap: Float, following: Motion | None) -> int:
        """How long a seam takes: as set or measured, and no faster than the speed allowed for closing its gap."""
        if following is None:
            least = self._settings.ramp_s * NS_PER_S
        elif self._settings.seam_s > 0.0:
            least = self._settings.seam_s * NS_PER_S
        else:
            delay = entry.accepted_ns - entry.chunk.observation_ns
            least = min(max(delay, NS_PER_S // 10), NS_PER_S // 2)
        closing = float(np.max(np.abs(gap) / self._seam_speed)) * PEAK_OVER_MEAN
        return round(max(least, min(closing, _LONGEST_FADE_S) * NS_PER_S))

    def _too_far(self, trajectory: Trajectory, at_ns: int, pose: Float) -> str | None:
        """Which joint of a trajectory is too far from a pose, with the numbers; None if the path comes by the pose.

        The rows that are over count: from rest, and with a slow policy, the row that is due now may
            be a stretch along
        a path that began at the pose. A path that never came by is refused.
        """
        instant = min(max(at_ns, trajectory.start_ns), trajectory.end_ns)
        due = (instant - trajectory.start_ns) // trajectory.step_ns
        first = trajectory.position(instant)
        path = np.vstack((trajectory.rows[: due + 1], first))
        if np.any(np.all(np.abs(path - pose) <= self._first_step, axis=1)):
            return None
        away = np.abs(first - pose)
        joint = int(np.argmax(away / self._first_step))
        return (
            f"{self._limits.names[joint]}: the first applicable row is {first[joint]:.3f}, {away[joint]:.3f} from "
            f"{pose[joint]:.3f}; at most {self._first_step[joint]}"
        )

    def _examine(
        self, chunk: ActionChunk, now_ns: int, pose: Float | None
    ) -> tuple[Trajectory, int] | Refused:
        """The chunk as motion with the count of clamped values, or why it is refused."""
        return (
            self._of_our_kind(chunk)
            or self._in_order(chunk, now_ns)
            or self._as_motion(chunk, now_ns, pose)
        )

    def _of_our_kind(self, chunk: ActionChunk) -> Refused | None:
        """Refuses a chunk for another robot or on an impossible grid."""
        names = self._limits.names
        if chunk.names != names:
            return Refused(
                "wrong_joints", f"expected joints {', '.join(names)}, got {', '.join(chunk.names)}"
            )
        low, high = _STEP_NS
        if not low <= chunk.step_ns <= high or chunk.horizon > _LONGEST:
            return Refused(
                "bad_timing",
                f"expected up to {_LONGEST} rows {low} to {high} ns apart, got {chunk.horizon} rows "
                f"{chunk.step_ns} ns apart",
            )
        if chunk.start_ns < chunk.observation_ns - chunk.step_ns:
            return Refused(
                "bad_timing",
                f"row 0 is due {(chunk.observation_ns - chunk.start_ns) / NS_PER_S:.3f} s before its observation",
            )
        return None

    def _in_order(self, chunk: ActionChunk, now_ns: int) -> Refused | None:
        """Refuses a chunk that is old, over, not yet, or not the newest."""
        if self._newest is not None:
            session, sequence = self._newest
            if chunk.session < session:
                return Refused(
                    "old_session", f"session {chunk.session} is older than {session}, in force"
                )
            if chunk.session == session and chunk.sequence <= sequence:
                return Refused(
                    "out_of_order",
                    f"sequence {chunk.sequence} after {sequence} of session {session}",
                )
        most, ahead = self._settings.chunk_max_age_s, self._settings.clock_tolerance_s
        age = (now_ns - chunk.observation_ns) / NS_PER_S
        if age > most or now_ns >= chunk.end_ns:
            return Refused(
                "stale_chunk",
                f"the observation is {age:.3f} s old (at most {most} s) and the last row was due "
                f"{(now_ns - chunk.end_ns) / NS_PER_S:.3f} s ago",
            )
        if age < -ahead or (chunk.start_ns - now_ns) / NS_PER_S > most:
            return Refused(
                "from_the_future",
                f"observed {-age:.3f} s from now (at most {ahead} s), row 0 due "
                f"{(chunk.start_ns - now_ns) / NS_PER_S:.3f} s from now (at most {most} s)",
            )
        return None

    def _as_motion(
        self, chunk: ActionChunk, now_ns: int, pose: Float | None
    ) -> tuple[Trajectory, int] | Refused:
        """Checks the rows as they would be executed, smoothed; a raw row may not differ much from that."""
        limits, settings = self._limits, self._settings
        if not np.isfinite(chunk.rows).all():
            row, column = np.argwhere(~np.isfinite(chunk.rows))[0].tolist()
            return Refused(
                "non_finite", f"{limits.names[column]} in row {row} is {chunk.rows[row, column]}"
            )
        rows = np.clip(chunk.rows, -1e6, 1e6)  # so that arithmetic on absurd values stays finite
        smoothed = smooth(rows, ~self._whole) if settings.smoothing else rows.copy()
        for reason, amount, most, what in (
            ("outlier", np.abs(rows - smoothed), settings.smoothing_max_change, "from its smoothed self"),
            ("out_of_range", np.maximum(limits.lower - smoothed, smoothed - limits.upper), self._excess,
             "outside the range"),
            ("step_too_large", np.abs(np.diff(smoothed, axis=0)), self._row_step, "from the next row"),
        ):  # fmt: skip
            over = np.argwhere(amount > most)
            if len(over):
                row, column = over[0].tolist()
                return Refused(
                    reason,
                    f"{limits.names[column]} in row {row} is {amount[row, column]:.3f} {what}; at most "
                    f"{np.broadcast_to(most, amount.shape)[row, column]}",
                )
        clamped = np.clip(smoothed, limits.lower, limits.upper)
        trajectory = Trajectory(clamped, chunk.start_ns, chunk.step_ns, limits.gripper, limits.base)
        if pose is not None:
            too_far = self._too_far(trajectory, now_ns, pose)
            if too_far is not None:
                return Refused("first_row_too_far", too_far)
        return trajectory, int(np.count_nonzero(clamped != smoothed))
