"""One tick of control: what is wanted now, through the limits, or a hold that says why.

Plain arrays in, plain arrays out, the clock an argument; the node around it only moves messages. A
hold is a brake inside the limits to a stop and then the pose reached, with bases at zero; it never
repeats a row and never steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamzero_policy.chunks.chunk_buffer import Accepted, ChunkBuffer
from dreamzero_policy.chunks.interpolation import Point
from dreamzero_policy.chunks.screening import UNSOUND, Refused
from dreamzero_policy.control.authority import Leader
from dreamzero_policy.control.limiter import Limiter
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.pace import Pace
from dreamzero_policy.control.permission import Permission
from dreamzero_policy.control.report import Authority, Mode, Report, Tick
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.control.watchdogs import DriverWatch, MeasuredPose
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float


class Controller:
    """Follows chunks inside the limits while enabled, and holds otherwise.

    Args:
        embodiment: joints and their order.
        settings: thresholds and times.
        limits: the embodiment's, or tighter ones made from them with ``Limits.tighten``.

    Raises:
        ValueError: limits of other joints, or wider than the embodiment's.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        settings: ControllerSettings | None = None,
        limits: Limits | None = None,
    ) -> None:
        own = Limits.of(embodiment)
        limits = own if limits is None else limits
        own.require_within(limits)
        self.limits, self.settings = limits, settings or ControllerSettings()
        settings = self.settings
        self.buffer = ChunkBuffer(limits, settings)
        self._limiter = Limiter(limits, settings.period_s)
        self._leader = Leader(self.buffer, limits, settings)
        self._measured = MeasuredPose(limits, embodiment.state_joints, settings)
        self._driver = DriverWatch(settings)
        late = (
            round(seconds * NS_PER_S) for seconds in (settings.clock_jump_s, settings.overrun_s)
        )
        self._pace = Pace(settings.period_ns, *late)
        self._permission, self._starting = Permission(), False
        self._policy: int | None = None
        self._other_policy: Refused | None = None
        self._fault: Refused | None = None
        self._limited_ticks = np.zeros(len(limits.names), dtype=np.int64)
        self._ticks = self._ticks_without_chunk = self._overruns = 0
        self._last = Tick(None, Mode.INACTIVE, "not_enabled", "motion is not enabled")

    @property
    def enabled(self) -> bool:
        """Whether the operator has enabled motion."""
        return self._permission.enabled

    @property
    def estopped(self) -> bool:
        """Whether the emergency stop is latched."""
        return self._permission.estopped

    @property
    def releasable(self) -> bool:
        """Whether the driver may let go: the operator wants it, and nothing is sent any more."""
        sends = self._permission.sends or self._last.command is not None
        return self._permission.released and not sends

    @property
    def driver_session(self) -> int:
        """The driver that commands are for: the one there was at enable, 0 for one that is mute."""
        return self._driver.session

    def on_chunk(self, chunk: ActionChunk, now_ns: int) -> Accepted | Refused:
        """Takes a chunk up, or refuses it; one that shows the policy unwell stops motion too.

        The first one since enable says which policy process is followed. Another one's ends motion,
        though not a human's.

        Args:
            chunk: as it came.
            now_ns: the clock.
        """
        outcome = self.buffer.accept(chunk, now_ns, self._present_pose())
        if isinstance(outcome, Refused):
            if outcome.reason in UNSOUND:
                self._fault = outcome
            return outcome
        self._fault = None
        if self.enabled and self._policy is None:
            self._policy = chunk.policy
        elif self.enabled and chunk.policy != self._policy:
            self._other_policy = Refused(
                "policy_restarted",
                f"motion was enabled with policy {self._policy}, now {chunk.policy} speaks",
            )
        return outcome

    def on_malformed_chunk(self, message: str) -> Refused:
        """Refuses a chunk that could not be read, says why; its policy is unwell: motion stops."""
        self._fault = self.buffer.refuse(Refused("malformed", message))
        return self._fault

    def on_policy_idle(self, session: int = 0) -> None:
        """Ends the motion in force, since the policy has no instruction any more.

        What is still on the way from the session that ended is refused. The next instruction's
        chunks resume motion.

        Args:
            session: that ended; 0 for the newest that is known. A newer one goes on.
        """
        if self.buffer.end(session):
            self._fault = Refused("no_instruction", "the policy has no instruction")

    def on_state(
        self,
        stamp_ns: int,
        names: Sequence[str],
        positions: Float | Sequence[float],
        velocities: Float | Sequence[float] | None = None,
    ) -> str | None:
        """Takes a measured pose.

        Args:
            stamp_ns: when it was measured.
            names: [S] the embodiment's state joints, in their order.
            positions: [S] model units.
            velocities: [S] per s; checked, not used: motion is started from rest.

        Returns:
            Why it was refused, None if it was taken.
        """
        return self._measured.take(stamp_ns, names, positions, velocities)

    def on_teleop(
        self, stamp_ns: int, names: Sequence[str], positions: Float | Sequence[float]
    ) -> str | None:
        """Takes a human's target; while they are fresh and motion is enabled, it is followed.

        Args:
            stamp_ns: when it was read off; newer than the one before.
            names: the embodiment's action joints without bases, in any order.
            positions: one per name, model units.

        Returns:
            Why it was refused, None if it was taken.
        """
        if self._pace.now_ns is None:
            return "the controller does not run yet"
        return self._leader.stream.take(stamp_ns, names, positions, self._pace.now_ns)

    def on_teleop_base(self, velocities: Float | Sequence[float]) -> str | None:
        """Takes a human's velocity of the base; it is followed while their targets are.

        A base that hears nothing for as long as targets stay fresh stands still.

        Args:
            velocities: [A] model units in the columns of bases; the others are ignored.

        Returns:
            Why it was refused, None if it was taken.
        """
        if self._pace.now_ns is None:
            return "the controller does not run yet"
        return self._leader.stream.take_base(velocities, self._pace.now_ns)

    def on_driver(self, session: int, mode: int, message: str, now_ns: int) -> None:
        """Takes a driver's status; one that cannot follow, or came up anew, ends motion.

        Args:
            session: when the driver came up [ns].
            mode: a ``DriverMode``; any other number counts as a fault.
            message: the driver's own words.
            now_ns: the clock.
        """
        self._driver.take(session, mode, message, now_ns)
        why = self._driver.replaced() or self._driver.unfit()
        if self.enabled and why is not None:
            self.disarm(why.reason, why.message)

    def enable(self, now_ns: int) -> tuple[bool, str]:
        """Allows motion, from the measured pose at rest.

        Args:
            now_ns: the clock.

        Returns:
            Whether motion is enabled now, and a sentence.
        """
        if self.enabled and not self.estopped:
            return True, "motion was enabled already"
        if self._permission.blocked():
            return False, self._permission.blocked()
        measured, driver = self._measured, self._driver
        refused = (
            measured.stale(now_ns) or driver.stale(now_ns) or driver.unfit() or measured.outside()
        )
        if refused is None and not self._leader.stream.fresh(now_ns):
            refused = self.buffer.distance(now_ns, measured.pose)
        if refused is not None:
            return False, refused.message
        self._limiter.reset(measured.pose)
        self.buffer.begin()
        driver.bind()
        self._policy, self._other_policy = self.buffer.policy(now_ns), None
        self._permission.enable()
        self._starting = True
        return True, "motion is enabled"

    def disable(self) -> None:
        """Ends motion: a moving robot is braked first, then nothing is sent any more.

        Motion can be enabled again after the first tick that sends nothing, so that one run of
        commands never goes over into another that starts from somewhere else.
        """
        self._permission.disable()

    def disarm(self, reason: str, message: str) -> None:
        """Ends motion like ``disable``, for a reason that is shown until the next enable.

        Args:
            reason: one word; the first one stays.
            message: one sentence.
        """
        self._permission.disarm(reason, message)

    def release(self) -> tuple[bool, str]:
        """Ends motion so that the operator may let go of the robot; see ``releasable``.

        Returns:
            Whether it is, or will be, released, and a sentence.
        """
        return self._permission.release()

    def take_back(self) -> tuple[bool, str]:
        """Ends a release and leaves motion disabled; whether, and a sentence."""
        return self._permission.take_back()

    def estop(self, reason: str) -> None:
        """Stops and latches: brakes inside the limits and, if enabled, keeps sending the pose.

        Args:
            reason: why, for the status; the first one stays.
        """
        self._permission.estop(reason)

    def reset_estop(self) -> tuple[bool, str]:
        """Releases the emergency stop and leaves motion disabled; whether, and a sentence."""
        return self._permission.reset_estop()

    def tick(self, now_ns: int) -> Tick:
        """One turn of the loop.

        Args:
            now_ns: the clock; any value, early, late or jumped.
        """
        beat = self._pace.advance(int(now_ns))
        if beat == "early":
            last = self._last
            return Tick(None, last.mode, last.hold_reason, "the tick came early", early=True)
        if beat == "jump":
            self.buffer.forget()
            self._leader.stream.forget()
            self._fault = Refused("clock_jump", "the clock jumped; waiting for a new chunk")
        self._ticks += 1
        self._overruns += beat == "overrun"
        permission, other = self._permission, self._other_policy
        if other and permission.enabled and not self._leader.stream.fresh(now_ns):
            permission.disarm(other.reason, other.message)
        if why := self._driver.ignores(now_ns, permission.enabled and not permission.estopped):
            permission.disarm(why.reason, why.message)
        if permission.ending and self._limiter.at_rest:
            permission.ended()
        measured = self._measured.stale(now_ns) is None
        if measured and not permission.sends:
            self._limiter.reset(self._measured.pose)
        who, wanted = self._wanted(now_ns)
        hold = self._why_hold(now_ns, who, wanted, late=beat == "overrun")
        self._last = self._decide(measured, who, wanted, hold)
        return self._last

    def report(self, now_ns: int) -> Report:
        """Counters and facts for the status message.

        Args:
            now_ns: the clock.
        """
        chunk, last, buffer = self.buffer.in_force, self._last, self.buffer
        refusal = buffer.last_refusal
        return Report(
            mode=last.mode,
            enabled=self.enabled,
            hold_reason=last.hold_reason,
            message=last.message,
            session=chunk.session if chunk else 0,
            sequence=chunk.sequence if chunk else 0,
            chunk_age_s=(now_ns - chunk.observation_ns) / NS_PER_S if chunk else 0.0,
            rows_left=buffer.rows_left(now_ns),
            chunks_accepted=buffer.accepted,
            chunks_refused=buffer.refused,
            rows_skipped=buffer.skipped_rows,
            values_clamped=buffer.clamped_values,
            last_refusal=f"{refusal.reason}: {refusal.message}" if refusal else "",
            limited=last.limited,
            limited_ticks=tuple(self._limited_ticks.tolist()),
            ticks=self._ticks,
            ticks_without_chunk=self._ticks_without_chunk,
            states_refused=self._measured.refused,
            authority=last.authority,
            estopped=self.estopped,
            released=self._permission.released,
            playback=buffer.playback,
            delay_s=buffer.timing.delay_s or 0.0,
            state_age_s=self._measured.age_s(now_ns) or 0.0,
            driver_age_s=self._driver.age_s(now_ns) or 0.0,
            overruns=self._overruns,
            without_prefix=buffer.seam.without_prefix,
        )

    def _present_pose(self) -> Float | None:
        """The commanded pose while commands are sent, the measured one otherwise."""
        if self._permission.sends:
            return self._limiter.position
        return self._measured.pose

    def _wanted(self, now_ns: int) -> tuple[Authority, Point | Refused]:
        """Who is in charge, and what they ask for at the instant of the command."""
        limiter = self._limiter
        if not limiter.ready:
            return Authority.NOBODY, Refused("stale_state", "no pose has been measured yet")
        present = Point(limiter.position, limiter.velocity, limiter.acceleration)
        who, wanted = self._leader.wanted(self._due_ns, now_ns, present)
        if who is not Authority.HUMAN and isinstance(wanted, Refused) and self.buffer.accepted:
            self._ticks_without_chunk += 1
        return who, wanted

    def _decide(
        self, measured: bool, who: Authority, wanted: Point | Refused, hold: Refused | None
    ) -> Tick:
        """The command and the mode of this tick."""
        asked, permission = self.buffer.planned(self._due_ns), self._permission
        starting, self._starting = self._starting and permission.enabled, False
        if hold is not None or starting:
            who = Authority.NOBODY
        self._leader.follow(who, self._pace.at_ns, sends=permission.sends)
        mode = Mode.ACTIVE if hold is None else Mode.HOLDING
        if permission.released and not permission.sends:
            mode = Mode.RELEASED
        elif permission.estopped:
            mode = Mode.ESTOPPED
        elif not permission.sends:
            mode = Mode.INACTIVE
        if not permission.sends:
            return Tick(None, mode, hold.reason, hold.message, wanted=asked)
        if starting:
            # The robot may have been pushed since it was enabled.
            limiter, pose = self._limiter, self._measured.pose
            command = limiter.reset(pose) if measured else limiter.position
        elif hold is None:
            command = self._limiter.step(wanted.position, wanted.velocity, wanted.acceleration)
        else:
            command = self._limiter.hold()
        limited = ()
        if who is not Authority.NOBODY:
            self._limited_ticks += self._limiter.limited
            columns = np.flatnonzero(self._limiter.limited).tolist()
            limited = tuple(self.limits.names[column] for column in columns)
        reason, message = (hold.reason, hold.message) if hold else ("", "")
        return Tick(command, mode, reason, message, limited, asked, authority=who)

    def _why_hold(
        self, now_ns: int, who: Authority, wanted: Point | Refused, *, late: bool
    ) -> Refused | None:
        """The first reason not to follow what is wanted, None to follow it."""
        refused = (
            self._permission.denied()
            or self._measured.stale(now_ns)
            or self._driver.stale(now_ns)
            or self._measured.astray(self._limiter.position)
        )
        if refused is not None:
            return refused
        if late:
            return Refused("overrun", f"a tick came more than {self.settings.overrun_s} s late")
        if who is not Authority.HUMAN and self._fault is not None:
            return self._fault
        if not isinstance(wanted, Refused):
            return None
        refusal = self.buffer.refusal_in_force
        if wanted.reason in ("no_chunk", "stale_chunk") and refusal is not None:
            return Refused(refusal.reason, f"{refusal.message}; {wanted.message}")
        return wanted

    @property
    def _due_ns(self) -> int:
        """The instant that the command of this tick is for."""
        return self._pace.at_ns + self.settings.period_ns
