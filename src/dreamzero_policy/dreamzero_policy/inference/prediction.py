"""Predicted frames on their way from the device to whoever shows them."""

from __future__ import annotations

import threading

import numpy as np
import torch
from torch import Tensor

from dreamzero_policy.acceleration.streams import Streams
from dreamzero_policy.model.dreamzero import DreamZero
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


class FrameDecoder:
    """Decodes what the network predicts, beside the calls and one clip at a time.

    Args:
        model: whose VAE decodes; its causal memory belongs to one clip.
        streams: of the engine.
        frame_ns: from one frame to the next.
    """

    def __init__(self, model: DreamZero, streams: Streams, frame_ns: int) -> None:
        self._model, self._streams, self._frame_ns = model, streams, frame_ns
        self._one = threading.Lock()

    @torch.inference_mode()
    def begin(self, after_ns: int, context: tuple[Tensor, ...], latents: Tensor) -> Prediction:
        """Frames of a block, which on a GPU are not waited for, and give way to calls.

        Args:
            after_ns: what the block follows; its first frame is one later.
            context: real latents in front of it, each [1, C, F, h, w].
            latents: [1, C, K, h, w], the block's.
        """
        sources = (*context, latents)
        count = self._model.config.frames_per_block
        stamps = after_ns + np.arange(1, count + 1, dtype=np.int64) * self._frame_ns
        with self._one, self._streams.decoding():
            clip = torch.cat([each.to(self._model.dtype) for each in sources], dim=2)
            return Prediction(stamps, self._model.decode(clip)[-count:], sources)
