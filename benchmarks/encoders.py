"""Canvases into latents inside a benchmark's chunk, as the engine does it; needs diffusers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dreamzero import to_network_range
from dreamzero_policy.model.image_encoder import ImageEncoder
from dreamzero_policy.model.vae import VideoVAE
from networks import fill


class RandomEncoders:
    """VAE and image encoder with random weights, and random canvases.

    Args:
        config: the model.
        device: where.
        dtype: of the weights.
    """

    def __init__(self, config: ModelConfig, device: torch.device, dtype: torch.dtype) -> None:
        self._config, self._device, self._dtype = config, device, dtype
        with torch.device("meta"):
            self.vae, self.image = VideoVAE(config.vae).eval(), ImageEncoder(config.image).eval()
        fill(self.vae, "action_head.vae.", device, dtype)
        fill(self.image, "action_head.image_encoder.", device, dtype)
        self.image.restore_buffers()
        size = tuple(side * config.vae.spatial_stride for side in config.latent_size)
        count = config.frames_per_block + 1
        generator = torch.Generator().manual_seed(0)
        canvases = torch.randint(0, 256, (count, *size, 3), generator=generator, dtype=torch.uint8)
        self._canvases = canvases
        self._stream = self.vae.stream()

    def first(self) -> tuple[Tensor, Callable[[int, int], Tensor], Tensor]:
        """As ``Encoders.first``."""
        frame = self._frames(slice(0, 1))[:, :, 0]
        condition = self.vae.condition(frame, self._config.num_frames)
        return self.image.encode(frame), condition, condition.first_latent

    def begin(self) -> None:
        """As ``Encoders.begin``."""
        self._stream = self.vae.stream()
        latents = self._stream.push(self._frames(slice(0, -4)))
        self._kept = latents[:, :, 1:]

    def newest(self) -> Tensor:
        """As ``Encoders.newest``."""
        return torch.cat([self._kept, self._stream.push(self._frames(slice(-4, None)))], dim=2)

    def clip(self) -> Tensor:
        """As ``Encoders.clip``."""
        latents = self.vae.encode(self._frames(slice(None)))
        return latents[:, :, -self._config.num_frame_per_block :]

    def _frames(self, which: slice) -> Tensor:
        """Some canvases, from the host's memory to the network's range."""
        return to_network_range(self._canvases[which].to(self._device), None, self._dtype)
