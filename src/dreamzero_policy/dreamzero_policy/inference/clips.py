"""Clips of the context on their way through the VAE, begun before their last canvas is there.

What a context is refreshed with are the latents of a chunk's canvases and the one before them. The
VAE is causal: it takes the first of these alone and then four at a time, and no group depends on a
later one (``model/vae.py``). So whoever has time while a chunk is still under way has all groups
but the last encoded when its last canvas comes. The numbers are those of the clip encoded at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dreamzero_policy.model.dreamzero import DreamZero
from dreamzero_policy.model.vae import EncoderStream
from dreamzero_policy.types import Image


class _Clip:
    """One clip: canvases pushed so far, and the latents that they gave."""

    def __init__(self, stream: EncoderStream) -> None:
        self.stream, self.pushed = stream, 0
        self.latents: list[Tensor] = []


class ClipStreams:
    """Clips of one episode.

    Args:
        model: encodes.
    """

    def __init__(self, model: DreamZero) -> None:
        self._model = model
        self._clips: dict[int, _Clip] = {}

    def __len__(self) -> int:
        return len(self._clips)

    def advance(self, begun: dict[int, Image]) -> None:
        """Encodes what is there of clips that are still to be finished, and forgets all others.

        Args:
            begun: stamp of the first canvas [ns] to the canvases so far [t, H, W, 3] uint8.
        """
        self._clips = {start: clip for start, clip in self._clips.items() if start in begun}
        for start_ns, canvases in begun.items():
            self._push(start_ns, canvases)

    def finish(self, start_ns: int, canvases: Image) -> Tensor:
        """The newest latents of a clip, as ``DreamZero.encode_frames`` gives them.

        Args:
            start_ns: stamp of its first canvas.
            canvases: [T, H, W, 3] uint8, all of it; what was pushed before is not looked at again.

        Returns:
            [1, C, K, h, w], the last K latents.
        """
        self._push(start_ns, canvases)
        latents = torch.cat(self._clips.pop(start_ns).latents, dim=2)
        return latents[:, :, -self._model.config.num_frame_per_block :]

    def clear(self) -> None:
        """Forgets every clip."""
        self._clips = {}

    def _push(self, start_ns: int, canvases: Image) -> None:
        """Has the canvases encoded that a clip has not seen."""
        if start_ns not in self._clips:
            self._clips[start_ns] = _Clip(self._model.vae.stream())
        clip = self._clips[start_ns]
        new = canvases[clip.pushed :]
        if len(new):
            latents = clip.stream.push(self._model.normalise(torch.tensor(new)))
            clip.pushed = len(canvases)
            if latents is not None:
                clip.latents.append(latents)
