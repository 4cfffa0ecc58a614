"""How long the newest calls took, stage by stage."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

_MOST = 500
"""Calls that are remembered: some minutes."""


class Spread(NamedTuple):
    """Percentiles of a stage's seconds."""

    p50: float
    p95: float
    p99: float


class Latencies:
    """Seconds by stage of the newest calls; every stage has a history of its own.

    Args:
        most: calls to remember.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._seconds: dict[str, deque[float]] = {}

    def add(self, stages: Mapping[str, float]) -> None:
        """Takes some stages of a call."""
        for stage, seconds in stages.items():
            self._seconds.setdefault(stage, deque(maxlen=self._most)).append(seconds)

    def spreads(self) -> dict[str, Spread]:
        """Percentiles of every stage so far, in the order in which stages first came."""
        return {
            stage: Spread(*np.percentile(list(seconds), (50, 95, 99)).tolist())
            for stage, seconds in self._seconds.items()
        }
