"""Whether canvases come at the rate that a policy takes them at.

A model cannot see that its frames are further apart, or closer together, than those it learned
from: it would take a slow arm for a fast one. At half the rate every canvas even lies on the
checkpoint's grid, and no two of them are consecutive.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from dreamzero_policy.types import NS_PER_S

_GAPS = 8
"""Gaps that are remembered; all of them longer than a period are another rate, fewer are losses."""

_SLACK_NS = 1_000_000  # rounding of stamps, and of a rate that is set with few digits


class CanvasRate:
    """Watches the stamps of canvases."""

    def __init__(self, hz: Fraction) -> None:
        """Knows nothing yet.

        Args:
            hz: canvases per second that the policy takes.
        """
        self._period_ns, self._hz = round(NS_PER_S / hz), float(hz)
        self._newest_ns: int | None = None
        self._gaps: deque[int] = deque(maxlen=_GAPS)

    def note(self, stamp_ns: int) -> None:
        """Takes the stamp of a canvas; one before the newest begins anew."""
        newest, self._newest_ns = self._newest_ns, stamp_ns
        if newest is None or stamp_ns == newest:
            return
        if stamp_ns < newest:
            self._gaps.clear()
        else:
            self._gaps.append(stamp_ns - newest)

    @property
    def problem(self) -> str:
        """How the rate differs, and what sets it right; empty where it does not."""
        if not self._gaps:
            return ""
        gap_ns = min(self._gaps)
        closer = gap_ns < self._period_ns - _SLACK_NS
        further = len(self._gaps) == _GAPS and gap_ns > self._period_ns + _SLACK_NS
        if not closer and not further:
            return ""
        return (
            f"canvases come every {gap_ns / NS_PER_S:.3f} s, the policy takes one "
            f"every {self._period_ns / NS_PER_S:.3f} s: set camera_tiler.frame_hz (and "
            f"proprioception.frame_hz) to {self._hz:.4g} where they run"
            + ("" if closer else ", or see why the camera tiler withholds some")
        )
