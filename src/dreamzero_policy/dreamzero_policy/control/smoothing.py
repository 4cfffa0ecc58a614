"""The paper's chunk filter: up to twice the rate, Savitzky-Golay, back to the original rows.

Paper, appendix A.5.5: cubic interpolation to double resolution, a filter of window 21 and order 3,
then every second sample. The doubled grid has ``2 H - 1`` points, the rows and their midpoints, so
that nothing shifts in time: the filter has no delay, and it takes a cubic in time to itself
(design: data.md 9.2). At 15 rows per second its half amplitude lies at 1.8 Hz.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import savgol_filter

from dreamzero_policy.types import Float

WINDOW = 21
"""Points of the doubled grid under the filter."""

ORDER = 3
"""Order of the polynomial that is fitted."""


def smooth(rows: Float, columns: np.ndarray) -> Float:
    """Filters some columns of a chunk.

    The ends are the values of the polynomial fitted to the first and last full window. A chunk too
    short for the window gets the largest odd window that fits; below 5 points it is left as it is.

    Args:
        rows: [H, A] float64, finite.
        columns: [A] bool; the others (grippers, bases) are returned as they are, since a filter
            would ring around their steps.

    Returns:
        [H, A] float64, a new array.

    Raises:
        ValueError: shapes that do not fit.
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
