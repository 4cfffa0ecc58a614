"""What the blocks attend to across: a prompt and a first image, projected once for many forwards.

Shapes: B sequences, D token channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dreamzero_policy.model.block import Keys


@dataclass(frozen=True)
class Side:
    """A prompt, or a first image, as the blocks see it; valid until it or the weights change.

    Attributes:
        tokens: [B, tokens, D] projected.
        keys: keys and values of every block, made once; None: each makes its own, each time.
        repeats: how many tokens the last one stands for, which ``keys`` have in their bias.
    """

    tokens: torch.Tensor
    keys: tuple[Keys, ...] | None
    repeats: int = 1

    def recomputed(self) -> Side:
        """Every token, without keys."""
        more = self.tokens[:, -1:].expand(-1, self.repeats - 1, -1)
        return Side(torch.cat([self.tokens, more], dim=1), None)


@dataclass(frozen=True)
class Context:
    """What the blocks attend to across: a prompt and a first image."""

    text: Side
    image: Side

    @property
    def batch(self) -> int:
        """Sequences B."""
        return self.text.tokens.shape[0]

    def sides(self, index: int) -> tuple[Keys | torch.Tensor, Keys | torch.Tensor]:
        """Text and image as the ``index``-th block takes them: keys, or what they are made of."""
        return tuple(
            side.tokens if side.keys is None else side.keys[index]
            for side in (self.text, self.image)
        )

    def recomputed(self) -> Context:
        """The same context with keys and values made anew by every block (the slow twin)."""
        return Context(self.text.recomputed(), self.image.recomputed())
