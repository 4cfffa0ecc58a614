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

Canvases may come more often than the model's frames, so that calls may, too: a block then takes
every so many-th of them, counted back from its end. Boundaries stay one chunk apart.

A window holds ``max_chunk_size`` blocks; the boundary after its last one restarts it from the
newest frame, as do the other reasons in ``ResetReason`` (design: model.md 4.4, data.md 7.5). That
is a *cold* restart: everything seen is forgotten. A *warm* one keeps the grid: the new window's
first frame is the one some blocks before the newest boundary, and these blocks of real frames are
committed at once; where their canvases are not all there, it is cold. A full window alone restarts
warm: after any other reason what was seen before says nothing of what comes.

Nothing here computes: the rules are numbers in, a ``Plan`` out. ``engine.py`` carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from torch import Tensor

from dreamzero_policy.delay import DelayEstimate
from dreamzero_policy.inference.clips import ClipStreams
from dreamzero_policy.model.context import Side
from dreamzero_policy.sampling.window import Window
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
        reset: why the window restarts; None: it goes on.
        first: where it restarts, its first frame; -1 is the newest canvas.
        commits: per boundary, the positions of its canvases, the boundary before it first.
        lookahead: positions of the canvases that stand in the context on the copy; a single one
            is a first frame. None: the newest canvas is a boundary and its block is denoised.
    """

    reset: ResetReason | None = None
    first: int = -1
    commits: tuple[tuple[int, ...], ...] = ()
    lookahead: tuple[int, ...] | None = None

    @property
    def kind(self) -> str:
        """``commit`` at a boundary, ``lookahead`` between two."""
        return "commit" if self.lookahead is None else "lookahead"


class Spare(NamedTuple):
    """A window that was begun before the one in use is full.

    Attributes:
        window: with everything but its last block.
        first_ns: instant of its first frame.
        blocks: blocks in it.
        texts: the prompts that it was begun under.
    """

    window: Window
    first_ns: int
    blocks: int
    texts: tuple[Side, ...]


class Session:
    """State of one episode.

    Args:
        started_ns: when it began; a larger number is a newer session.
        frame_ns: time between two canvases of a block.
        frames_per_chunk: those from one boundary to the next.
        blocks_per_window: blocks in a window, M_c.
        warm_blocks: blocks that a full window restarts with; 0: it restarts cold.
        canvases_per_frame: canvases that come in the time of one.
        boundaries_only: whether nothing is due between two boundaries.

    Attributes:
        boundary_ns: instant of the newest boundary in the context; None before the first call.
        blocks: blocks in the context, first frame not counted.
        newest_ns: instant of the last call's newest canvas.
        prompt: the instruction of the last call.
        sequence: chunks made.
        window: the caches; the engine makes it at the first call.
        texts: embedded prompts, one per branch; the engine's too.
        clips: clips that are being encoded; the engine's too.
        spare: a warm window that was begun before it is needed; the engine's too.
        expected: instant of the newest boundary, and what the block that starts there was
            predicted to be, once it was; the engine's too.
        ended: whether no call will come any more; the next session takes over its memory.
        published: the chunk that went out last; None before the first.
        delay: from observations to publication of their chunks.
        interval: between observations of chunks that were published.

    Raises:
        ValueError: a number below 1, or a window that would restart full.
    """

    def __init__(
        self,
        started_ns: int,
        frame_ns: int,
        frames_per_chunk: int,
        blocks_per_window: int,
        warm_blocks: int = 0,
        canvases_per_frame: int = 1,
        boundaries_only: bool = False,
    ) -> None:
        if not 0 <= warm_blocks < max(blocks_per_window, 1):
            raise ValueError(
                f"warm_blocks: expected 0 to {blocks_per_window - 1} in a window of "
                f"{blocks_per_window} blocks, got {warm_blocks}"
            )
        if min(frame_ns, frames_per_chunk, blocks_per_window, canvases_per_frame) < 1:
            raise ValueError(
                "session: expected frame_ns, frames_per_chunk, blocks_per_window and "
                f"canvases_per_frame of at least 1, got {frame_ns}, {frames_per_chunk}, "
                f"{blocks_per_window}, {canvases_per_frame}"
            )
        self.started_ns = started_ns
        self.boundary_ns: int | None = None
        self.blocks = 0
        self.newest_ns: int | None = None
        self.prompt: str | None = None
        self.sequence = 0
        self.window: Window | None = None
        self.texts: tuple[Side, ...] = ()
        self.clips: ClipStreams | None = None
        self.spare: Spare | None = None
        self.expected: tuple[int, Tensor] | None = None
        self.ended = False
        self.published: ActionChunk | None = None
        self.delay, self.interval = DelayEstimate(), DelayEstimate()
        self._frame_ns = frame_ns
        self._stride = canvases_per_frame
        self._chunk = frames_per_chunk * canvases_per_frame  # in canvases
        self._capacity, self._warm = blocks_per_window, warm_blocks
        self._boundaries_only = boundaries_only
        self._requested: ResetReason | None = None

    def request_reset(self, reason: ResetReason = ResetReason.REQUESTED) -> None:
        """Makes the next call restart the window from its newest frame."""
        self._requested = reason

    def end(self) -> None:
        """Says that no call will come any more; callable from any thread."""
        self.ended = True

    def plan(self, observation: Observation) -> Plan:
        """What a call with this observation would do; changes nothing."""
        reset = self._reset_before_time(observation.prompt)
        if reset is not None:
            return Plan(reset=reset)
        present = self._indices(observation.stamps_ns)
        newest = self._index(observation.newest_ns)
        if newest is None or newest < 0:
            return Plan(reset=ResetReason.GAP_IN_FRAMES)
        boundaries = newest // self._chunk
        if self.blocks + boundaries < self._capacity:
            runs = self._runs(present, range(boundaries), newest, self.blocks)
            if runs is None:
                return Plan(reset=ResetReason.GAP_IN_FRAMES)
            return Plan(commits=runs[0], lookahead=runs[1])
        if self._warm:
            first = boundaries - self._warm
            runs = self._runs(present, range(first, boundaries), newest, 0)
            if runs is not None:
                position = present[first * self._chunk]
                return Plan(ResetReason.WINDOW_FULL, position, *runs)
        return Plan(reset=ResetReason.WINDOW_FULL)

    def _runs(
        self, present: dict[int, int], blocks: range, newest: int, before: int
    ) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...] | None] | None:
        """Positions of the canvases of some blocks and of a look-ahead; None where one is missing.

        Args:
            present: position of every canvas, by its index on the grid.
            blocks: to commit, counted from the newest boundary.
            newest: index of the newest canvas.
            before: blocks in the context before these.
        """
        stride, chunk = self._stride, self._chunk
        needed = [range(i * chunk, (i + 1) * chunk + 1, stride) for i in blocks]
        between = newest % self._chunk
        if between:
            length = chunk if before + len(blocks) else 0
            needed.append(range(newest - length, newest + 1, stride))
        if any(index not in present for run in needed for index in run):
            return None
        runs = [tuple(present[index] for index in run) for run in needed]
        return tuple(runs[: len(blocks)]), runs[-1] if between else None

    def advance(self, plan: Plan, observation: Observation) -> int:
        """Notes that ``plan`` was carried out.

        Returns:
            The sequence number of the call's chunk.
        """
        if plan.reset is not None:
            self.boundary_ns, self.blocks = int(observation.stamps_ns[plan.first]), 0
        if plan.commits:
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

    def begun(self, observation: Observation, replan_frames: int) -> list[tuple[int, ...]]:
        """Clips that calls to come will be answered with, as far as their canvases are there.

        Args:
            observation: the newest.
            replan_frames: as for ``due``.

        Returns:
            Positions of the canvases of each, the one that is needed next first.
        """
        newest = None if self.boundary_ns is None else self._index(observation.newest_ns)
        if newest is None or newest < 0 or self._reset_before_time(observation.prompt) is not None:
            return []
        present, found = self._indices(observation.stamps_ns), []
        for end in range(newest + 1, newest + self._chunk + 1):
            block, between = divmod(end, self._chunk)
            blocks = self.blocks + block
            if blocks >= self._capacity:
                blocks = self._warm
            start = end - self._chunk
            run = range(start, newest + 1, self._stride)
            if blocks and between % replan_frames == 0 and all(i in present for i in run):
                found.append(tuple(present[index] for index in run))
        return found

    def ahead_of_restart(self, observation: Observation) -> tuple[tuple[int, ...], ...] | None:
        """What can already stand in the next window, where that restarts warm at the next boundary.

        Args:
            observation: one that was answered.

        Returns:
            Positions of the canvases of every block that is complete, as ``Plan.commits``, in a
            window that begins at the first of them, or at the newest boundary if there is none;
            None: the window goes on, restarts cold, or a canvas is missing.
        """
        if not self._warm or self.blocks != self._capacity - 1 or self._requested is not None:
            return None
        present = self._indices(observation.stamps_ns)
        needed = range(1 - self._warm, 0)
        if 0 not in present:
            return None
        runs = self._runs(present, needed, 0, 0)
        return None if runs is None else runs[0]

    def due(self, observation: Observation, replan_frames: int) -> bool:
        """Whether a caller that replans every ``replan_frames`` canvases should act on this one.

        Canvases are counted from the newest boundary: multiples are due, boundaries always, and
        whatever restarts the window. One that was passed over makes the next one due, or the next
        boundary in a session of boundaries only.

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
        if self._boundaries_only:
            return newest > 0 and newest % self._chunk == 0
        return newest // self._chunk > 0 or newest // replan_frames > last // replan_frames

    def next_due_ns(self, replan_frames: int) -> int | None:
        """Instant of the next canvas that will be due; None before the first call.

        Args:
            replan_frames: as for ``due``.
        """
        if self.boundary_ns is None or self.newest_ns is None:
            return None
        if self._boundaries_only:
            replan_frames = self._chunk
        last = round((self.newest_ns - self.boundary_ns) * self._stride / self._frame_ns)
        following = (last // replan_frames + 1) * replan_frames
        ahead = min(following, self._chunk) * self._frame_ns / self._stride
        return self.boundary_ns + round(ahead)

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
        after = (stamp_ns - self.boundary_ns) * self._stride
        index = round(after / self._frame_ns)
        error = abs(after - index * self._frame_ns)
        return index if error <= self._frame_ns // 100 else None

    def _indices(self, stamps_ns: Int) -> dict[int, int]:
        """Position of every canvas of an observation, by its index on the grid."""
        indices = ((self._index(int(stamp)), at) for at, stamp in enumerate(stamps_ns))
        return {index: at for index, at in indices if index is not None}
