"""A path of joint positions as smooth motion from rest to rest, as fast as the joints may go."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline, CubicSpline

from dreamzero_policy.types import Float

_LOOKS = 121  # instants at which rates are looked at
_SHORTEST_S = 0.2


class Rates:
    """Largest speed, acceleration and jerk of every joint.

    Args:
        velocity, acceleration, jerk: [J] per s, s^2, s^3.
    """

    def __init__(self, velocity: Float, acceleration: Float, jerk: Float) -> None:
        self._most = (velocity, acceleration, jerk)

    def seconds(self, positions: Float) -> float:
        """Shortest time in which positions [n, J], evenly spread over it, keep the rates."""
        derivative, shortest = positions, _SHORTEST_S
        step = 1.0 / (len(positions) - 1)
        for order, most in enumerate(self._most, start=1):
            derivative = np.gradient(derivative, step, axis=0)
            ratio = float((np.abs(derivative) / most).max())
            shortest = max(shortest, ratio ** (1.0 / order))
        return shortest


class Motion:
    """Joint positions over time: along a curve through samples, with zero rates at both ends.

    Args:
        samples: [n, J] joint positions, evenly spread along the path; two are enough.
        rates: what it must keep.
        pause_s: how long it rests at the end [s].
    """

    def __init__(self, samples: Float, rates: Rates, pause_s: float = 0.0) -> None:
        samples = np.asarray(samples, dtype=np.float64)
        share = np.linspace(0.0, 1.0, len(samples))
        self._curve = CubicSpline(share, samples) if len(samples) > 2 else None
        self._samples = samples
        looked = self._along(_eased(np.linspace(0.0, 1.0, _LOOKS)))
        self._moving_s = rates.seconds(looked)
        self.seconds = self._moving_s + pause_s
        """Whole length, the pause included [s]."""

    def _along(self, share: Float) -> Float:
        if self._curve is not None:
            return self._curve(share)
        start, end = self._samples
        return start + np.multiply.outer(share, end - start)

    def at(self, seconds: float) -> Float:
        """[J] positions ``seconds`` after its begin; before and after it, those of its ends."""
        return self._along(_eased(np.clip(seconds / self._moving_s, 0.0, 1.0)))


def _eased(time: Float) -> Float:
    """Share of the path at a share of the time: the curve of least jerk from rest to rest."""
    return time**3 * (10.0 - 15.0 * time + 6.0 * time**2)


def rounded(points: Float, count: int) -> Float:
    """[count, D] points along a smooth curve that starts and ends at the ends of ``points`` [m, D].

    The curve is a cubic B-spline: it cuts the corners and never leaves their hull, so it goes no
    lower than the lowest point.
    """
    points = np.asarray(points, dtype=np.float64)
    degree = min(3, len(points) - 1)
    inner = np.linspace(0.0, 1.0, len(points) - degree + 1)
    knots = np.concatenate([[0.0] * degree, inner, [1.0] * degree])
    return BSpline(knots, points, degree)(np.linspace(0.0, 1.0, count))
