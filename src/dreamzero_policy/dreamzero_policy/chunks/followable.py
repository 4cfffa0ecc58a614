"""Chunks that ask for more acceleration or jerk than a joint has, made ones that it can follow.

What is left of a chunk's noise after the filter (``smoothing.py``) is nothing to an arm with
10 rad/s^2 and too much for a head with 1 rad/s^2 and 5 rad/s^3. Such a joint, sent after every
turn of the noise, is always late for the next one and strays many times as far as the noise goes.
So the fit of the filter's second part is repeated with ever more weight on fourth differences, for
the joints that need it only, until they can follow. It stops where the rows would be moved by more
than noise: a motion that is really too fast is for the limits to slow down.
"""

from __future__ import annotations

import numpy as np

from dreamzero_policy.chunks.smoothing import ORDER, fit
from dreamzero_policy.types import Float

_SHARE = 0.7
"""Share of a joint's acceleration and jerk that rows may ask for; seams need the rest."""

_MORE, _MOST_TIMES = 4.0, 12
"""By what the weight grows each time, and how often."""


def followable(
    rows: Float, step_s: float, acceleration: Float, jerk: Float, change: Float, columns: np.ndarray
) -> Float:
    """Rows whose second and third differences keep a joint's limits, as far as noise explains it.

    Args:
        rows: [H, A] finite.
        step_s: time between two rows [s].
        acceleration: [A] largest, per s^2.
        jerk: [A] largest, per s^3.
        change: [A] furthest that a row may be moved.
        columns: [A] bool; the others are returned as they are.

    Returns:
        [H, A]: ``rows`` themselves where every joint can follow.
    """
    if len(rows) <= ORDER + 1:
        return rows
    most = (_SHARE * acceleration * step_s**2, _SHARE * jerk * step_s**3)
    wanting = np.flatnonzero(columns & _exceeds(rows, most))
    if not len(wanting):
        return rows
    result, weight = rows.copy(), 1.0
    for _ in range(_MOST_TIMES):
        weight *= _MORE
        fitted = fit(rows[:, wanting], weight)
        near = (np.abs(fitted - rows[:, wanting]) <= change[wanting]).all(axis=0)
        result[:, wanting[near]] = fitted[:, near]
        slow = _exceeds(fitted, tuple(limit[wanting] for limit in most))
        wanting = wanting[near & slow]
        if not len(wanting):
            break
    return result


def _exceeds(rows: Float, most: tuple[Float, Float]) -> np.ndarray:
    """[A] bool, where second or third differences are larger than those."""
    second, third = (np.abs(np.diff(rows, n=order, axis=0)).max(axis=0) for order in (2, 3))
    return (second > most[0]) | (third > most[1])
