"""Temporal ensembling: the mean over every chunk that covers an instant, the newest weighing most.

After ACT (Zhao et al. 2023, arXiv:2304.13705), whose weights are exponential in a chunk's age.
There every row is averaged once, when it is due; here chunks are motions, arrive whenever they do
and end at different instants, so that the mean must not step when one joins or leaves. The mean is
folded: each new chunk takes its share of the ensemble before it,

    E_n(t) = E_(n-1)(t) + a_n(t) (c_n(t) - E_(n-1)(t)),

where ``a_n`` rises from nothing to the share after the seam, and on to all of it before the
ensemble before ends, both by the quintic step, whose first and second derivatives are continuous
and nothing at its ends. The mean therefore stays inside the hull of its chunks, and position,
velocity and acceleration are continuous.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dreamzero_policy.chunks.interpolation import Motion, Point, Trajectory
from dreamzero_policy.chunks.remainder import Faded, Remainder, covered
from dreamzero_policy.types import NS_PER_S

_MOST = 16
"""Chunks in the mean at most, since a tick computes every one; the oldest weighs least."""


@dataclass(frozen=True)
class Ensemble:
    """A motion that goes over, in part and then wholly, to a newer chunk.

    Attributes:
        old: the chunk, or ensemble of chunks, before; it covers ``from_ns``.
        new: the newest chunk.
        sharp: [A] bool, columns that are not averaged: the newest chunk's counts.
        share: of the new chunk once it has risen, 0 to 1.
        from_ns, rise_ns: where the new chunk begins to count and how long it takes to its share.
        fall_ns: how long the old motion takes to leave, before it ends.
    """

    old: Trajectory | Ensemble
    new: Trajectory
    sharp: np.ndarray
    share: float
    from_ns: int
    rise_ns: int
    fall_ns: int

    @property
    def start_ns(self) -> int:
        """Where the newest chunk joined."""
        return self.from_ns

    @property
    def end_ns(self) -> int:
        """Where the newest chunk ends."""
        return self.new.end_ns

    def at(self, ns: int) -> Point | None:
        """The point at an instant, None before the start and after the end."""
        newest = self.new.at(ns) if ns >= self.from_ns else None
        if newest is None or ns >= self.old.end_ns:
            return newest
        before = covered(self.old, ns)
        rise = _step((ns - self.from_ns) / self.rise_ns, self.rise_ns)
        fall = _step((ns - self.old.end_ns) / self.fall_ns + 1.0, self.fall_ns)
        part, first, second = (
            self.share * up + (1.0 - self.share) * on for up, on in zip(rise, fall, strict=True)
        )
        away = newest.position - before.position
        rate = newest.velocity - before.velocity
        push = newest.acceleration - before.acceleration
        mean = (
            before.position + part * away,
            before.velocity + part * rate + first * away,
            before.acceleration + part * push + 2.0 * first * rate + second * away,
        )
        own = (newest.position, newest.velocity, newest.acceleration)
        return Point(*(np.where(self.sharp, n, m) for n, m in zip(own, mean, strict=True)))


class TemporalEnsemble:
    """Averages over the chunks that cover an instant.

    A chunk that comes when what is followed is nearly over, or at rest, is faded to instead: there
    is nothing left to average with.

    Args:
        remainder: how the command comes onto a chunk, and how long a change takes.
        decay: how fast an older chunk's weight falls against a newer one's, per second between
            their first rows [1/s]; 0 weighs all alike.
    """

    without_prefix = 0

    def __init__(self, remainder: Remainder, decay: float) -> None:
        self._remainder = remainder
        self._decay = decay

    def join(
        self,
        present: Point,
        following: Motion | None,
        new: Trajectory,
        at_ns: int,
        fade_ns: int,
        held_ns: int | None = None,
    ) -> Faded:
        """The ensemble with the new chunk, plus what the command was away; see ``Seam.join``."""
        del held_ns
        before = following.base if isinstance(following, Faded) else None
        base = new if before is None else self._with(before, new, at_ns, fade_ns)
        return self._remainder.over(base, present, at_ns, fade_ns)

    def _with(
        self, before: Trajectory | Ensemble, new: Trajectory, at_ns: int, fade_ns: int
    ) -> Trajectory | Ensemble:
        """The ensemble with the new chunk, or that alone where too little is left of the old."""
        before = _living(before, at_ns, _MOST - 1)
        last_ns = min(before.end_ns, new.end_ns)
        if not before.start_ns <= at_ns < last_ns:
            return new
        share = 1.0 / (1.0 + self._mass(before, new.start_ns))
        rise_ns, fall_ns = (
            max(fade_ns, self._least_ns(part, before, new, ns), 1)
            for part, ns in ((share, at_ns), (1.0 - share, last_ns))
        )
        if max(rise_ns, fall_ns) > before.end_ns - at_ns:
            return new
        return Ensemble(before, new, self._remainder.sharp, share, at_ns, rise_ns, fall_ns)

    def _least_ns(self, part: float, before: Motion, new: Motion, ns: int) -> int:
        """How long a part of the way from one motion to the other takes at least."""
        away, rate, push = self._remainder.gap(covered(before, ns), covered(new, ns))
        return self._remainder.least_ns(part * away, part * rate, part * push)

    def _mass(self, motion: Trajectory | Ensemble, start_ns: int) -> float:
        """Weight of all that is in an ensemble, where a chunk that starts at ``start_ns`` has 1."""
        newest = motion.new if isinstance(motion, Ensemble) else motion
        age = max(start_ns - newest.start_ns, 0) / NS_PER_S
        older = self._mass(motion.old, start_ns) if isinstance(motion, Ensemble) else 0.0
        return math.exp(-self._decay * age) + older


def _living(motion: Trajectory | Ensemble, at_ns: int, most: int) -> Trajectory | Ensemble:
    """The motion without chunks that are over at an instant, and the newest ``most`` at most."""
    if isinstance(motion, Trajectory):
        return motion
    if most <= 1 or at_ns >= motion.old.end_ns:
        return motion.new
    return replace(motion, old=_living(motion.old, at_ns, most - 1))


def _step(share: float, length_ns: int) -> tuple[float, float, float]:
    """The quintic from 0 to 1 over a length, with its derivatives per s and s^2."""
    u, seconds = min(max(share, 0.0), 1.0), length_ns / NS_PER_S
    rest = 1.0 - u
    return (
        u * u * u * (10.0 + u * (6.0 * u - 15.0)),
        30.0 * u * u * rest * rest / seconds,
        60.0 * u * rest * (rest - u) / seconds**2,
    )
