"""Chunks on a timeline: which is followed, and what is wanted at an instant.

Row k of a chunk is due at ``start_ns + k step_ns`` whenever it arrives; rows that are over by then
are skipped by arithmetic. The newest accepted chunk supersedes the older one from the next tick, or
from its own start.
"""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.control.interpolation import Motion, Point, Trajectory
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.screening import Refused, Screen
from dreamzero_policy.control.seam import CrossFade, Seam
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float


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
        refusal_in_force: the newest refusal unless a chunk was accepted after it.
    """

    def __init__(
        self, limits: Limits, settings: ControllerSettings, seam: Seam | None = None
    ) -> None:
        self._settings, self._screen = settings, Screen(limits, settings)
        speed = settings.per_joint(limits, settings.seam_speed, settings.seam_speed_m)
        self._seam = seam or CrossFade(limits, speed)
        self.accepted = self.refused = self.skipped_rows = self.clamped_values = 0
        self.last_refusal: Refused | None = None
        self.refusal_in_force: Refused | None = None
        self._newest: tuple[int, int] | None = None
        self._waiting: _Entry | None = None
        self._entry: _Entry | None = None
        self._motion: Motion | None = None

    @property
    def in_force(self) -> ActionChunk | None:
        """The chunk that is followed, or was last."""
        return self._entry.chunk if self._entry else None

    def accept(
        self, chunk: ActionChunk, now_ns: int, pose: Float | None = None
    ) -> Accepted | Refused:
        """Takes a chunk up, or refuses it.

        Args:
            chunk: as it came.
            now_ns: the clock.
            pose: [A] commanded pose while motion is enabled, the measured one before; without one
                the distance of the first row is checked only when the chunk is joined.
        """
        outcome = self._examine(chunk, now_ns, pose)
        if isinstance(outcome, Refused):
            self.refused += 1
            self.last_refusal = self.refusal_in_force = outcome
            return outcome
        trajectory, clamped = outcome
        over = -((chunk.start_ns - now_ns) // chunk.step_ns)  # rounded up: row ``over`` is due next
        skipped = min(max(over, 0), chunk.horizon)
        self._newest = (chunk.session, chunk.sequence)
        self._waiting = _Entry(chunk, trajectory, now_ns)
        self.refusal_in_force = None
        self.accepted += 1
        self.skipped_rows += skipped
        self.clamped_values += clamped
        return Accepted(skipped, clamped)

    def forget(self) -> None:
        """Drops every chunk and the order of sessions, as after a jump of their clock."""
        self._waiting = self._entry = self._motion = self._newest = None

    def distance(self, at_ns: int, pose: Float) -> Refused | None:
        """Refuses a pose too far from the motion at an instant; None too if there is no motion."""
        entry = self._waiting or self._entry
        if entry is None or at_ns > entry.trajectory.end_ns:
            return None
        return self._screen.distance(entry.trajectory, at_ns, pose)

    def planned(self, at_ns: int) -> Float | None:
        """[A] what the chunk in force says for an instant, without fades; None without one."""
        point = self._entry.trajectory.at(at_ns) if self._entry else None
        return None if point is None else point.position

    def wanted(self, at_ns: int, present: Point, *, resting: bool = False) -> Point | Refused:
        """What is wanted at an instant, one period after the present command.

        A chunk that waits is joined to the present command here.

        Args:
            at_ns: the instant of the next command.
            present: the newest command with its rates.
            resting: the command was held up to now, so that the motion is ramped into again.

        Returns:
            The wanted point, or why nothing is: no_chunk, stale_chunk, first_row_too_far.
        """
        joins = self._waiting is not None and self._waiting.trajectory.start_ns <= at_ns
        if joins:
            self._entry, self._waiting = self._waiting, None
        if self._entry is None:
            return Refused("no_chunk", "no chunk has been accepted yet")
        chunk, trajectory = self._entry.chunk, self._entry.trajectory
        age, most = (at_ns - chunk.observation_ns) / NS_PER_S, self._settings.chunk_max_age_s
        if at_ns > trajectory.end_ns or age > most:
            self._motion = None
            left = (chunk.end_ns - at_ns) / NS_PER_S
            return Refused(
                "stale_chunk",
                f"chunk {chunk.sequence} has {left:.3f} s left and its observation is {age:.3f} s "
                f"old; at most {most} s",
            )
        if joins or resting or self._motion is None:
            too_far = self._screen.distance(trajectory, at_ns, present.position)
            if too_far is not None:
                self._motion = None
                return too_far
            # The present command is one period older than the wanted one.
            begin = max(trajectory.start_ns, at_ns - self._settings.period_ns)
            following = None if resting else self._motion
            fade = self._fade_ns(following)
            self._motion = self._seam.join(present, following, trajectory, begin, fade)
        point = self._motion.at(at_ns)
        if point is None:
            return Refused("stale_chunk", f"the motion in force does not cover {at_ns} ns")
        return point

    def _fade_ns(self, following: Motion | None) -> int:
        """How long a seam takes at least: from rest as set, else as set or as measured."""
        if following is None:
            least = self._settings.ramp_s
        elif self._settings.seam_s > 0.0:
            least = self._settings.seam_s
        else:
            delay = self._entry.accepted_ns - self._entry.chunk.observation_ns
            least = min(max(delay / NS_PER_S, 0.1), 0.5)
        return round(least * NS_PER_S)

    def _examine(
        self, chunk: ActionChunk, now_ns: int, pose: Float | None
    ) -> tuple[Trajectory, int] | Refused:
        """The chunk as motion with the count of clamped values, or why it is refused."""
        refused = (
            self._screen.kind(chunk) or self._in_order(chunk) or self._screen.age(chunk, now_ns)
        )
        if refused is not None:
            return refused
        outcome = self._screen.motion(chunk)
        if isinstance(outcome, Refused) or pose is None:
            return outcome
        return self._screen.distance(outcome[0], now_ns, pose) or outcome

    def _in_order(self, chunk: ActionChunk) -> Refused | None:
        """Refuses a chunk that is not the newest: old_session, out_of_order."""
        if self._newest is None:
            return None
        session, sequence = self._newest
        if chunk.session < session:
            return Refused("old_session", f"session {chunk.session} is older than {session}")
        if chunk.session == session and chunk.sequence <= sequence:
            return Refused(
                "out_of_order", f"sequence {chunk.sequence} after {sequence} of session {session}"
            )
        return None
