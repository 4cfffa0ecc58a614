"""Whether an episode is being spoiled, while there is still time to record it again.

Numbers of every stream, and marks: a threshold that was broken, of which stream, when, with the
figure. A threshold is marked when it breaks, and again when it breaks anew after it was fine. Time
is passed in; nothing here waits or reads a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from dreamzero_policy.data.episode_facts import Event
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.observation.frozen import PictureWatch
from dreamzero_policy.recording.recorded_streams import RecordedStream
from dreamzero_policy.types import NS_PER_S, Float, Image

_MARKS = 200
"""Most marks of an episode; what goes on breaking after that is no news."""

_SPARSE = (slice(None, None, 4), slice(None, None, 4))


@dataclass(frozen=True)
class Thresholds:
    """What an episode may look like.

    Attributes:
        max_gap_s: between two messages of a required stream.
        rate_share: least share of a required stream's rate at the start of the episode.
        max_skew_s: between a header stamp of a required stream and its receipt, either way.
        frozen_after_s: how long a picture may stay the same while the robot moves.
        frozen_motion: how far the joints must have moved meanwhile [rad or m].
        idle_speed: below it in every joint the robot stands still [rad/s, m/s or 1/s].
        max_idle: largest share of an episode in which it may.
        idle_after_s: length of an episode from which on that is judged.
    """

    max_gap_s: float = 0.3
    rate_share: float = 0.8
    max_skew_s: float = 0.3
    frozen_after_s: float = 1.5
    frozen_motion: float = 0.1
    idle_speed: float = 0.01
    max_idle: float = 0.5
    idle_after_s: float = 20.0


@dataclass(frozen=True)
class StreamReport:
    """One stream now.

    Attributes:
        stream: which.
        messages: since the watch began.
        rate_hz: over the last second.
        nominal_hz: expected; 0 for nothing.
        age_s: of the newest message; -1 before the first.
        worst_gap_s: of this episode.
        skew_s: receipt minus stamp of the newest message of a required stream; else 0.
        problem: what is wrong, as a sentence; empty for nothing.
    """

    stream: RecordedStream
    messages: int
    rate_hz: float
    nominal_hz: float
    age_s: float
    worst_gap_s: float
    skew_s: float
    problem: str


@dataclass
class _Seen:
    """What came of a stream."""

    stream: RecordedStream
    nominal_hz: float
    messages: int = 0
    newest_ns: int = 0
    skew_ns: int = 0
    worst_skew_ns: int = 0
    worst_gap_ns: int = 0
    worst_gap_at_ns: int = 0
    recent: deque[int] = field(default_factory=deque)

    def took(self, log_ns: int, stamp_ns: int | None) -> None:
        if self.messages and (gap := log_ns - self.newest_ns) > self.worst_gap_ns:
            self.worst_gap_ns, self.worst_gap_at_ns = gap, log_ns
        self.messages += 1
        self.newest_ns = log_ns
        self.recent.append(log_ns)
        if stamp_ns is not None and self.stream.required:  # others stamp what they speak of
            self.skew_ns = log_ns - stamp_ns
            if abs(self.skew_ns) > abs(self.worst_skew_ns):
                self.worst_skew_ns = self.skew_ns

    def rate_hz(self, now_ns: int) -> float:
        while self.recent and self.recent[0] <= now_ns - NS_PER_S:
            self.recent.popleft()
        return float(len(self.recent))

    def forget_worst(self, now_ns: int) -> None:
        self.worst_gap_ns = self.worst_skew_ns = 0
        self.worst_gap_at_ns = now_ns


class QualityWatch:
    """Watches every stream of a robot, with or without an episode."""

    def __init__(
        self,
        robot: Embodiment,
        streams: Sequence[RecordedStream],
        thresholds: Thresholds,
        still_views: Iterable[str] = (),
    ) -> None:
        """Watches from now on.

        Args:
            robot: the layout.
            streams: what is recorded.
            thresholds: what is noticeable.
            still_views: views whose pictures may stay the same.

        Raises:
            ValueError: a still view that the robot has not.
        """
        self._limits = thresholds
        self._seen = {stream.name: _Seen(stream, stream.nominal_hz) for stream in streams}
        self._pictures = PictureWatch(
            robot,
            round(thresholds.frozen_after_s * NS_PER_S),
            thresholds.frozen_motion,
            still_views,
        )
        self._began_ns: int | None = None
        self._broken: set[tuple[str, str]] = set()
        self._marks: list[Event] = []
        self._dropped: dict[str, int] = {}
        self._refused: tuple[int, str] | None = None
        self._refused_before = 0
        self._idle_ns = self._moving_ns = self._posed_ns = 0

    def took(self, name: str, log_ns: int, stamp_ns: int | None) -> None:
        """Takes note of a message.

        Args:
            name: of the stream.
            log_ns: when it was received.
            stamp_ns: its header stamp; None where the type has none.
        """
        self._seen[name].took(log_ns, stamp_ns)

    def saw(self, view: str, stamp_ns: int, picture: Image) -> None:
        """Takes a picture of a view, now and then: [H, W, 3] uint8; few pixels are kept."""
        self._pictures.saw(view, stamp_ns, picture[_SPARSE].copy())

    def moved(self, stamp_ns: int, positions: Float, velocities: Float) -> None:
        """Takes a measured pose: [S] model units and model units per s."""
        self._pictures.moved(stamp_ns, positions)
        elapsed = stamp_ns - self._posed_ns
        self._posed_ns = stamp_ns
        if self._began_ns is None or not 0 < elapsed < NS_PER_S:
            return
        if float(np.abs(velocities).max(initial=0.0)) < self._limits.idle_speed:
            self._idle_ns += elapsed
        else:
            self._moving_ns += elapsed

    def refused(self, total: int, why: str) -> None:
        """Takes the driver's count of commands that it refused, and its newest reason."""
        if self._refused is None or total < self._refused[0]:
            self._refused_before = total
        self._refused = (total, why)

    def dropped(self, name: str, total: int) -> None:
        """Takes the count of messages of a stream that this episode lacks."""
        self._dropped[name] = total

    def missing(self, now_ns: int) -> list[str]:
        """Why no episode may begin: required streams without a fresh message, a sentence each."""
        found = []
        for seen in self._seen.values():
            if not seen.stream.required:
                continue
            if not seen.messages:
                found.append(f"{seen.stream.name}: no message yet")
            elif (age_s := (now_ns - seen.newest_ns) / NS_PER_S) > self._limits.max_gap_s:
                found.append(f"{seen.stream.name}: newest message is {age_s:.1f} s old")
        return found

    def begin(self, now_ns: int) -> None:
        """An episode begins; a required stream is to keep the rate that it has now."""
        self._began_ns = now_ns
        self._broken.clear()
        self._marks.clear()
        self._dropped.clear()
        self._idle_ns = self._moving_ns = 0
        self._refused_before = self._refused[0] if self._refused else 0
        for seen in self._seen.values():
            seen.forget_worst(now_ns)
            if seen.stream.required and not seen.stream.nominal_hz:
                seen.nominal_hz = seen.rate_hz(now_ns)

    def end(self) -> None:
        """The episode ends; its marks stay until the next begins."""
        self._began_ns = None

    @property
    def marks(self) -> list[Event]:
        """Every threshold that the episode broke, in time order."""
        return list(self._marks)

    @property
    def idle_share(self) -> float:
        """Share of the episode in which the robot stood still; -1 without poses."""
        known = self._idle_ns + self._moving_ns
        return self._idle_ns / known if known else -1.0

    def check(self, now_ns: int) -> tuple[list[StreamReport], list[Event]]:
        """Looks at everything, a few times a second.

        Returns:
            Every stream, and the marks that are new. Without an episode there are no marks.
        """
        before = len(self._marks)
        wrong = self._pictures_wrong()
        reports = [self._report(seen, now_ns, wrong) for seen in self._seen.values()]
        if self._began_ns is not None:
            self._check_whole(now_ns)
        return reports, self._marks[before:]

    def _report(self, seen: _Seen, now_ns: int, wrong: dict[str, str]) -> StreamReport:
        """One stream; marks what it breaks."""
        name, limits = seen.stream.name, self._limits
        rate = seen.rate_hz(now_ns)
        age_s = (now_ns - seen.newest_ns) / NS_PER_S if seen.messages else -1.0
        problems = {
            "gap": self._gap(seen, age_s),
            "rate": self._slow(seen, rate, now_ns),
            "skew": (
                f"received {seen.skew_ns / NS_PER_S:+.3f} s after its stamp"
                if abs(seen.skew_ns) > limits.max_skew_s * NS_PER_S
                else ""
            ),
            "picture": wrong.get(seen.stream.view, "") if seen.stream.view else "",
            "dropped": (
                f"{self._dropped[name]} messages were not recorded"
                if self._dropped.get(name)
                else ""
            ),
        }
        if self._began_ns is not None:
            self._mark_short_lived(seen, now_ns)
            for kind, text in problems.items():
                self._mark(kind, name, text, now_ns)
        return StreamReport(
            seen.stream,
            seen.messages,
            rate,
            seen.nominal_hz,
            age_s,
            seen.worst_gap_ns / NS_PER_S,
            seen.skew_ns / NS_PER_S,
            "; ".join(filter(None, problems.values())),
        )

    def _gap(self, seen: _Seen, age_s: float) -> str:
        if not seen.stream.required:
            return ""
        if not seen.messages:
            return "no message yet"
        return f"nothing for {age_s:.1f} s" if age_s > self._limits.max_gap_s else ""

    def _slow(self, seen: _Seen, rate: float, now_ns: int) -> str:
        """Too few messages in a second that was all of this episode."""
        if not seen.stream.required or self._began_ns is None:
            return ""
        if now_ns - self._began_ns < NS_PER_S:
            return ""
        least = self._limits.rate_share * seen.nominal_hz
        return f"{rate:.0f} messages a second, expected {seen.nominal_hz:.0f}" * (rate < least)

    def _mark_short_lived(self, seen: _Seen, now_ns: int) -> None:
        """Gaps and skews that came and went between two looks."""
        gap_s = seen.worst_gap_ns / NS_PER_S
        if seen.stream.required and gap_s > self._limits.max_gap_s:
            text = f"gap of {gap_s:.2f} s"
            self._mark(f"gap at {seen.worst_gap_at_ns}", seen.stream.name, text, now_ns)
        if abs(seen.worst_skew_ns) > self._limits.max_skew_s * NS_PER_S >= abs(seen.skew_ns):
            text = f"once received {seen.worst_skew_ns / NS_PER_S:+.3f} s after its stamp"
            self._mark("worst skew", seen.stream.name, text, now_ns)

    def _pictures_wrong(self) -> dict[str, str]:
        wrong = dict.fromkeys(self._pictures.dark(), "black")
        return wrong | {found.view: str(found) for found in self._pictures.frozen()}

    def _check_whole(self, now_ns: int) -> None:
        """What is of the episode as a whole."""
        idle, limits = self.idle_share, self._limits
        judged = now_ns - (self._began_ns or now_ns) >= limits.idle_after_s * NS_PER_S
        text = f"the robot stood still for {idle:.0%} of the time"
        self._mark("idle", "", text if judged and idle > limits.max_idle else "", now_ns)
        if self._refused is not None and (count := self._refused[0] - self._refused_before) > 0:
            text = f"the driver refused {count} commands: {self._refused[1]}"
            self._mark("refused", "joint_commands", text, now_ns)

    def _mark(self, kind: str, stream: str, text: str, now_ns: int) -> None:
        """Notes a threshold when it breaks."""
        key = (kind, stream)
        if not text:
            self._broken.discard(key)
        elif key not in self._broken:
            self._broken.add(key)
            if len(self._marks) < _MARKS:
                self._marks.append(Event(now_ns, "quality", text, stream))
