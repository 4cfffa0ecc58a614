"""Chunks on a timeline: which is followed, and what is wanted at an instant.

Row k of a chunk is due at ``start_ns + k step_ns`` whenever it arrives, or later where the robot
held or inference is slow (``playback.py``); rows that are over by then are skipped by arithmetic.
The newest accepted chunk supersedes the older one from the next tick, or from its own start.
"""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.chunks.ending import Ending
from dreamzero_policy.chunks.interpolation import Motion, Point, Trajectory
from dreamzero_policy.chunks.playback import LEAST_ENDING, Playback
from dreamzero_policy.chunks.screening import Refused, Screen
from dreamzero_policy.chunks.seam import Seam, make_seam
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float

_FADE_S = (0.3, 0.5)
"""A fade as long as the inference delay is between these: the first rows of a chunk, which a fast
policy's robot lives on, differ most from chunk to chunk."""


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
    """An accepted chunk with its motion, which is played at a share of the chunk's own speed."""

    chunk: ActionChunk
    trajectory: Trajectory
    playback: float
    accepted_ns: int

    @property
    def held_ns(self) -> int | None:
        """Due time of the last row that was held to the chunk before; None if none was."""
        rows = self.chunk.prefix_rows
        return self.trajectory.start_ns + (rows - 1) * self.trajectory.step_ns if rows else None


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
        timing: measured delay and interval of the chunks.
        seam: the strategy that joins them.
    """

    def __init__(
        self, limits: Limits, settings: ControllerSettings, seam: Seam | None = None
    ) -> None:
        self._settings, self._screen = settings, Screen(limits, settings)
        self.seam, self.timing = seam or make_seam(settings, limits), Playback(settings)
        self.accepted = self.refused = self.skipped_rows = self.clamped_values = 0
        self.last_refusal: Refused | None = None
        self.refusal_in_force: Refused | None = None
        self._newest: tuple[int, int] | None = None
        self._ended = -1
        self._ramp_end_ns = 0
        self._joining = False
        self._waiting: _Entry | None = None
        self._entry: _Entry | None = None
        self._motion: Ending | None = None

    @property
    def in_force(self) -> ActionChunk | None:
        """The chunk that is followed, or was last."""
        return self._entry.chunk if self._entry else None

    @property
    def playback(self) -> float:
        """Share of its own speed at which the chunk in force is played; 1 without one."""
        return self._entry.playback if self._entry else 1.0

    @property
    def motion(self) -> Ending | None:
        """The motion in force; None before the first chunk and from its end to the next."""
        return self._motion

    def rows_left(self, now_ns: int) -> float:
        """Rows until the chunk in force ends, 0 without one."""
        motion = self._entry.trajectory if self._entry else None
        return max(motion.end_ns - now_ns, 0) / motion.step_ns if motion else 0.0

    def policy(self, now_ns: int) -> int | None:
        """Which policy process the newest chunk that is not over is from; None without one."""
        entry = self._waiting or self._entry
        over = entry is None or now_ns > entry.trajectory.end_ns
        return None if over else entry.chunk.policy

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
            return self.refuse(outcome)
        trajectory, clamped, playback = outcome
        over = -((trajectory.start_ns - now_ns) // trajectory.step_ns)  # up: the row due next
        skipped = min(max(over, 0), chunk.horizon)
        self._newest = (chunk.session, chunk.sequence)
        self._waiting = _Entry(chunk, trajectory, playback, now_ns)
        self.refusal_in_force = None
        self.accepted += 1
        self.skipped_rows += skipped
        self.clamped_values += clamped
        return Accepted(skipped, clamped)

    def refuse(self, refusal: Refused) -> Refused:
        """Counts a refusal, also of what could not even be examined, and returns it."""
        self.refused += 1
        self.last_refusal = self.refusal_in_force = refusal
        return refusal

    def forget(self) -> None:
        """Drops every chunk and the order of sessions, as after a jump of their clock."""
        self._waiting = self._entry = self._motion = self._newest = None
        self._ended, self._ramp_end_ns = -1, 0
        self.timing.restart()

    def end(self, session: int = 0) -> bool:
        """Drops a session that has ended; its chunks that are still on the way are refused.

        Args:
            session: which one; 0 for the newest that is known. Older ones end too.

        Returns:
            Whether nothing newer is in force or waiting.
        """
        newest = self._newest[0] if self._newest is not None else -1
        self._ended = max(self._ended, session or newest)
        if self._waiting is not None and self._waiting.chunk.session <= self._ended:
            self._waiting = None
        if self._entry is not None and self._entry.chunk.session <= self._ended:
            self._entry = self._motion = None
        return self._waiting is None and self._entry is None

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

    def advance(self, at_ns: int) -> None:
        """Puts the chunk that waits in force once its start has come.

        Args:
            at_ns: the instant of the next command.
        """
        if self._waiting is not None and self._waiting.trajectory.start_ns <= at_ns:
            self._entry, self._waiting, self._joining = self._waiting, None, True

    def begin(self) -> None:
        """Notes that the robot stands still: it has played nothing of any chunk so far."""
        self.timing.played.begin()

    def follow(self, at_ns: int, *, followed: bool, held: bool) -> None:
        """Notes whether the robot goes along with the chunk in force.

        Args:
            at_ns: the instant of the tick on the timeline of commands.
            followed: it does.
            held: it is held. If neither, somebody else moves it, and time goes on for the chunk.
        """
        motion = self._motion
        rate = motion.rate(at_ns) if followed and motion and at_ns <= motion.end_ns else 1.0
        self.timing.played.follow(at_ns, 0.0 if held else self.playback * rate)

    def ramping(self, at_ns: int) -> bool:
        """Whether an instant lies in the ramp from rest, or from a human, onto the chunks."""
        return at_ns < self._ramp_end_ns

    def wanted(self, at_ns: int, present: Point, *, resting: bool = False) -> Point | Refused:
        """What is wanted at an instant, one period after the present command.

        A chunk that has come in force is joined to the present command here.

        Args:
            at_ns: the instant of the next command.
            present: the newest command with its rates.
            resting: no chunk was followed up to now, so that the motion is ramped onto again.

        Returns:
            The wanted point, or why nothing is: no_chunk, stale_chunk, first_row_too_far.
        """
        self.advance(at_ns)
        if self._entry is None:
            return Refused("no_chunk", "no chunk has been accepted yet")
        entry, trajectory = self._entry, self._entry.trajectory
        age = (at_ns - entry.chunk.observation_ns) / NS_PER_S
        most = self._settings.chunk_max_age_s / entry.playback
        if at_ns > trajectory.end_ns or age > most:
            self._motion = None
            left = (trajectory.end_ns - at_ns) / NS_PER_S
            return Refused(
                "stale_chunk",
                f"chunk {entry.chunk.sequence} has {left:.3f} s left and its observation is "
                f"{age:.3f} s old; at most {most:g} s",
            )
        if self._joining or resting or self._motion is None:
            too_far = self._screen.distance(trajectory, at_ns, present.position)
            if too_far is not None:
                self._motion = None
                return too_far
            # The present command is one period older than the wanted one.
            begin = max(trajectory.start_ns, at_ns - self._settings.period_ns)
            following = self._motion.base if self._motion and not resting else None
            fade = self._fade_ns(following, begin)
            joined = self.seam.join(present, following, trajectory, begin, fade, entry.held_ns)
            self._motion = Ending.of(joined, begin, self._ending_ns(entry))
            self._joining = False
        point = self._motion.at(at_ns)
        if point is None:
            return Refused("stale_chunk", f"the motion in force does not cover {at_ns} ns")
        return point

    def _fade_ns(self, following: Motion | None, at_ns: int) -> int:
        """How long a seam takes at least: from rest as set, else as set or as measured.

        A ramp that has begun is not cut short by the next chunk.
        """
        if following is None:
            least_ns = round(self._settings.ramp_s * NS_PER_S)
            self._ramp_end_ns = at_ns + least_ns
            return least_ns
        if self._settings.seam_s > 0.0:
            least = self._settings.seam_s
        else:
            delay = self._entry.accepted_ns - self._entry.chunk.observation_ns
            least = min(max(delay / NS_PER_S, _FADE_S[0]), _FADE_S[1])
        return max(round(least * NS_PER_S), self._ramp_end_ns - at_ns)

    def _ending_ns(self, entry: _Entry) -> int:
        """How long a chunk takes to come to rest, if nothing follows it up.

        It is not slowed down before the next one is due, as long as that leaves most of the
        usual time; and takes all of it where the next one is due too late anyway.
        """
        most = self._settings.ending_s
        due_s = (entry.trajectory.end_ns - entry.chunk.observation_ns) / NS_PER_S
        left = due_s - self.timing.until_next_s
        return round((most if left < 0.0 else min(max(left, most * LEAST_ENDING), most)) * NS_PER_S)

    def _examine(
        self, chunk: ActionChunk, now_ns: int, pose: Float | None
    ) -> tuple[Trajectory, int, float] | Refused:
        """The chunk as motion, the clamped values and the playback; or why it is refused."""
        refused = self._screen.kind(chunk) or self._in_order(chunk)
        if refused is not None:
            return refused
        timed, playback = self.timing.due(chunk, now_ns)
        outcome = self._screen.age(timed, now_ns, playback) or self._screen.motion(timed)
        if isinstance(outcome, Refused):
            return outcome
        trajectory, clamped = outcome
        if pose is not None:
            refused = self._screen.distance(trajectory, now_ns, pose)
        return refused or (trajectory, clamped, playback)

    def _in_order(self, chunk: ActionChunk) -> Refused | None:
        """Refuses a chunk that is not the newest: old_session, out_of_order."""
        if chunk.session <= self._ended:
            return Refused("old_session", f"session {chunk.session} has ended")
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
