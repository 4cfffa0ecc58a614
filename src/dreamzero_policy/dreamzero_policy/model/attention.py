"""The one attention call. Which kernel runs is torch's choice and nobody else's business.

Shapes: B sequences, L tokens, n heads, d channels per head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Scaled dot-product attention, scale 1/sqrt(d).

    Args:
        query: [B, Lq, n, d].
        key: [B, Lk, n, d]; a view of a larger buffer is fine.
        value: [B, Lk, n, d], the same.
        mask: bool [Lq, Lk], True where a query sees a key; None: everywhere.

    Returns:
        [B, Lq, n, d] in the dtype of ``value``.
    """
    out = F.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask
    )
    return out.transpose(1, 2)
