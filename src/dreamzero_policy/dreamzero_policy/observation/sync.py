"""Streams on one clock: buffers by stamp, the time grid, and which image belongs to an instant.

Times are integer nanoseconds of the ROS clock. Grid instants are absolute multiples of the period
since the clock's zero, so every node finds the same instants without talking to the others, and the
grid of the canvases is part of the grid of the proprioception when its rate divides it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Generic, TypeVar

from dreamzero_policy.embodiments.embodiment import TimeBase
from dreamzero_policy.types import NS_PER_S, Float

Value = TypeVar("Value")

_FINEST = 100  # largest denominator of a rate that is set: 6.667 Hz is 20 / 3


class Grid:
    """Instants ``round(k * 1e9 / hz)`` ns for every integer k."""

    def __init__(self, hz: Fraction | int) -> None:
        """Sets the rate.

        Raises:
            ValueError: the rate is not positive.
        """
        self.hz = Fraction(hz)
        if self.hz <= 0:
            raise ValueError(f"grid rate: expected a positive number of Hz, got {hz}")

    @classmethod
    def of_frames(cls, time_base: TimeBase, set_hz: float = 0.0) -> Grid:
        """The grid of a checkpoint's canvases.

        Args:
            time_base: how it divides time.
            set_hz: the rate where an installation sets it, to the nearest fraction of small
                numbers; 0 where it does not.
        """
        if set_hz:
            return cls(Fraction(set_hz).limit_denominator(_FINEST))
        return cls(Fraction(time_base.control_hz, time_base.frame_stride))

    def instant(self, index: int) -> int:
        """The instant of ``index`` [ns]."""
        return round(index * NS_PER_S / self.hz)

    def index_at(self, stamp_ns: int) -> int:
        """The index of the newest instant not later than ``stamp_ns``."""
        index = int(stamp_ns * self.hz // NS_PER_S)
        return index + 1 if self.instant(index + 1) <= stamp_ns else index

    def is_instant(self, stamp_ns: int) -> bool:
        """Whether ``stamp_ns`` is an instant of this grid."""
        return self.instant(self.index_at(stamp_ns)) == stamp_ns

    def contains(self, other: Grid) -> bool:
        """Whether every instant of ``other`` is one of this grid."""
        return (self.hz / other.hz).denominator == 1


class TimeBuffer(Generic[Value]):
    """The newest values of one stream, found by time.

    A stamp more than a second before the newest one means that a clock was set back, or that the
    newest was wrong: the buffer forgets what it holds and begins anew.

    Attributes:
        refused: values whose stamp was not later than the newest one [count].
    """

    def __init__(self, capacity: int) -> None:
        """Holds at most ``capacity`` values.

        Raises:
            ValueError: the capacity is below 1.
        """
        if capacity < 1:
            raise ValueError(f"buffer capacity: expected at least 1, got {capacity}")
        self._capacity = capacity
        self._stamps: list[int] = []
        self._values: list[Value] = []
        self.refused = 0

    def __len__(self) -> int:
        return len(self._stamps)

    def append(self, stamp_ns: int, value: Value) -> bool:
        """Adds a value unless its stamp is not later than the newest; says whether it was added."""
        if self._stamps and stamp_ns <= self._stamps[-1]:
            if self._stamps[-1] - stamp_ns <= NS_PER_S:
                self.refused += 1
                return False
            self._stamps.clear()
            self._values.clear()
        self._stamps.append(stamp_ns)
        self._values.append(value)
        if len(self._stamps) > self._capacity:
            del self._stamps[0], self._values[0]
        return True

    @property
    def newest(self) -> tuple[int, Value] | None:
        """The newest (stamp, value)."""
        return (self._stamps[-1], self._values[-1]) if self._stamps else None

    @property
    def period_ns(self) -> int | None:
        """The shortest time between two neighbours; None with fewer than three values."""
        if len(self._stamps) < 3:
            return None
        return min(later - earlier for earlier, later in pairwise(self._stamps))

    def at_or_before(self, stamp_ns: int) -> tuple[int, Value] | None:
        """The newest (stamp, value) not later than ``stamp_ns``."""
        index = bisect_right(self._stamps, stamp_ns) - 1
        return (self._stamps[index], self._values[index]) if index >= 0 else None

    def around(self, stamp_ns: int) -> tuple[tuple[int, Value], tuple[int, Value]] | None:
        """The two neighbours in time between which ``stamp_ns`` lies.

        The first is not later than ``stamp_ns``, the second later. After the newest value these
        are the last two values.

        Returns:
            Two (stamp, value), or None before the first value or with a single one.
        """
        index = min(bisect_right(self._stamps, stamp_ns), len(self._stamps) - 1)
        if index < 1:
            return None
        return (
            (self._stamps[index - 1], self._values[index - 1]),
            (self._stamps[index], self._values[index]),
        )

    def interpolate(self: TimeBuffer[Float], stamp_ns: int) -> Float | None:
        """The vector at ``stamp_ns``, on the line between its two neighbours.

        After the newest value it is that value (nothing is extrapolated); before the first it is
        None.
        """
        older = self.at_or_before(stamp_ns)
        if older is None:
            return None
        pair = self.around(stamp_ns)
        if pair is None or stamp_ns >= pair[1][0]:
            return older[1]
        (start, left), (end, right) = pair
        return left + (right - left) * ((stamp_ns - start) / (end - start))


class Instants:
    """Which grid instants are to be served now: each once, in order, none from the past.

    An instant is served as soon as nothing more can come for it, at the latest ``settle_ns`` after
    it. Where the process was held up, instants older than ``horizon_ns`` are left out.

    Attributes:
        skipped: instants left out [count].
    """

    def __init__(self, grid: Grid, settle_ns: int, horizon_ns: int) -> None:
        """Begins with the first instant after the first call of ``due``.

        Raises:
            ValueError: the wait does not fit into the horizon.
        """
        if not 0 <= settle_ns < horizon_ns:
            raise ValueError(
                f"settle time: expected 0 to less than the {horizon_ns / NS_PER_S} s after which "
                f"an instant is given up, got {settle_ns / NS_PER_S} s"
            )
        self._grid, self._settle_ns, self._horizon_ns = grid, settle_ns, horizon_ns
        self._next: int | None = None
        self.skipped = 0

    def due(self, now_ns: int, settled: Callable[[int], bool]) -> Iterator[int]:
        """The instants to serve now [ns], oldest first.

        Args:
            now_ns: the time.
            settled: whether nothing more can come for an instant.
        """
        present = self._grid.index_at(now_ns)
        if self._next is None or self._next > present + 1:  # the start, or the clock was set back
            self._next = present + 1
        if self._next < present:
            # By arithmetic: a clock that is set for the first time leaps over decades.
            oldest = self._grid.index_at(now_ns - self._horizon_ns)
            self.skipped += max(oldest - self._next, 0)
            self._next = max(oldest, self._next)
        while self._next <= present:
            instant = self._grid.instant(self._next)
            if now_ns < instant + self._settle_ns and not settled(instant):
                return
            self._next += 1
            if now_ns - instant <= self._horizon_ns:
                yield instant
            else:
                self.skipped += 1

    def wait_ns(self, now_ns: int, early: bool = False) -> int:
        """How long until ``due`` is to be called again though nothing came; at least 1 ms.

        Args:
            now_ns: the time.
            early: whether an instant may be settled without anything coming after it, so that it is
                to be looked at when it comes and not only at the end of its wait.
        """
        index = self._grid.index_at(now_ns) + 1 if self._next is None else self._next
        instant = self._grid.instant(index)
        wake = instant if early and now_ns < instant else instant + self._settle_ns
        return max(wake - now_ns, NS_PER_S // 1000)


@dataclass(frozen=True)
class AlignedView(Generic[Value]):
    """The newest image of a view that is not later than the instant.

    Attributes:
        stamp_ns: when the image was taken.
        age_ns: the instant minus that, never negative.
        value: what the buffer held.
    """

    stamp_ns: int
    age_ns: int
    value: Value


@dataclass(frozen=True)
class MissingView:
    """A view of which there is no image up to the instant.

    Attributes:
        view: its name.
        ahead_ns: how long after the instant its newest image is stamped, None without any image.
    """

    view: str
    ahead_ns: int | None = None

    def __str__(self) -> str:
        if self.ahead_ns is None:
            return f"{self.view}: no image yet"
        ahead = self.ahead_ns / NS_PER_S
        return f"{self.view}: the only images are stamped up to {ahead:.3f} s after the instant"


@dataclass(frozen=True)
class StaleView:
    """A view whose newest image is too old for the instant."""

    view: str
    age_ns: int
    max_age_ns: int

    def __str__(self) -> str:
        age, limit = self.age_ns / NS_PER_S, self.max_age_ns / NS_PER_S
        return f"{self.view}: newest image is {age:.3f} s old, expected at most {limit:.3f} s"


@dataclass(frozen=True)
class Alignment(Generic[Value]):
    """Every view at one instant.

    Attributes:
        instant_ns: the instant.
        views: the views that have an image, by name.
        problems: the others, each with its reason.
    """

    instant_ns: int
    views: Mapping[str, AlignedView[Value]]
    problems: tuple[MissingView | StaleView, ...]

    @property
    def complete(self) -> bool:
        """Whether every view has an image."""
        return not self.problems


def align(
    buffers: Mapping[str, TimeBuffer[Value]], instant_ns: int, max_age_ns: int
) -> Alignment[Value]:
    """For every view its newest image not later than ``instant_ns``.

    Args:
        buffers: one per view, by name.
        instant_ns: a grid instant.
        max_age_ns: an image older than that is stale.
    """
    views: dict[str, AlignedView[Value]] = {}
    problems: list[MissingView | StaleView] = []
    for name, buffer in buffers.items():
        found = buffer.at_or_before(instant_ns)
        if found is None:
            newest = buffer.newest
            problems.append(MissingView(name, newest and newest[0] - instant_ns))
        elif instant_ns - found[0] > max_age_ns:
            problems.append(StaleView(name, instant_ns - found[0], max_age_ns))
        else:
            views[name] = AlignedView(found[0], instant_ns - found[0], found[1])
    return Alignment(instant_ns, views, tuple(problems))


def settled(buffers: Mapping[str, TimeBuffer[Value]], instant_ns: int) -> bool:
    """Whether no stream can still bring a newer value for ``instant_ns``.

    Each has one at or after it, or its last one is so fresh that the next falls after it: less than
    four fifths of the stream's period old.
    """
    for buffer in buffers.values():
        newest, period = buffer.newest, buffer.period_ns
        if newest is None or (
            newest[0] < instant_ns and (not period or instant_ns - newest[0] >= period * 4 // 5)
        ):
            return False
    return True
