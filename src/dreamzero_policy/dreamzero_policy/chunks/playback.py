"""When the rows of a chunk are due: at its own speed, or slower where inference is.

While the robot follows chunks at their own speed, row k is due at ``start + k * step``.

A chunk has to last from its observation until the next chunk is there, which is the interval
between two observations plus the delay from the second of them to its chunk. One that ends before
that is played slower, about its observation: while the robot follows, row k is due at

    observation + (start - observation + k * step) / playback,

so that the rows which were over on arrival are those that were played meanwhile, at this speed too,
and the last is due when the next chunk comes. Nothing is repeated and nothing is made up.

Where the robot held for part of that time, or went at another speed, it has not come as far, and
the chunk is due as much later: what counts is how much was played since the observation. Otherwise
every other chunk, seen before the robot moved, would send it back along its path, and once that has
begun nothing ends it. With ``slow_inference: hold`` rows are due by the clock alone, and so they
are where rows were held to those of the chunk before (``seam: real_time_chunking``): a policy that
does that counts on it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace

from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.delay import DelayEstimate
from dreamzero_policy.types import NS_PER_S, ActionChunk

_TICKS = 2
"""Control periods until a chunk that has arrived is followed."""

LEAST_ENDING = 0.6
"""Share of the usual time to come to rest in (``ending.py``) that is left after the next chunk."""

_SPARE, _RISE = 0.1, 2.0
"""What is slowed lasts longer than estimated by this share, against stops; what lasts by itself is
left alone, and between the two the share rises by so much per second that is missing."""

_SPELLS = 4096
"""Changes of speed that are remembered."""


class Playback:
    """Measures delay and interval of a session's chunks, and says how fast to play them.

    Args:
        settings: what to do about slow inference, and how slow at most.

    Attributes:
        played: what the robot has played.
    """

    def __init__(self, settings: ControllerSettings) -> None:
        self._slows = settings.slow_inference == "slow_playback"
        self._commits = settings.seam == "real_time_chunking"
        self._slowest = settings.slowest_playback
        self._follow_s = _TICKS * settings.period_s
        self._ending_s = LEAST_ENDING * settings.ending_s
        self._longest_ns = round(settings.chunk_max_age_s / settings.slowest_playback * NS_PER_S)
        self._delay, self._interval = DelayEstimate(), DelayEstimate()
        self._session: int | None = None
        self._shortest_s = math.inf
        self._observation_ns = 0
        self.played = Played()

    @property
    def delay_s(self) -> float | None:
        """Robust estimate of the time from an observation to its chunk [s]; None before one."""
        return self._delay.seconds

    @property
    def until_next_s(self) -> float:
        """From an observation until the chunk after its own is followed, as estimated [s].

        Before there are estimates the shortest delay so far stands for both parts; before any chunk
        it is infinite.
        """
        delay = self._shortest_s if self._delay.seconds is None else self._delay.seconds
        interval = delay if self._interval.seconds is None else self._interval.seconds
        return delay + interval + self._follow_s

    def due(self, chunk: ActionChunk, now_ns: int) -> tuple[ActionChunk, float]:
        """The chunk with its rows where they are due, and the share of its speed.

        Args:
            chunk: the newest of its session, as it came.
            now_ns: when it came.
        """
        share = self.take(chunk, now_ns)
        played_ns = now_ns - chunk.observation_ns
        if self._slows and not self._held(chunk):
            played_ns = self.played.between(chunk.observation_ns, now_ns)
        return retimed(chunk, share, played_ns, now_ns), share

    def take(self, chunk: ActionChunk, now_ns: int) -> float:
        """The share of its own speed at which a chunk lasts until the next; measures it, too.

        Before there are estimates the shortest delay so far stands for both, its own included: a
        first call may have warmed something up, and one that was held up says nothing of the next.
        A new session starts anew. What no playback could make up for (a stamp from another clock,
        say) is not a measurement.

        Args:
            chunk: the newest of its session.
            now_ns: when it came.

        Returns:
            ``slowest_playback`` to 1.
        """
        if chunk.session != self._session:
            self._forget()
        late, apart = now_ns - chunk.observation_ns, chunk.observation_ns - self._observation_ns
        self._shortest_s = min(max(late, 0) / NS_PER_S, self._shortest_s)
        share = self._share(chunk)
        if self._session is not None and 0 < apart <= self._longest_ns:
            self._interval.add(apart / NS_PER_S)
        if 0 <= late <= self._longest_ns:
            self._delay.add(late / NS_PER_S)
        self._session, self._observation_ns = chunk.session, chunk.observation_ns
        return share

    def restart(self) -> None:
        """Forgets everything, as after a jump of the clock."""
        self.played.restart()
        self._forget()

    def _forget(self) -> None:
        """Begins to measure anew."""
        self._delay.restart()
        self._interval.restart()
        self._session, self._shortest_s = None, math.inf

    def _held(self, chunk: ActionChunk) -> bool:
        """Whether rows of a chunk were held to those of the one before, by the clock."""
        return self._commits and chunk.prefix_rows > 0

    def _share(self, chunk: ActionChunk) -> float:
        """What ``take`` gives for a chunk."""
        if not self._slows or self._held(chunk):
            return 1.0
        span = (chunk.end_ns - chunk.observation_ns) / NS_PER_S
        lasts = self.until_next_s + self._ending_s
        missing = max(lasts - span, 0.0)
        lasts += min(_RISE * missing, _SPARE * lasts)
        return min(max(span / lasts, self._slowest), 1.0)


class Played:
    """How much of the chunks' own time the robot has played, between any two instants of late.

    Before anything is noted time goes on for the chunks as for everybody.
    """

    def __init__(self) -> None:
        self._spells: deque[tuple[int, float]] = deque(maxlen=_SPELLS)
        self._before = 1.0

    def begin(self) -> None:
        """Notes that the robot has stood still up to now."""
        self._spells.clear()
        self._before = 0.0

    def follow(self, at_ns: int, share: float) -> None:
        """Notes the speed from an instant on.

        Args:
            at_ns: on the timeline of commands, never before the last one.
            share: of the chunk's own speed; 0 in a hold.
        """
        if not self._spells or self._spells[-1][1] != share:
            self._spells.append((at_ns, share))

    def between(self, from_ns: int, until_ns: int) -> float:
        """What was played between two instants [ns]; the time itself where the first is later."""
        if from_ns >= until_ns:
            return until_ns - from_ns
        played = 0.0
        for began_ns, share in reversed(self._spells):
            if began_ns < until_ns:
                played += (until_ns - max(began_ns, from_ns)) * share
                until_ns = began_ns
            if began_ns <= from_ns:
                return played
        return played + (until_ns - from_ns) * self._before

    def restart(self) -> None:
        """Forgets everything, as after a jump of the clock."""
        self._spells.clear()
        self._before = 1.0


def retimed(chunk: ActionChunk, share: float, played_ns: float, now_ns: int) -> ActionChunk:
    """The chunk at a share of its speed, from where the robot has come since its observation.

    Args:
        chunk: as it came.
        share: above 0, at most 1.
        played_ns: own time played since the observation [ns].
        now_ns: until when that was.
    """
    ahead_ns = chunk.start_ns - chunk.observation_ns - played_ns
    start_ns = now_ns + round(ahead_ns / share)
    return replace(chunk, start_ns=start_ns, step_ns=round(chunk.step_ns / share))
