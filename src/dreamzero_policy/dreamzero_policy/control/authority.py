"""Whose targets are followed: a human's while their stream is fresh, the policy's otherwise.

Every change of hands is a ramp from the present command: onto the human's motion, and back onto the
chunk in force, which has to come by the pose that the human left.
"""

from __future__ import annotations

from dreamzero_policy.chunks.chunk_buffer import ChunkBuffer
from dreamzero_policy.chunks.interpolation import Motion, Point
from dreamzero_policy.chunks.remainder import Remainder
from dreamzero_policy.chunks.screening import Refused
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.report import Authority
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.control.teleop import TeleopStream
from dreamzero_policy.types import NS_PER_S


class Leader:
    """Chooses between the human and the policy, tick by tick.

    Args:
        buffer: the policy's chunks.
        limits: of the joints.
        settings: thresholds and times.

    Attributes:
        stream: the human's targets.
    """

    def __init__(self, buffer: ChunkBuffer, limits: Limits, settings: ControllerSettings) -> None:
        self.stream = TeleopStream(limits, settings)
        self._buffer, self._settings = buffer, settings
        self._remainder = Remainder.of(settings, limits)
        self._motion: Motion | None = None
        self._followed = Authority.NOBODY
        self._handing_back = False

    def wanted(self, at_ns: int, now_ns: int, present: Point) -> tuple[Authority, Point | Refused]:
        """Who is in charge, and what they want at an instant, or why nothing.

        Args:
            at_ns: the instant of the next command.
            now_ns: the clock.
            present: the newest command with its rates.
        """
        self.stream.advance(at_ns, now_ns)
        self._buffer.advance(at_ns)
        if self.stream.fresh(now_ns):
            return Authority.HUMAN, self._human(at_ns, present)
        resting = self._followed not in (Authority.POLICY, Authority.HANDING_BACK)
        wanted = self._buffer.wanted(at_ns, present, resting=resting)
        ramping = self._handing_back and self._buffer.ramping(at_ns)
        return (Authority.HANDING_BACK if ramping else Authority.POLICY), wanted

    def follow(self, who: Authority, at_ns: int, *, sends: bool) -> None:
        """Notes whose target became the command of this tick.

        Args:
            who: NOBODY after a hold; whoever is followed next is then ramped onto.
            at_ns: the instant of the tick on the timeline of commands.
            sends: whether it is sent at all.
        """
        policy = who in (Authority.POLICY, Authority.HANDING_BACK)
        self._buffer.follow(at_ns, followed=policy, held=sends and who is Authority.NOBODY)
        self._followed = who
        if who in (Authority.HUMAN, Authority.POLICY):
            self._handing_back = who is Authority.HUMAN

    def _human(self, at_ns: int, present: Point) -> Point | Refused:
        """What the human wants, ramped onto from where the command is."""
        joined = self._followed is Authority.HUMAN
        refused = self.stream.too_far(present.position, joined=joined)
        if refused is not None:
            return refused
        if not joined:
            # The present command is one period older than the wanted one.
            after, period = present, self._settings.period_s
            half = after.acceleration * period / 2.0
            after = Point(
                after.position + (after.velocity + half) * period,
                after.velocity + 2.0 * half,
                after.acceleration,
            )
            ramp_ns = round(self._settings.ramp_s * NS_PER_S)
            self._motion = self._remainder.over(self.stream, after, at_ns, ramp_ns)
        return self._motion.at(at_ns)
