"""Real-time chunking: chunks whose first rows were held to the chunk before.

The sampler does the work: it completes the rows that will have been executed by the time a chunk
arrives, so that the new chunk starts as the old one goes on (Black, Galliker, Levine 2025,
arXiv:2506.07339). What is left between the two at the seam is rounding, filtering and a delay that
was estimated a little short, and that fades.
"""

from __future__ import annotations

from dreamzero_policy.chunks.cross_fade import CrossFade
from dreamzero_policy.chunks.interpolation import Motion, Point, Trajectory
from dreamzero_policy.chunks.remainder import Faded, Remainder


class RealTimeChunking:
    """Fades the small rest that a chunk with a held prefix leaves; cross-fades without one.

    Args:
        remainder: how the command comes onto a chunk.

    Attributes:
        without_prefix: chunks joined to a moving robot that were not held to the one before. The
            first chunk of a session has nothing to be held to; more say that the policy does not
            inpaint.
    """

    def __init__(self, remainder: Remainder) -> None:
        self._fade = CrossFade(remainder)
        self.without_prefix = 0

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
        if held_ns is None and following is not None:
            self.without_prefix += 1
        return self._fade.join(present, following, new, at_ns, fade_ns, held_ns)
