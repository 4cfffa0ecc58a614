"""Cross-fade: the new chunk from now on, plus the remainder of where the command is."""

from __future__ import annotations

from dreamzero_policy.chunks.interpolation import Motion, Point, Trajectory
from dreamzero_policy.chunks.remainder import Faded, Remainder


class CrossFade:
    """Fades from the present command to the new chunk.

    It does not matter whether the command was following an older chunk, lagging behind it, or
    holding, and a chunk that agrees with the command is followed as it is. The old chunk's own
    later rows take no part: the new chunk has seen more than they had.

    Args:
        remainder: how the command comes onto a chunk.
    """

    without_prefix = 0

    def __init__(self, remainder: Remainder) -> None:
        self._remainder = remainder

    def join(
        self,
        present: Point,
        following: Motion | None,
        new: Trajectory,
        at_ns: int,
        fade_ns: int,
        held_ns: int | None = None,
    ) -> Faded:
        """The new chunk plus the fading remainder; see ``Seam.join``."""
        del following, held_ns
        return self._remainder.over(new, present, at_ns, fade_ns)
