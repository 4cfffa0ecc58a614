"""A policy in closed loop on a virtual clock: the live nodes' parts, called in the live order.

Pictures are drawn at the instants of the canvas grid and tiled as by the camera tiler, the state is
assembled by joint name as by the proprioception node, the window, the rule when a call is due and
the single slot for the newest observation are those of the policy node and its worker, and chunks
go through the controller with its limits. What is not simulated is said in docs/evaluation.md.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from dreamzero_bringup.virtual.rig import Rig
from dreamzero_policy.chunks.screening import Refused
from dreamzero_policy.control.report import Mode
from dreamzero_policy.evaluation.policy import Answer, Attempt, Policy
from dreamzero_policy.observation.assemble import ObservationWindow
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.observation.views import Tiler
from dreamzero_policy.types import NS_PER_S, Image, Observation

_POLICY = 1  # the process that chunks come from
_MOST_OF_A_FRAME = 0.6
"""As in the live worker: an observation that has waited for longer is passed over for the next."""


@dataclass(frozen=True)
class LoopSettings:
    """How the loop is run.

    Attributes:
        latency_s: from an observation to its chunk at the controller [s].
        replan_frames: canvases from one call to the next, counted from a boundary.
        time_limit_s: of an attempt [s]; None for the task's own.

    Raises:
        ValueError: a number that makes no sense.
    """

    latency_s: float = 0.2
    replan_frames: int = 3
    time_limit_s: float | None = None

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if not 0.0 <= self.latency_s <= 10.0:
            raise ValueError(f"latency: expected 0 to 10 s, got {self.latency_s}")
        if self.replan_frames < 1:
            raise ValueError(f"replan frames: expected at least 1, got {self.replan_frames}")
        if self.time_limit_s is not None and not 0.5 <= self.time_limit_s <= 3600.0:
            raise ValueError(f"time limit: expected 0.5 to 3600 s, got {self.time_limit_s}")


class Watcher(Protocol):
    """Whoever wants to see an attempt as it goes on."""

    def saw(self, stamp_ns: int, canvas: Image, progress: float) -> None:
        """A canvas [H, W, 3] uint8 went to the policy."""

    def expects(self, answer: Answer) -> None:
        """The policy answered."""


@dataclass
class Rollout:
    """How an attempt went.

    Attributes:
        instruction: what was asked for.
        success, progress: as the task's judge says.
        seconds: from the first command to success, or to the end of the attempt [s].
        time_limit_s: that it had [s].
        chunks: that the policy gave.
        refused: of them, by reason, those that the controller did not take.
        held: ticks by reason in which the controller held instead of following.
        limited: ticks in which a limit held a joint back.
        ticks: control periods.
        call_s: wall time of the policy's calls, mean [s].
        resets: why the policy's context restarted, by reason.
        divergence: means of ``Answer.divergence``; None where none was said.
        trouble: why the attempt ended before its time; empty where it did not.
    """

    instruction: str = ""
    success: bool = False
    progress: float = 0.0
    seconds: float = 0.0
    time_limit_s: float = 0.0
    chunks: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    limited: int = 0
    ticks: int = 0
    call_s: float = 0.0
    resets: Counter[str] = field(default_factory=Counter)
    divergence: tuple[float, float] | None = None
    trouble: str = ""


class _Worker:
    """One call at a time, the newest observation next; chunks come ``latency`` after it began."""

    def __init__(
        self, attempt: Attempt, settings: LoopSettings, done: Rollout, canvas_ns: int
    ) -> None:
        self._attempt, self._settings, self._done = attempt, settings, done
        self._patience_ns = round(_MOST_OF_A_FRAME * canvas_ns)
        self._latency_ns = round(settings.latency_s * NS_PER_S)
        self._slot: Observation | None = None
        self._coming: tuple[int, Answer] | None = None
        self._said: list[tuple[float, float]] = []
        self._call_s = 0.0

    def submit(self, observation: Observation) -> None:
        """Offers the newest observation."""
        self._slot = observation

    def chunks(self, now_ns: int, watcher: Watcher | None) -> list[Answer]:
        """What has come by now; begins the next call where one is due."""
        found = []
        if self._coming is not None and now_ns >= self._coming[0]:
            found.append(self._coming[1])
            self._attempt.published(self._coming[1].chunk, now_ns)
            self._coming = None
        waiting = self._slot
        fresh = waiting is not None and now_ns - waiting.newest_ns <= self._patience_ns
        if self._coming is None and fresh:
            observation, self._slot = waiting, None
            if self._attempt.due(observation, self._settings.replan_frames):
                self._coming = (now_ns + self._latency_ns, self._ask(observation, watcher))
                if not self._latency_ns:
                    return found + self.chunks(now_ns, watcher)
        return found

    def _ask(self, observation: Observation, watcher: Watcher | None) -> Answer:
        began = time.perf_counter()
        answer = self._attempt.answer(observation)
        done = self._done
        self._call_s += time.perf_counter() - began
        done.chunks += 1
        done.call_s = self._call_s / done.chunks
        if answer.reset:
            done.resets[answer.reset] += 1
        if answer.divergence is not None:
            self._said.append(answer.divergence)
            count = len(self._said)
            done.divergence = tuple(sum(column) / count for column in zip(*self._said, strict=True))
        if watcher is not None:
            watcher.expects(answer)
        return answer


def run(
    rig: Rig,
    policy: Policy,
    settings: LoopSettings | None = None,
    *,
    watcher: Watcher | None = None,
    tell: Callable[[float], None] = lambda seconds: None,
) -> Rollout:
    """Lets a policy try the task of a rig's scene.

    Args:
        rig: whose attempt has not begun.
        policy: who tries.
        settings: how.
        watcher: shown what goes in and out.
        tell: told the seconds that have gone by, once a canvas.

    Raises:
        ValueError: no task, another robot, canvases that control ticks do not meet, or what the
            policy raises.
    """
    settings = settings or LoopSettings()
    if rig.scene.judge is None:
        raise ValueError("expected a scene with a task, got one without")
    robot, seen_as = rig.robot, policy.embodiment
    if robot.name != seen_as.name:
        raise ValueError(f"expected a policy for {robot.name}, got one for {seen_as.name}")
    per_frame = policy.canvases_per_frame
    canvases = Grid(Grid.of_frames(seen_as.time_base).hz * per_frame)
    if not rig.grid.contains(canvases):
        raise ValueError(
            f"expected canvases at a rate that divides the controller's {float(rig.grid.hz):g} Hz, "
            f"got {float(canvases.hz):g} Hz"
        )
    rig.enable()
    done = Rollout(rig.scene.judge.instruction)
    attempt = policy.begin(rig.now_ns, rig.scene)
    window = ObservationWindow(seen_as, seen_as.time_base, per_frame=per_frame)
    canvas_ns = canvases.instant(1) - canvases.instant(0)
    tiler, worker = Tiler(seen_as), _Worker(attempt, settings, done, canvas_ns)
    began_ns, verdict = rig.now_ns, rig.scene.verdict
    done.time_limit_s = settings.time_limit_s or verdict.time_limit_s
    limit_ns = round(done.time_limit_s * NS_PER_S)
    while not verdict.success and rig.now_ns - began_ns < limit_ns:
        now_ns = rig.now_ns
        if canvases.is_instant(now_ns):
            window.add_state(now_ns, rig.state)
            pictures = rig.scene.see()
            canvas = tiler.canvas(pictures)
            window.add_canvas(now_ns, canvas)
            attempt.saw(now_ns, pictures)
            worker.submit(window.observation(done.instruction))
            if watcher is not None:
                watcher.saw(now_ns, canvas, verdict.progress)
            tell((now_ns - began_ns) / NS_PER_S)
        for answer in worker.chunks(now_ns, watcher):
            outcome = rig.controller.on_chunk(replace(answer.chunk, policy=_POLICY), now_ns)
            if isinstance(outcome, Refused):
                done.refused[outcome.reason] += 1
        tick = rig.tick()
        done.ticks += 1
        done.limited += bool(tick.limited)
        if tick.mode != Mode.ACTIVE:
            done.held[tick.hold_reason] += 1
        verdict = rig.scene.verdict
        if not rig.controller.enabled:
            done.trouble = f"motion ended: {tick.message}"
            break
    done.success, done.progress = verdict.success, verdict.progress
    done.seconds = (rig.now_ns - began_ns) / NS_PER_S
    return done
