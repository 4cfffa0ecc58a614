"""A motion that nothing follows up comes to rest by its end, by playing its last rows ever slower.

At the end of what is known there would be nothing left but the hardest brake. So the last stretch
of every motion, from ``from_ns`` to its end, is played at a rate that falls from one to nothing,

    rate(x) = 1 - 3 x^2 + 2 x^3,        x = share of the stretch that is over,

in which time half of it is played. Position, velocity and acceleration are continuous, the path is
the same, and the robot stands still at the very instant at which it would have to hold. A chunk
that arrives in time joins before that, or joins a robot that has begun to slow down.
"""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.chunks.interpolation import Motion, Point
from dreamzero_policy.types import NS_PER_S


@dataclass(frozen=True)
class Ending:
    """A motion that slows down to rest.

    Attributes:
        base: the motion.
        from_ns: where it begins to slow down; not before the motion starts.
    """

    base: Motion
    from_ns: int

    @classmethod
    def of(cls, base: Motion, at_ns: int, stretch_ns: int) -> Ending:
        """Slows the last ``stretch_ns`` down, or what is left of them at ``at_ns``."""
        return cls(base, max(base.end_ns - stretch_ns, at_ns))

    @property
    def start_ns(self) -> int:
        """Where the motion starts."""
        return self.base.start_ns

    @property
    def end_ns(self) -> int:
        """Where the motion ends, at rest."""
        return self.base.end_ns

    def rate(self, ns: int) -> float:
        """At which share of its speed the motion is played at an instant."""
        x = self._over(ns)
        return 1.0 - x * x * (3.0 - 2.0 * x)

    def played(self, ns: int) -> int:
        """Which instant of the motion is played at an instant, up to its end."""
        x = self._over(ns)
        if x <= 0.0:
            return ns
        return self.from_ns + round((x - x**3 + x**4 / 2.0) * (self.end_ns - self.from_ns))

    def at(self, ns: int) -> Point | None:
        """The point at an instant, None before the start and after the end."""
        x = self._over(ns)
        point = self.base.at(self.played(ns)) if ns <= self.end_ns else None
        if point is None or x <= 0.0:
            return point
        seconds = (self.end_ns - self.from_ns) / NS_PER_S
        rate, slowing = self.rate(ns), -6.0 * x * (1.0 - x) / seconds
        return Point(
            point.position,
            point.velocity * rate,
            point.acceleration * rate**2 + point.velocity * slowing,
        )

    def _over(self, ns: int) -> float:
        """Share of the stretch that is over, 0 before it and 1 behind it."""
        length_ns = self.end_ns - self.from_ns
        return min(max((ns - self.from_ns) / length_ns, 0.0), 1.0) if length_ns > 0 else 0.0
