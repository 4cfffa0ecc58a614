"""Statistics of data that does not fit into memory: exact, and put together from parts.

Two passes. The first counts, adds up, and sorts values into bins of a fixed width, which parts can
be added up over whatever their ranges are. The sums say in which bins the order statistics lie on
which a percentile stands; the second pass keeps only the values in those bins. So percentiles are
those of all values, not estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dreamzero_policy.normalize import Statistics
from dreamzero_policy.types import Float, Int

_WIDTH = 2.0**-9
"""Width of a bin, in the values' own unit."""

Counts = tuple[np.ndarray, Int]
"""Values, increasing and each once, and how often each is there."""

QUANTILES = (0.01, 0.99)


@dataclass(frozen=True)
class Tally:
    """What the first pass knows of D columns.

    Attributes:
        count: values per column.
        mean, squares: [D] mean, and sum of squared deviations from it.
        low, high: [D] extremes.
        bins: of every column how many values are in which bin.
    """

    count: int
    mean: Float
    squares: Float
    low: Float
    high: Float
    bins: tuple[Counts, ...]

    @classmethod
    def of(cls, values: Float) -> Tally:
        """Of [N, D] finite values, N at least 1.

        Raises:
            ValueError: no values, or one that is not finite.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or not len(values) or not np.isfinite(values).all():
            raise ValueError(
                f"statistics: expected finite [N, D] with N of at least 1, got {values.shape}"
            )
        mean = values.mean(axis=0)
        numbers = bin_numbers(values)
        return cls(
            len(values),
            mean,
            np.square(values - mean).sum(axis=0),
            values.min(axis=0),
            values.max(axis=0),
            tuple(np.unique(column, return_counts=True) for column in numbers.T),
        )

    @classmethod
    def total(cls, parts: Sequence[Tally]) -> Tally:
        """Of all parts, at least one, added up in their order."""
        first, *others = parts
        count, mean, squares = first.count, first.mean, first.squares
        for other in others:
            together = count + other.count
            shift = other.mean - mean
            mean = mean + shift * (other.count / together)
            squares = squares + other.squares
            squares = squares + np.square(shift) * (count * other.count / together)
            count = together
        return cls(
            count,
            mean,
            squares,
            np.min([part.low for part in parts], axis=0),
            np.max([part.high for part in parts], axis=0),
            total_counts([part.bins for part in parts]),
        )

    def pooled(self, groups: int) -> Tally:
        """With [groups * D] columns pooled to D: every group is a part of its own."""
        width = len(self.mean) // groups
        parts = [self.columns(slice(g * width, (g + 1) * width)) for g in range(groups)]
        return Tally.total(parts)

    def columns(self, chosen: slice) -> Tally:
        """Of some columns."""
        return Tally(
            self.count,
            self.mean[chosen],
            self.squares[chosen],
            self.low[chosen],
            self.high[chosen],
            self.bins[chosen],
        )

    def wanted(self) -> tuple[Int, ...]:
        """D arrays of bin numbers whose values the second pass is to keep."""
        return tuple(self._wanted(bins) for bins in self.bins)

    def statistics(self, kept: Sequence[Counts]) -> Statistics:
        """The statistics, given for every column the values of the wanted bins."""
        quantiles = [
            [self._quantile(q, bins, values) for q in QUANTILES]
            for bins, values in zip(self.bins, kept, strict=True)
        ]
        q01, q99 = np.array(quantiles).T
        return Statistics(
            q01=q01,
            q99=q99,
            min=self.low,
            max=self.high,
            mean=self.mean,
            std=np.sqrt(self.squares / self.count),
        )

    def _ranks(self, quantile: float) -> tuple[int, int]:
        """The two order statistics between which a percentile lies."""
        low = int(np.floor((self.count - 1) * quantile))
        return low, min(low + 1, self.count - 1)

    def _quantile(self, quantile: float, bins: Counts, kept: Counts) -> float:
        low, high = self._ranks(quantile)
        wanted = self._wanted(bins)
        left, right = (_ranked(kept, _place(bins, rank, wanted)) for rank in (low, high))
        return float(left + (right - left) * ((self.count - 1) * quantile - low))

    def _wanted(self, bins: Counts) -> Int:
        """The bins of one column whose values are kept."""
        return np.unique([_bin_of(bins, rank) for q in QUANTILES for rank in self._ranks(q)])


def bin_numbers(values: Float) -> Int:
    """The bin of every value, same shape."""
    return np.floor(values / _WIDTH).astype(np.int64)


def keep(values: Float, wanted: Sequence[Int]) -> tuple[Counts, ...]:
    """The second pass: of every column of [N, D] the values in the wanted bins."""
    values = np.asarray(values, dtype=np.float64)
    numbers = bin_numbers(values)
    return tuple(
        np.unique(column[np.isin(number, bins)], return_counts=True)
        for column, number, bins in zip(values.T, numbers.T, wanted, strict=True)
    )


def total_counts(parts: Sequence[Sequence[Counts]]) -> tuple[Counts, ...]:
    """Of every column the values of all parts."""
    return tuple(_together(column) for column in zip(*parts, strict=True))


def pooled(kept: Sequence[Counts], groups: int) -> tuple[Counts, ...]:
    """[groups * D] columns of kept values as D."""
    width = len(kept) // groups
    return tuple(_together(kept[column::width]) for column in range(width))


def _together(parts: Sequence[Counts]) -> Counts:
    """The values of one column's parts."""
    values, places = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    counts = np.zeros(len(values), dtype=np.int64)
    np.add.at(counts, places, np.concatenate([part[1] for part in parts]))
    return values, counts


def relative_rows(actions: Float, states: Float, horizon: int) -> Float:
    """Every chunk's actions relative to the state at its first row: [chunks, H * D].

    Args:
        actions: [L, D] absolute, of one relative key.
        states: [L, D] measured, of the same key.
        horizon: H.
    """
    count = len(actions) - horizon + 1
    if count < 1:
        return np.empty((0, horizon * actions.shape[1]))
    windows = np.lib.stride_tricks.sliding_window_view(actions, horizon, axis=0)
    rows = np.moveaxis(windows, -1, 1) - states[:count, None]
    return rows.reshape(count, -1)


def _bin_of(bins: Counts, rank: int) -> int:
    """The bin of the value of that rank, from 0."""
    return int(_ranked(bins, rank))


def _ranked(counted: Counts, rank: int) -> float:
    """The value of a rank, from 0."""
    values, counts = counted
    return values[np.searchsorted(np.cumsum(counts), rank, side="right")]


def _place(bins: Counts, rank: int, wanted: Int) -> int:
    """Where the value of a rank stands among the kept ones, sorted."""
    numbers, counts = bins
    left_out = counts[(numbers < _bin_of(bins, rank)) & ~np.isin(numbers, wanted)].sum()
    return rank - int(left_out)
