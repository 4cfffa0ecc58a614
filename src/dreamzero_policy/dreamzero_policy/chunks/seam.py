"""How a new chunk takes over from what is being commanded: strategies behind one call, ``join``.

A strategy gets where the command is, which motion it was following, and the new trajectory; it
returns the motion to follow from then on. It never changes either, and whatever it returns still
goes through ``limits.py``.
"""

from __future__ import annotations

from typing import Protocol

from dreamzero_policy.chunks.cross_fade import CrossFade
from dreamzero_policy.chunks.interpolation import Motion, Point, Trajectory
from dreamzero_policy.chunks.real_time_chunking import RealTimeChunking
from dreamzero_policy.chunks.remainder import Remainder
from dreamzero_policy.chunks.temporal_ensemble import TemporalEnsemble
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings


class Seam(Protocol):
    """A way to join two chunks.

    Attributes:
        without_prefix: chunks joined to a moving robot that should have been held to the one before
            and were not; 0 of a strategy that asks for none.
    """

    without_prefix: int

    def join(
        self,
        present: Point,
        following: Motion | None,
        new: Trajectory,
        at_ns: int,
        fade_ns: int,
        held_ns: int | None = None,
    ) -> Motion:
        """The motion to follow from ``at_ns`` on.

        Args:
            present: the command at ``at_ns``, with its rates.
            following: what was followed up to now, as this strategy returned it; None after a hold.
            new: the new chunk, which covers ``at_ns``.
            at_ns: instant of the seam.
            fade_ns: least time that the change takes.
            held_ns: due time of the last row that was held to the chunk before; None if no row was.

        Raises:
            ValueError: the new chunk does not cover ``at_ns``.
        """


def make_seam(settings: ControllerSettings, limits: Limits) -> Seam:
    """The strategy that an installation has chosen.

    Args:
        settings: ``seam`` and the numbers of the strategies.
        limits: of the joints.
    """
    remainder = Remainder.of(settings, limits)
    if settings.seam == "temporal_ensemble":
        return TemporalEnsemble(remainder, settings.ensemble_decay)
    if settings.seam == "real_time_chunking":
        return RealTimeChunking(remainder)
    return CrossFade(remainder)
