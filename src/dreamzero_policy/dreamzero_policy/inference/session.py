"""One episode: which real frames stand in the context at each call, and why it restarts.

The model was trained on a grid: a first frame, then blocks of a fixed number of frames. A session
keeps the context on that grid by time. The frame that a window starts from is the boundary A_0; the
others follow one chunk apart, A_1 = A_0 + chunk, A_2, ... At a call whose newest canvas is at t

* every boundary up to t that is not in the context yet is committed, in order: the canvases from
  the boundary before it through itself become its real latents;
* if t is a boundary, the block that starts there is denoised;
* otherwise the call looks ahead: on a copy, the newest real latents are replaced by those of the
  canvases ending at t (of a context that is its first frame only, by a first frame at t), the
  block is denoised after them, and the copy is dropped. The window does not advance.

A window holds ``max_chunk_size`` blocks; the boundary after its last one restarts it from the
newest frame, as do the other reasons in ``ResetReason`` (design: model.md 4.4, data.md 7.5).

Nothing here computes: the rules are numbers in, a ``Plan`` out. ``engine.py`` carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

from dreamzero_policy.delay import DelayEstimate
from dreamzero_policy.inference.window import Window
from dreamzero_policy.types import NS_PER_S, ActionChunk, Int, Observation


class ResetReason(StrEnum):
    """Why a window restarted from one frame."""

    FIRST_CALL = "first_call"
    PROMPT_CHANGED = "prompt_changed"
    WINDOW_FULL = "window_full"
    GAP_IN_FRAMES = "gap_in_frames"
    REQUESTED = "requested"
    CALL_FAILED = "call_failed"


@dataclass(frozen=True)
class Plan:
    """What one call does to the context; positions index the observation's canvases.

    Attributes:
        reset: why the window restarts from the newest canvas; None: it goes on.
        commits: per boundary, the positions of its canvases, the boundary before it first.
        lookahead: positions of the canvases that stand in the context on the copy; a single one
            is a first frame. None: the newest canvas is a boundary and its block is denoised.
    """

    reset: ResetReason | None = None
    commits: tuple[tuple[int, ...], ...] = ()
    lookahead: tuple[int, ...] | None = None

    @property
    def kind(self) -> str:
        """``commit`` at a boundary, ``lookahead`` between two."""
        return "commit" if self.lookahead is None else "lookahead"


class Session:
    """State of one episode.

    Args:
        started_ns: when it began; a larger number is a newer session.
        frame_ns: time between two canvases.
        frames_per_chunk: canvases from one boundary to the next.
        blocks_per_window: blocks in a window, M_c.

    Attributes:
        boundary_ns: instant of the newest boundary in the context; None before the first call.
        blocks: blocks in the context, first frame not counted.
        newest_ns: instant of the last call's newest canvas.
        prompt: the instruction of the last call.
        sequence: chunks made.
        window: the caches; the engine makes it at the first call.
        texts: prompt embeddings, one per branch; the engine's too.
        published: the chunk that went out last; None before the first.
        delay: from observations to publication of their chunks.
        interval: between observations of chunks that were published.

    Raises:
        ValueError: a number below 1.
    """

    def __init__(
        self, started_ns: int, frame_ns: int, frames_per_chunk: int, blocks_per_window: int
    ) -> None:
        if min(frame_ns, frames_per_chunk, blocks_per_window) < 1:
            raise ValueError(
                "session: expected frame_ns, frames_per_chunk and blocks_per_window of at least 1, "
                f"got {frame_ns}, {frames_per_chunk}, {blocks_per_window}"
            )
        self.started_ns = started_ns
        self.boundary_ns: int | None = None
        self.blocks = 0
        self.newest_ns: int | None = None
        self.prompt: str | None = None
        self.sequence = 0
        self.window: Window | None = None
        self.texts: tuple[Tensor, ...] = ()
        self.published: ActionChunk | None = None
        self.delay, self.interval = DelayEstimate(), DelayEstimate()
        self._frame_ns = frame_ns
        self._chunk = frames_per_chunk
        self._capacity = blocks_per_window
        self._requested: ResetReason | None = None

    def request_reset(self, reason: ResetReason = ResetReason.REQUESTED) -> None:
        """Makes the next call restart the window from its newest frame."""
        self._requested = reason

    def plan(self, observation: Observation) -> Plan:
        """What a call with this observation would do; changes nothing."""
        reset = self._reset_before_time(observation.prompt)
        if reset is not None:
            return Plan(reset=reset)
        present = self._indices(observation.stamps_ns)
        newest = self._index(observation.newest_ns)
        if newest is None or newest < 0:
            return Plan(reset=ResetReason.GAP_IN_FRAMES)
        boundaries, between = divmod(newest, self._chunk)
        if self.blocks + boundaries >= self._capacity:
            return Plan(reset=ResetReason.WINDOW_FULL)
        needed = [range(i * self._chunk, (i + 1) * self._chunk + 1) for i in range(boundaries)]
        if between and self.blocks + boundaries:
            needed.append(range(newest - self._chunk, newest + 1))
        elif between:
            needed.append(range(newest, newest + 1))
        if any(index not in present for run in needed for index in run):
            return Plan(reset=ResetReason.GAP_IN_FRAMES)
        runs = [tuple(present[index] for index in run) for run in needed]
        return Plan(
            commits=tuple(runs[:boundaries]), lookahead=runs[boundaries] if between else None
        )

    def advance(self, plan: Plan, observation: Observation) -> int:
        """Notes that ``plan`` was carried out.

        Returns:
            The sequence number of the call's chunk.
        """
        if plan.reset is not None:
            self.boundary_ns, self.blocks = observation.newest_ns, 0
        elif plan.commits:
            self.boundary_ns = int(observation.stamps_ns[plan.commits[-1][-1]])
            self.blocks += len(plan.commits)
        self.prompt, self.newest_ns = observation.prompt, observation.newest_ns
        self._requested = None
        self.sequence += 1
        return self.sequence - 1

    def note_published(self, chunk: ActionChunk, now_ns: int) -> None:
        """Notes that a chunk went out: the next one may go on from it.

        A clock that was set back starts the estimates anew.

        Args:
            chunk: of this session.
            now_ns: the clock of the stamps, just after.
        """
        before, self.published = self.published, chunk
        if now_ns < chunk.observation_ns:
            self.delay.restart()
            self.interval.restart()
            return
        self.delay.add((now_ns - chunk.observation_ns) / NS_PER_S)
        if before is not None and before.observation_ns <= chunk.observation_ns:
            self.interval.add((chunk.observation_ns - before.observation_ns) / NS_PER_S)

    def due(self, observation: Observation, replan_frames: int) -> bool:
        """Whether a caller that replans every ``replan_frames`` canvases should act on this one.

        Canvases are counted from the newest boundary: multiples are due, boundaries always, and
        whatever restarts the window. One that was passed over makes the next one due.

        Args:
            observation: the newest.
            replan_frames: at least 1; from the length of a chunk on, boundaries only.

        Raises:
            ValueError: ``replan_frames`` below 1.
        """
        if replan_frames < 1:
            raise ValueError(f"replan_frames: expected at least 1, got {replan_frames}")
        if self._reset_before_time(observation.prompt) is not None:
            return True
        newest, last = self._index(observation.newest_ns), self._index(self.newest_ns)
        if newest is None or last is None or newest < last:
            return True
        return newest // self._chunk > 0 or newest // replan_frames > last // replan_frames

    def next_due_ns(self, replan_frames: int) -> int | None:
        """Instant of the next canvas that will be due; None before the first call.

        Args:
            replan_frames: as for ``due``.
        """
        if self.boundary_ns is None or self.newest_ns is None:
            return None
        last = round((self.newest_ns - self.boundary_ns) / self._frame_ns)
        following = (last // replan_frames + 1) * replan_frames
        return self.boundary_ns + min(following, self._chunk) * self._frame_ns

    def _reset_before_time(self, prompt: str) -> ResetReason | None:
        """A reason to restart that no stamp can change."""
        if self.boundary_ns is None:
            return ResetReason.FIRST_CALL
        if self._requested is not None:
            return self._requested
        return ResetReason.PROMPT_CHANGED if prompt != self.prompt else None

    def _index(self, stamp_ns: int) -> int | None:
        """Canvases from the newest boundary to ``stamp_ns``; None if it is not on the grid.

        Grid instants are rounded to a nanosecond each, so a whole number is met within a hair.
        """
        index = round((stamp_ns - self.boundary_ns) / self._frame_ns)
        error = abs(stamp_ns - self.boundary_ns - index * self._frame_ns)
        return index if error <= self._frame_ns // 100 else None

    def _indices(self, stamps_ns: Int) -> dict[int, int]:
        """Position of every canvas of an observation, by its index on the grid."""
        indices = ((self._index(int(stamp)), at) for at, stamp in enumerate(stamps_ns))
        return {index: at for index, at in indices if index is not None}
