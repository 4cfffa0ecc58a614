"""Predicted frames on their way from the device to whoever shows them."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamzero_policy.types import Image, Int


class Prediction:
    """Frames that are being decoded; made on the stream that decodes them.

    Args:
        stamps_ns: [T] instants that they predict.
        frames: [T, H', W', 3] uint8, on the device.
        sources: what they are decoded from, which must stay until they are.

    Attributes:
        stamps_ns: the same.
    """

    def __init__(self, stamps_ns: Int, frames: Tensor, sources: tuple[Tensor, ...] = ()) -> None:
        self.stamps_ns = stamps_ns
        self._done: torch.cuda.Event | None = None
        if frames.device.type == "cuda":
            stream = torch.cuda.current_stream(frames.device)
            for source in sources:
                source.record_stream(stream)
            host = torch.empty(frames.shape, dtype=frames.dtype, pin_memory=True)
            frames = host.copy_(frames, non_blocking=True)
            self._done = torch.cuda.Event()
            self._done.record(stream)
        self._frames = frames

    def ready(self) -> bool:
        """Whether ``frames`` would not wait."""
        return self._done is None or self._done.query()

    def frames(self) -> Image:
        """[T, H', W', 3] uint8."""
        if self._done is not None:
            self._done.synchronize()
        return self._frames.numpy()
