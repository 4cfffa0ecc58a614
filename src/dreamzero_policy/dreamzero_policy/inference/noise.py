"""The noise that a block begins from."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamzero_policy.model.config import ModelConfig


class Noise:
    """Video and action noise by seed; the newest is kept, as most calls ask for the same.

    Args:
        config: sizes of the model.
        device, dtype: where and as what it is drawn.
    """

    def __init__(self, config: ModelConfig, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._shapes = (
            (1, config.out_dim, config.num_frame_per_block, *config.latent_size),
            (1, config.num_action_per_block, config.max_action_dim),
        )
        self._drawn: dict[int, tuple[Tensor, Tensor]] = {}

    def of(self, seed: int) -> tuple[Tensor, Tensor]:
        """[1, C, K, h, w] and [1, n_a, action_dim] float32, each drawn from the seed by itself.

        The reference seeds its generator anew for each, too.
        """
        if seed not in self._drawn:
            self._drawn = {seed: tuple(self._draw(shape, seed) for shape in self._shapes)}
        return self._drawn[seed]

    def _draw(self, shape: tuple[int, ...], seed: int) -> Tensor:
        generator = torch.Generator(self._device).manual_seed(seed)
        return torch.randn(
            shape, generator=generator, device=self._device, dtype=self._dtype
        ).float()
