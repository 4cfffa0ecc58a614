"""How long it takes from an observation to its chunk: a robust running estimate.

Both sides need it and neither imports the other: the policy to know how many rows will have been
executed before a chunk arrives, the controller to know whether chunks last until the next one.
"""

from __future__ import annotations

from collections import deque

import numpy as np

_REMEMBERED = 20
_SPREAD = 1.4826
"""Median absolute deviation to standard deviation, for normally distributed delays."""


class DelayEstimate:
    """Upper estimate of a delay from its last measurements, which a single outlier does not move.

    The median plus two robust standard deviations, at most the largest measurement. The first
    measurement of every run is left out: a first call warms caches up and says nothing of the
    others.

    Args:
        remembered: measurements that count, the newest ones.

    Raises:
        ValueError: fewer than one.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        if remembered < 1:
            raise ValueError(f"remembered: expected at least 1, got {remembered}")
        self._measured: deque[float] = deque(maxlen=remembered)
        self._estimate: float | None = None
        self._first = True

    def add(self, seconds: float) -> None:
        """Takes a measurement.

        Args:
            seconds: 0 or more.

        Raises:
            ValueError: a negative number, or none at all.
        """
        if not (np.isfinite(seconds) and seconds >= 0.0):
            raise ValueError(f"delay: expected 0 s or more, got {seconds}")
        if self._first:
            self._first = False
            return
        self._measured.append(float(seconds))
        values = np.array(self._measured)
        middle = float(np.median(values))
        spread = _SPREAD * float(np.median(np.abs(values - middle)))
        self._estimate = min(middle + 2.0 * spread, float(values.max()))

    def restart(self) -> None:
        """Forgets everything; the next measurement is a first one again."""
        self._measured.clear()
        self._estimate = None
        self._first = True

    @property
    def seconds(self) -> float | None:
        """The estimate; None before the second measurement."""
        return self._estimate
