"""Two streams of a GPU: a call's work goes before all that is done between calls.

On one stream a decoded prediction would hold up the call that comes while it is made. Here the
device takes a call's kernels first, whenever both have some. Work between calls that a later call
reads is waited for; pictures for people are not.

On another device there is nothing to order and every context does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch

_FIRST, _LAST = -1, 0
"""Priorities of CUDA; the lower number goes first."""


class Streams:
    """The streams of one engine.

    Args:
        device: where the work runs.
        cuda: ``torch.cuda``, or what stands in for it.
    """

    def __init__(self, device: torch.device, cuda: ModuleType = torch.cuda) -> None:
        self._device, self._cuda = device, cuda
        self._used = device.type == "cuda"
        if self._used:
            self._call = cuda.Stream(device, priority=_FIRST)
            self._between = cuda.Stream(device, priority=_LAST)
            self._pictures = cuda.Stream(device, priority=_LAST)

    @contextmanager
    def call(self) -> Iterator[None]:
        """For a call: before all else, after what was prepared for it."""
        with self._on("_call", joins=True):
            yield

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """For work that a later call reads."""
        with self._on("_between", joins=True):
            yield

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """For pictures, which nobody waits for; whoever reads them does."""
        with self._on("_pictures", joins=False):
            yield

    @contextmanager
    def _on(self, name: str, joins: bool) -> Iterator[None]:
        """On a stream, after whatever the caller's own has; and the caller's after it."""
        if not self._used:
            yield
            return
        stream, outside = getattr(self, name), self._cuda.current_stream(self._device)
        stream.wait_stream(outside)
        with self._cuda.stream(stream):
            yield
        if joins:
            outside.wait_stream(stream)
