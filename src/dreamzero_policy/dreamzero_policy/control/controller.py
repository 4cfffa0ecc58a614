"""One tick of control: what is wanted now, through the limits, or a hold that says why.

Plain arrays in, plain arrays out, the clock an argument; the node around it only moves messages. A
hold is a brake inside the limits to a stop and then the pose reached, with bases at zero; it never
repeats a row and never steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamzero_policy.control.chunk_buffer import Accepted, ChunkBuffer
from dreamzero_policy.control.interpolation import Point
from dreamzero_policy.control.limits import Limiter, Limits
from dreamzero_policy.control.pace import Pace
from dreamzero_policy.control.report import Mode, Report, Tick
from dreamzero_policy.control.screening import UNSOUND, Refused
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float, frozen


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
        self.buffer = ChunkBuffer(limits, self.settings)
        self._limiter = Limiter(limits, self.settings.period_s)
        self._pace = Pace(self.settings.period_ns, round(self.settings.clock_jump_s * NS_PER_S))
        self._state_names = embodiment.state_joints
        measured = [name for name in limits.names if name in self._state_names]
        self._columns = np.array([limits.names.index(name) for name in measured], dtype=np.int64)
        self._sources = np.array([self._state_names.index(name) for name in measured], dtype=int)
        self._error_limit = self.settings.per_joint(
            limits, self.settings.following_error, self.settings.following_error
        )
        self._measured: Float | None = None
        self._measured_ns: int | None = None
        self._state_refusal = ""
        self._enabled = self._releasing = self._following = self._starting = False
        self._estop: str | None = None
        self._fault: Refused | None = None
        self._limited_ticks = np.zeros(len(limits.names), dtype=np.int64)
        self._ticks = self._ticks_without_chunk = self._states_refused = 0
        self._last = Tick(None, Mode.INACTIVE, "not_enabled", "motion is not enabled")

    @property
    def enabled(self) -> bool:
        """Whether the operator has enabled motion."""
        return self._enabled

    @property
    def estopped(self) -> bool:
        """Whether the emergency stop is latched."""
        return self._estop is not None

    def on_chunk(self, chunk: ActionChunk, now_ns: int) -> Accepted | Refused:
        """Takes a chunk up, or refuses it; one that shows the policy unwell stops motion too.

        Args:
            chunk: as it came.
            now_ns: the clock.
        """
        outcome = self.buffer.accept(chunk, now_ns, self._present_pose())
        if isinstance(outcome, Accepted):
            self._fault = None
        elif outcome.reason in UNSOUND:
            self._fault = outcome
        return outcome

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
        values = np.asarray(positions, dtype=np.float64)
        rates = None if velocities is None else np.asarray(velocities, dtype=np.float64)
        why = None
        if tuple(names) != self._state_names:
            why = f"expected joints {', '.join(self._state_names)}, got {', '.join(names)}"
        elif values.shape != (len(self._state_names),) or (
            rates is not None and rates.size and rates.shape != values.shape
        ):
            why = f"expected {len(self._state_names)} values, got shape {list(values.shape)}"
        elif not np.isfinite(values).all() or (rates is not None and not np.isfinite(rates).all()):
            why = f"a measured value is not finite: {values.tolist()}"
        elif self._measured_ns is not None:
            behind = (self._measured_ns - stamp_ns) / NS_PER_S
            if 0 <= behind <= self.settings.clock_jump_s and stamp_ns != self._measured_ns:
                why = f"measured {behind:.3f} s before the newest one"
        if why is not None:
            self._states_refused += 1
            self._state_refusal = why
            return why
        pose = np.zeros(len(self.limits.names))
        pose[self._columns] = values[self._sources]
        self._measured, self._measured_ns, self._state_refusal = frozen(pose), int(stamp_ns), ""
        return None

    def enable(self, now_ns: int) -> tuple[bool, str]:
        """Allows motion, from the measured pose at rest.

        Args:
            now_ns: the clock.

        Returns:
            Whether motion is enabled now, and a sentence.
        """
        if self._estop is not None:
            return False, f"e-stopped ({self._estop}); call reset_estop first"
        if self._enabled:
            return True, "motion was enabled already"
        if self._releasing:
            return False, "the last motion has not come to rest yet; try again"
        stale = self._stale(now_ns)
        if stale is not None:
            return False, stale.message
        pose, limits = self._measured, self.limits
        outside = np.maximum(limits.lower - pose, pose - limits.upper)
        outside[limits.base] = 0.0
        joint = int(np.argmax(outside))
        if outside[joint] > self.settings.pose_excess:
            return False, (
                f"{limits.names[joint]} is at {pose[joint]:.3f}, outside [{limits.lower[joint]}, "
                f"{limits.upper[joint]}] by more than {self.settings.pose_excess}: move it in first"
            )
        too_far = self.buffer.distance(now_ns, pose)
        if too_far is not None:
            return False, too_far.message
        self._limiter.reset(pose)
        self._enabled = self._starting = True
        self._following = False
        return True, "motion is enabled"

    def disable(self) -> None:
        """Ends motion: a moving robot is braked first, then nothing is sent any more.

        Motion can be enabled again after the first tick that sends nothing, so that one run of
        commands never goes over into another that starts from somewhere else.
        """
        self._releasing = self._releasing or self._enabled
        self._enabled = self._following = self._starting = False

    def estop(self, reason: str) -> None:
        """Stops and latches: brakes inside the limits and, if enabled, keeps sending the pose.

        Args:
            reason: why, for the status; the first one stays.
        """
        self._estop = self._estop if self._estop is not None else reason
        self._following = False

    def reset_estop(self) -> tuple[bool, str]:
        """Releases the emergency stop and leaves motion disabled.

        Returns:
            Whether it was released, and a sentence.
        """
        if self._estop is None:
            return False, "there is no emergency stop to reset"
        self._estop = None
        self.disable()
        return True, "emergency stop released; motion is disabled"

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
            self._fault = Refused("clock_jump", "the clock jumped; waiting for a new chunk")
            self._following = False
        self._ticks += 1
        at_ns = self._pace.at_ns + self.settings.period_ns
        stale = self._stale(now_ns)
        if self._releasing and self._limiter.at_rest:
            self._releasing = False
        sends = self._enabled or self._releasing
        if not sends and stale is None:
            self._limiter.reset(self._measured)
        wanted = self._wanted(at_ns)
        self._last = self._decide(sends, stale, wanted, self.buffer.planned(at_ns))
        return self._last

    def report(self, now_ns: int) -> Report:
        """Counters and facts for the status message.

        Args:
            now_ns: the clock.
        """
        chunk, last, buffer = self.buffer.in_force, self._last, self.buffer
        refusal = buffer.last_refusal
        left = max(chunk.end_ns - now_ns, 0) / chunk.step_ns if chunk else 0.0
        return Report(
            mode=last.mode,
            enabled=self._enabled,
            hold_reason=last.hold_reason,
            message=last.message,
            session=chunk.session if chunk else 0,
            sequence=chunk.sequence if chunk else 0,
            chunk_age_s=(now_ns - chunk.observation_ns) / NS_PER_S if chunk else 0.0,
            rows_left=left,
            chunks_accepted=buffer.accepted,
            chunks_refused=buffer.refused,
            rows_skipped=buffer.skipped_rows,
            values_clamped=buffer.clamped_values,
            last_refusal=f"{refusal.reason}: {refusal.message}" if refusal else "",
            limited=last.limited,
            limited_ticks=tuple(self._limited_ticks.tolist()),
            ticks=self._ticks,
            ticks_without_chunk=self._ticks_without_chunk,
            states_refused=self._states_refused,
        )

    def _present_pose(self) -> Float | None:
        """The commanded pose while commands are sent, the measured one otherwise."""
        if self._enabled or self._releasing:
            return self._limiter.position
        return self._measured

    def _stale(self, now_ns: int) -> Refused | None:
        """Why the measured pose cannot be relied on, None if it can."""
        if self._measured_ns is None:
            return Refused("stale_state", self._state_refusal or "no pose has been measured yet")
        age, most = (now_ns - self._measured_ns) / NS_PER_S, self.settings.state_max_age_s
        if -self.settings.clock_tolerance_s <= age <= most:
            return None
        return Refused(
            "stale_state",
            f"the measured pose is {age:.3f} s old, at most {most} s"
            + (f" ({self._state_refusal})" if self._state_refusal else ""),
        )

    def _wanted(self, at_ns: int) -> Point | Refused:
        """What the chunks ask for at the instant of the command."""
        if not self._limiter.ready:
            return Refused("stale_state", "no pose has been measured yet")
        limiter = self._limiter
        present = Point(limiter.position, limiter.velocity, limiter.acceleration)
        wanted = self.buffer.wanted(at_ns, present, resting=not self._following)
        if isinstance(wanted, Refused) and self.buffer.accepted:
            self._ticks_without_chunk += 1
        return wanted

    def _decide(
        self, sends: bool, stale: Refused | None, wanted: Point | Refused, asked: Float | None
    ) -> Tick:
        """The command and the mode of this tick."""
        hold = self._why_hold(stale, wanted)
        self._following = hold is None
        if not sends:
            mode = Mode.ESTOPPED if self._estop is not None else Mode.INACTIVE
            return Tick(None, mode, hold.reason, hold.message, wanted=asked)
        if self._starting:
            self._starting = self._following = False
            # The robot may have been pushed since it was enabled.
            command = self._limiter.position if stale else self._limiter.reset(self._measured)
        elif hold is None:
            command = self._limiter.step(wanted.position, wanted.velocity, wanted.acceleration)
        else:
            command = self._limiter.hold()
        limited = ()
        if self._following:
            self._limited_ticks += self._limiter.limited
            columns = np.flatnonzero(self._limiter.limited).tolist()
            limited = tuple(self.limits.names[column] for column in columns)
        if hold is None:
            return Tick(command, Mode.ACTIVE, "", "", limited, asked)
        mode = Mode.ESTOPPED if self._estop is not None else Mode.HOLDING
        return Tick(command, mode, hold.reason, hold.message, limited, asked)

    def _why_hold(self, stale: Refused | None, wanted: Point | Refused) -> Refused | None:
        """The first reason not to follow what is wanted, None to follow it."""
        if self._estop is not None:
            return Refused("estopped", self._estop)
        if not self._enabled:
            return Refused("not_enabled", "motion is not enabled")
        if stale is not None:
            return stale
        away = np.abs(self._limiter.position - self._measured)
        joint = int(np.argmax(away - self._error_limit))
        if away[joint] > self._error_limit[joint]:
            return Refused(
                "following_error",
                f"{self.limits.names[joint]} is {away[joint]:.3f} from its command; at most "
                f"{self._error_limit[joint]}",
            )
        if self._fault is not None:
            return self._fault
        if not isinstance(wanted, Refused):
            return None
        refusal = self.buffer.refusal_in_force
        if wanted.reason in ("no_chunk", "stale_chunk") and refusal is not None:
            return Refused(refusal.reason, f"{refusal.message}; {wanted.message}")
        return wanted
