"""What a tick decided, and what the controller has counted: the words of ControllerStatus.msg."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from dreamzero_policy.types import Float


class Mode(IntEnum):
    """The modes of ControllerStatus.msg."""

    INACTIVE = 0
    HOLDING = 1
    ACTIVE = 2
    ESTOPPED = 3
    RELEASED = 4


class Authority(IntEnum):
    """Whose targets are followed: the constants of Authority.msg."""

    NOBODY = 0
    POLICY = 1
    HUMAN = 2
    HANDING_BACK = 3


class DriverMode(IntEnum):
    """What a driver does with its robot: the constants of DriverStatus.msg."""

    HOLDING = 0
    FOLLOWING = 1
    RELEASED = 2
    FAULT = 3


@dataclass(frozen=True)
class Tick:
    """What one tick decided.

    Attributes:
        command: [A] what the driver gets, in model units; None where nothing is to be sent.
        mode: what the controller does.
        hold_reason: one word while it holds or is inactive, empty while active.
        message: the reason in one sentence.
        limited: joints that a limit held back.
        wanted: [A] what the chunk in force says for the instant of the command, before seam and
            limits, also while inactive, holding or led by a human; None where there is none.
        authority: whose targets the command follows; nobody's in a hold.
        early: the tick came too soon after the last one; nothing was computed and nothing is to be
            sent.
    """

    command: Float | None
    mode: Mode
    hold_reason: str
    message: str
    limited: tuple[str, ...] = ()
    wanted: Float | None = None
    early: bool = False
    authority: Authority = Authority.NOBODY


@dataclass(frozen=True)
class Report:
    """Counters and facts for ControllerStatus.msg, whose comments explain each.

    Attributes:
        mode, enabled, hold_reason, message, authority: as of the newest tick.
        estopped: the emergency stop is latched, whatever the mode.
        released: the operator let go of the robot, or it is braking for that.
        session, sequence: of the chunk in force, 0 for none.
        chunk_age_s: now minus its observation [s], 0 for none.
        rows_left: rows until it ends, 0 for none.
        chunks_accepted, chunks_refused, rows_skipped, values_clamped: counts.
        last_refusal: reason and sentence of the newest refusal.
        limited: joints held back in the newest tick.
        limited_ticks: [A] count per joint.
        ticks, ticks_without_chunk: counts; the latter since the first accepted chunk.
        states_refused: measured poses that were not taken.
        playback: share of its own speed at which the chunk in force is played, 1 without one.
        delay_s: from observation to chunk, a robust estimate [s]; 0 before there is one.
        state_age_s, driver_age_s: now minus the newest measured pose, and minus the arrival of the
            newest driver status [s]; 0 for none.
        overruns: ticks that came later than the overrun deadline.
        without_prefix: chunks joined to a moving robot that were not held to the one before, where
            the seam expects them to be.
    """

    mode: Mode
    enabled: bool
    hold_reason: str
    message: str
    session: int
    sequence: int
    chunk_age_s: float
    rows_left: float
    chunks_accepted: int
    chunks_refused: int
    rows_skipped: int
    values_clamped: int
    last_refusal: str
    limited: tuple[str, ...]
    limited_ticks: tuple[int, ...]
    ticks: int
    ticks_without_chunk: int
    states_refused: int
    authority: Authority
    estopped: bool
    released: bool
    playback: float
    delay_s: float
    state_age_s: float
    driver_age_s: float
    overruns: int
    without_prefix: int = 0
