"""A prompt's padding looked at once instead of some hundred times.

A prompt is filled up with zeros to the length that the network was trained with, and every block
attends to the padding as to any other token. All of it is the same token, with the same key and
value; so one stands for the rest, with the logarithm of their number added to its score. The
softmax and what it gathers are the same to rounding.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from dreamzero_policy.model.context import Side
from dreamzero_policy.model.dit import CausalDiT


def embed_prompt(dit: CausalDiT, text: Tensor) -> Side:
    """As ``CausalDiT.embed_text``, and on a CPU in float32 without the repetition.

    Args:
        dit: the network.
        text: [B, text_len, text_dim] prompt embedding, zero behind the prompt's end.
    """
    if not shortens(dit):
        return dit.embed_text(text)
    short, repeats = shorten(text)
    return repeated(dit.embed_text(short), repeats)


def shortens(dit: CausalDiT) -> bool:
    """Whether padding is left out.

    A GPU's fastest attention takes no numbers that are added to scores, and lower precisions would
    round the number; there the padding stays.
    """
    return dit.dtype == torch.float32 and dit.patch_embedding.weight.device.type == "cpu"


def shorten(text: Tensor) -> tuple[Tensor, int]:
    """A prompt up to its first token of padding, and for how many tokens that one stands.

    Args:
        text: [B, tokens, text_dim]; of several prompts the longest counts.
    """
    used = text.ne(0).any(dim=-1).any(dim=0).nonzero()
    kept = min(int(used[-1]) + 2 if len(used) else 1, text.shape[1])
    return text[:, :kept], text.shape[1] - kept + 1


def repeated(side: Side, repeats: int) -> Side:
    """The same tokens, the last one as if it stood there ``repeats`` times."""
    bias = side.tokens.new_zeros(1, 1, 1, side.tokens.shape[1])
    bias[..., -1] = math.log(repeats)
    keys = tuple(each._replace(bias=bias) for each in side.keys)
    return replace(side, keys=keys, repeats=repeats)
