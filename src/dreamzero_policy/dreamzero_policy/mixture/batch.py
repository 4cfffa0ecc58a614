"""Windows as the network takes them: encoded, normalised, stacked.

Shape legend: B windows, F = 1 + cK latent frames of c blocks, C latent channels, h, w latent height
and width, A = c n_a action rows, D_a and D_s padded widths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Windows of equal length, encoded.

    Attributes:
        latents: [B, C, F, h, w] clean.
        condition: [B, 4 + C, F, h, w] of the first frame; None where the model reads none.
        text: [B, text_len, text_dim].
        clip: [B, tokens, clip_dim] of the first frame.
        states: [B, c n_s, D_s] normalised.
        actions: [B, A, D_a] normalised; zero where a window has none.
        action_mask: [B, A, D_a] bool, true on real columns.
        has_real_action: [B] bool, false for windows of video alone.
    """

    latents: Tensor
    condition: Tensor | None
    text: Tensor
    clip: Tensor
    states: Tensor
    actions: Tensor
    action_mask: Tensor
    has_real_action: Tensor

    def __len__(self) -> int:
        """Windows B."""
        return len(self.latents)

    def to(self, device: torch.device | str) -> Self:
        """The same elsewhere."""
        moved = (getattr(self, field.name) for field in fields(self))
        return type(self)(*(x if x is None else x.to(device, non_blocking=True) for x in moved))

    def rows(self, chosen: slice) -> Self:
        """Some of the windows."""
        return type(self)(*(x if x is None else x[chosen] for x in self._tensors()))

    @classmethod
    def stack(cls, parts: Sequence[Self]) -> Self:
        """Batches behind one another.

        Raises:
            ValueError: windows of different lengths.
        """
        lengths = {part.latents.shape[2] for part in parts}
        if len(lengths) != 1:
            raise ValueError(f"batch: expected windows of one length, got {sorted(lengths)} frames")
        columns = zip(*(part._tensors() for part in parts), strict=True)
        return cls(*(None if xs[0] is None else torch.cat(xs) for xs in columns))

    def _tensors(self) -> tuple[Tensor | None, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))
