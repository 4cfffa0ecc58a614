"""The paper's chunk filter, and what it lets through that no arm should be asked to follow.

Paper, appendix A.5.5: cubic interpolation to double resolution, Savitzky-Golay of window 21 and
order 3, then every second sample. The doubled grid has ``2 H - 1`` points, the rows and their
midpoints, so that nothing shifts in time: the filter has no delay, and it takes a cubic in time to
itself (design: data.md 9.2). At 15 rows per second its half amplitude lies at 1.8 Hz.

Above that its response swings on with side lobes of up to a quarter, and jerk grows with the
frequency cubed: of 10 mrad of noise per row, the ripple that is left makes some 40 rad/s^3 where a
calm motion makes 2. A second fit takes that off and little else: the rows nearest to the filtered
ones whose fourth differences are small,

    minimise over y:    sum (y - x)^2 + sum (fourth differences of y)^2,

whose response ``1 / (1 + (2 sin(pi f))^8)`` at f cycles per row is half at a sixth (2.5 Hz at 15
rows per second), and still 0.91 where the paper's is half. It has no delay either and takes a cubic
to itself, at the ends of a chunk too.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg import solveh_banded
from scipy.signal import savgol_filter

from dreamzero_policy.types import Float

WINDOW = 21
"""Points of the doubled grid under the filter."""

ORDER = 3
"""Order of the polynomial that is fitted."""


_FOURTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0])


def smooth(rows: Float, columns: np.ndarray) -> Float:
    """Filters some columns of a chunk as the paper does, and takes off the ripple that is left.

    Args:
        rows: [H, A] float64, finite.
        columns: [A] bool; the others (grippers, bases) are returned as they are, since a filter
            would ring around their steps.

    Returns:
        [H, A] float64, a new array.

    Raises:
        ValueError: shapes that do not fit.
    """
    result = paper_filter(rows, columns)
    if len(result) >= len(_FOURTH) and columns.any():
        result[:, columns] = fit(result[:, columns])
    return result


def fit(rows: Float, weight: float = 1.0) -> Float:
    """The second fit: rows near the given ones with small fourth differences.

    Args:
        rows: [H, A], 5 or more of them.
        weight: of the fourth differences; the larger, the more of a wave is taken off.

    Returns:
        [H, A], a new array.
    """
    return solveh_banded(_penalty(len(rows), weight), rows, lower=True)


def paper_filter(rows: Float, columns: np.ndarray) -> Float:
    """The paper's part of ``smooth``, with the same arguments.

    The ends are the values of the polynomial fitted to the first and last full window. A chunk too
    short for the window gets the largest odd window that fits; below 5 points it is left as it is.
    """
    rows, columns = np.asarray(rows, dtype=np.float64), np.asarray(columns, dtype=bool)
    if rows.ndim != 2 or columns.shape != rows.shape[1:]:
        raise ValueError(
            f"smoothing: expected rows [H, A] and columns [A], got {list(rows.shape)} and "
            f"{list(columns.shape)}"
        )
    result, points = rows.copy(), 2 * len(rows) - 1
    window = min(WINDOW, points)  # odd, as both are
    if window < 5 or not columns.any():
        return result
    grid = np.arange(len(rows), dtype=np.float64)
    fine = CubicSpline(grid, rows[:, columns])(np.arange(points) / 2.0)
    result[:, columns] = savgol_filter(fine, window, ORDER, axis=0, mode="interp")[::2]
    return result


def _penalty(rows: int, weight: float) -> Float:
    """[5, rows] the matrix of the second fit, main diagonal first: one plus the penalty's."""
    bands = np.zeros((len(_FOURTH), rows))
    for offset in range(len(_FOURTH)):
        products = _FOURTH[offset:] * _FOURTH[: len(_FOURTH) - offset]
        bands[offset, : rows - offset] = np.convolve(products, np.ones(rows - len(_FOURTH) + 1))
    bands *= weight
    bands[0] += 1.0
    return bands
