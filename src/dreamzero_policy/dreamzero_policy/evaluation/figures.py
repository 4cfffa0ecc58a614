"""Figures with their uncertainty: shares of successes, means of progress."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_Z = 1.959964  # 95 % of a normal distribution


@dataclass(frozen=True)
class Share:
    """How many of some attempts succeeded.

    Attributes:
        successes, of: counts.
        low, high: Wilson's 95 % interval of the share that stands behind them.
    """

    successes: int
    of: int
    low: float
    high: float

    @classmethod
    def count(cls, outcomes: Sequence[bool]) -> Share:
        """Of a list of outcomes.

        Raises:
            ValueError: there is none.
        """
        number = len(outcomes)
        if not number:
            raise ValueError("share: expected at least one outcome, got none")
        successes = sum(map(bool, outcomes))
        share, spread = successes / number, _Z**2 / number
        middle = (share + spread / 2) / (1 + spread)
        half = _Z / (1 + spread) * math.sqrt(
            share * (1 - share) / number + spread / (4 * number)
        )  # fmt: skip
        return cls(successes, number, max(0.0, middle - half), min(1.0, middle + half))

    @property
    def value(self) -> float:
        """The share itself."""
        return self.successes / self.of

    @property
    def error(self) -> float:
        """Binomial standard error; 0 where all outcomes are alike, which the interval is not."""
        return math.sqrt(self.value * (1 - self.value) / self.of)


@dataclass(frozen=True)
class Mean:
    """A mean of some numbers.

    Attributes:
        value: the mean.
        error: its standard error; NaN of a single number.
        of: count.
    """

    value: float
    error: float
    of: int

    @classmethod
    def over(cls, numbers: Sequence[float]) -> Mean:
        """Of a list of numbers.

        Raises:
            ValueError: there is none.
        """
        values = np.asarray(numbers, dtype=np.float64)
        if not len(values):
            raise ValueError("mean: expected at least one number, got none")
        spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        return cls(float(values.mean()), spread / math.sqrt(len(values)), len(values))
