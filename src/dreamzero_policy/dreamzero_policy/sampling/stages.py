"""Seconds by named stage of a call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stages:
    """Times stages where the work runs, and waits for the device once, at the end.

    Args:
        device: where the work runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._spans: list[tuple[str, float | torch.cuda.Event, float | torch.cuda.Event]] = []
        self._start = self._now()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Adds the time that the block takes to a stage; stages may lie in one another."""
        start = self._now()
        try:
            yield
        finally:
            self._spans.append((name, start, self._now()))

    def catch_up(self, name: str) -> None:
        """Waits until the device has come to the end of a stage; of one that was not, not at all.

        Args:
            name: of the stage.
        """
        for done, _, end in reversed(self._spans):
            if done == name and not isinstance(end, float):
                end.synchronize()
                return

    def done(self) -> dict[str, float]:
        """Every stage, and the total since the beginning."""
        spans = [*self._spans, ("total", self._start, self._now())]
        last = spans[-1][2]
        if not isinstance(last, float):
            last.synchronize()  # other streams may go on
        seconds: dict[str, float] = {}
        for name, start, end in spans:
            taken = end - start if isinstance(end, float) else start.elapsed_time(end) / 1e3
            seconds[name] = seconds.get(name, 0.0) + taken
        return seconds

    def _now(self) -> float | torch.cuda.Event:
        """A mark on the device's own timeline."""
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event
