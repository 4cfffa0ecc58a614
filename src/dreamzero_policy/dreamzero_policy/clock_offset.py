"""How far the clocks of two hosts are apart, from stamps that each put on what it sends anyway.

A message that was sent at ``s`` by the sender's clock and came at ``c`` by the receiver's took
``c - s``: the way, which is never negative, plus how far the receiver's clock is ahead. One
direction alone cannot tell the two apart; both together bound the offset on both sides.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from dreamzero_policy.types import NS_PER_S

_WINDOW_NS = 10 * NS_PER_S
"""Messages of so long count: a late one says little, and a clock that is set again is noticed."""


class Transit:
    """The least time from a sender's stamp to the arrival, over the newest seconds."""

    def __init__(self) -> None:
        self._took: deque[tuple[int, int]] = deque()  # (came, took), took ascending

    def note(self, sent_ns: int, came_ns: int) -> None:
        """Takes one message.

        Args:
            sent_ns: its stamp, by the sender's clock.
            came_ns: its arrival, by this one's.
        """
        if self._took and came_ns < self._took[-1][0]:  # this clock was set back
            self._took.clear()
        took_ns = came_ns - sent_ns
        while self._took and self._took[-1][1] >= took_ns:
            self._took.pop()
        self._took.append((came_ns, took_ns))
        while self._took[0][0] < came_ns - _WINDOW_NS:
            self._took.popleft()

    def least_ns(self, now_ns: int) -> int | None:
        """The least of the newest seconds; None where nothing came in them."""
        recent = [took for came, took in self._took if now_ns - _WINDOW_NS <= came]
        return recent[0] if recent else None


class Offset(NamedTuple):
    """By how much the other host's clock is ahead of this one's: between two bounds.

    Attributes:
        least_ns: certainly no less.
        most_ns: certainly no more.
    """

    least_ns: int
    most_ns: int

    @property
    def middle_s(self) -> float:
        """The likeliest, where both ways are alike [s]."""
        return (self.least_ns + self.most_ns) / 2 / NS_PER_S

    @property
    def uncertainty_s(self) -> float:
        """How far it may be from that [s]."""
        return (self.most_ns - self.least_ns) / 2 / NS_PER_S

    @property
    def certain_s(self) -> float:
        """How far apart the clocks are at least [s]; never negative."""
        return max(0, self.least_ns, -self.most_ns) / NS_PER_S


def offset(there_ns: int | None, back_ns: int | None) -> Offset | None:
    """The offset of the other host's clock; None where one direction has brought nothing.

    Args:
        there_ns: least transit of what this host sends, as the other measured it.
        back_ns: least transit of what the other sends, as this one measured it.
    """
    if there_ns is None or back_ns is None:
        return None
    # there = way + ahead, back = way - ahead, and a way is never negative.
    return Offset(min(-back_ns, there_ns), max(-back_ns, there_ns))
