"""What a demo run leaves behind in memory: commands, states, chunks, reports, pictures, processes.

Arrays are in model units (rad, m, 0..1); times are integer nanoseconds of the system clock, which
is the ROS clock of a run without simulated time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import ActionChunk, Float


@dataclass(frozen=True)
class Command:
    """One command on its way to the driver.

    Attributes:
        received_ns: when the middleware had it, before any Python ran.
        positions: [A] float64.
    """

    received_ns: int
    positions: Float


@dataclass(frozen=True)
class State:
    """One measured state. ``positions`` is [S] float64 at ``stamp_ns``."""

    stamp_ns: int
    positions: Float


@dataclass(frozen=True)
class ReceivedChunk:
    """A chunk and when the middleware had it."""

    received_ns: int
    chunk: ActionChunk


@dataclass(frozen=True)
class PolicyReport:
    """What PolicyStatus said after one inference, or once a second between two.

    Attributes:
        received_ns: when it came.
        state: the constant's name, for example RUNNING.
        session: [ns] identity of the session.
        chunks, replans, kv_refreshes, resets, evaluations, skipped, dropped, cancelled: counts as
            in the message.
        reset_reasons: count by reason.
        canvas_age_s, latency_s: of the last inference.
        stages: seconds by stage of the last inference.
        percentiles: p50, p95 and p99 seconds by stage of the newest inferences, by the policy's own
            count.
        weights, untrained, message: as in the message.
    """

    received_ns: int
    state: str
    session: int
    chunks: int
    replans: int
    kv_refreshes: int
    resets: int
    evaluations: int
    skipped: int
    dropped: int
    cancelled: int
    reset_reasons: dict[str, int]
    canvas_age_s: float
    latency_s: float
    stages: dict[str, float]
    percentiles: dict[str, tuple[float, float, float]]
    weights: str
    untrained: bool
    message: str


@dataclass(frozen=True)
class ControllerReport:
    """What ControllerStatus said; counts and times as in the message, times in seconds."""

    received_ns: int
    mode: str
    enabled: bool
    hold_reason: str
    message: str
    chunk_age_s: float
    rows_left: float
    chunks_accepted: int
    chunks_refused: int
    last_refusal: str
    rows_skipped: int
    limited_joints: tuple[str, ...]
    limited_ticks: dict[str, int]
    ticks: int
    ticks_without_chunk: int
    period_mean_s: float
    period_worst_s: float
    tick_cpu_s: float


@dataclass(frozen=True)
class TaskReport:
    """What TaskStatus said; of a scene with a task alone."""

    task: str
    instruction: str
    progress: float
    success: bool
    elapsed_s: float


@dataclass(frozen=True)
class Picture:
    """One canvas, compressed as it came. ``stamp_ns`` is the instant that it shows."""

    stamp_ns: int
    received_ns: int
    jpeg: bytes


@dataclass
class Recording:
    """Everything of one run, in the order of arrival.

    Attributes:
        embodiment: of the robot.
        started_ns: when the user's command began.
        enabled_ns: when the controller was enabled, 0 before.
        first_command_ns: when the first command came, 0 before.
        ended_ns: when the closed loop was ended, 0 before.
        task: the newest word on the scene's task; None where it has none.
        malformed: what was wrong with messages that could not be kept.
    """

    embodiment: Embodiment
    started_ns: int
    enabled_ns: int = 0
    first_command_ns: int = 0
    ended_ns: int = 0
    commands: list[Command] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    chunks: list[ReceivedChunk] = field(default_factory=list)
    policy: list[PolicyReport] = field(default_factory=list)
    controller: list[ControllerReport] = field(default_factory=list)
    seen: list[Picture] = field(default_factory=list)
    predicted: list[Picture] = field(default_factory=list)
    task: TaskReport | None = None
    malformed: list[str] = field(default_factory=list)

    def add_command(self, received_ns: int, positions: Float) -> None:
        """Keeps a command; the first one begins the measured part of the run."""
        self.first_command_ns = self.first_command_ns or received_ns
        self.commands.append(Command(received_ns, positions))

    def window(self) -> tuple[int, int]:
        """First command to end of the closed loop [ns]; the whole run where no command came."""
        last = self.commands[-1].received_ns if self.commands else self.started_ns
        return self.first_command_ns or self.started_ns, self.ended_ns or last

    def commands_in_window(self) -> tuple[np.ndarray, np.ndarray]:
        """Receive times [N] int64 ns and positions [N, A] of the commands of the closed loop."""
        start, end = self.window()
        kept = [c for c in self.commands if start <= c.received_ns <= end]
        times = np.array([c.received_ns for c in kept], dtype=np.int64)
        width = len(self.embodiment.joints)
        return times, np.array([c.positions for c in kept]).reshape(-1, width)

    def states_in_window(self) -> tuple[np.ndarray, np.ndarray]:
        """Stamps [N] int64 ns and positions [N, S] of the states of the closed loop."""
        start, end = self.window()
        kept = [s for s in self.states if start <= s.stamp_ns <= end]
        times = np.array([s.stamp_ns for s in kept], dtype=np.int64)
        width = len(self.embodiment.state_joints)
        return times, np.array([s.positions for s in kept]).reshape(-1, width)

    def last_controller_report(self) -> ControllerReport | None:
        """The newest one of the closed loop."""
        end = self.ended_ns or (1 << 63)
        return next((r for r in reversed(self.controller) if r.received_ns <= end), None)

    def inferences(self) -> list[PolicyReport]:
        """One report per published chunk of the closed loop (reports repeat between inferences)."""
        found: dict[tuple[int, int], PolicyReport] = {}
        _, end = self.window()
        for report in self.policy:
            if report.chunks and report.received_ns <= end:
                found.setdefault((report.session, report.chunks), report)
        return list(found.values())
