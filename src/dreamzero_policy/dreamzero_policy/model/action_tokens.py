"""Actions and states as tokens, and back (design: model.md 2.9).

The layers keep a leading axis for a pool of embodiments, as the checkpoints do; the pool has always
had one member (design: model.md 11, B2).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import nn


class PooledLinear(nn.Module):
    """An affine layer ``x W + b`` with W stored [pool, in, out], the pool of size one.

    Args:
        in_features, out_features: widths.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.W = nn.Parameter(0.02 * torch.randn(1, in_features, out_features))
        self.b = nn.Parameter(torch.zeros(1, out_features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., out]."""
        return x @ self.W[0] + self.b[0]


class PooledMlp(nn.Module):
    """Two affine layers with a ReLU between: the state encoder and the action decoder.

    Args:
        in_features, hidden, out_features: widths.
    """

    def __init__(self, in_features: int, hidden: int, out_features: int) -> None:
        super().__init__()
        self.layer1 = PooledLinear(in_features, hidden)
        self.layer2 = PooledLinear(hidden, out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., out]."""
        return self.layer2(F.relu(self.layer1(x)))


class ActionEncoder(nn.Module):
    """A noisy action and its timestep as one token.

    Args:
        action_dim: padded width of an action.
        dim: width D of a token.
    """

    def __init__(self, action_dim: int, dim: int) -> None:
        super().__init__()
        self.W1 = PooledLinear(action_dim, dim)
        self.W2 = PooledLinear(2 * dim, dim)
        self.W3 = PooledLinear(dim, dim)

    def forward(self, actions: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
        """Encodes actions.

        Args:
            actions: [B, A, action_dim].
            tau: [B, A] timesteps 0 to 1000, any number type.

        Returns:
            [B, A, D].
        """
        token = self.W1(actions)
        time = action_sinusoid(tau, token.shape[-1]).to(token.dtype)
        return self.W3(F.silu(self.W2(torch.cat([token, time], dim=-1))))


def action_sinusoid(tau: torch.Tensor, dim: int) -> torch.Tensor:
    """Sines, then cosines, of a timestep in float32: [..., dim]. Not the sinusoid of the video."""
    half = dim // 2
    steps = torch.arange(half, dtype=torch.float32, device=tau.device)
    angles = tau.to(torch.float32)[..., None] * torch.exp(-math.log(10000.0) * steps / half)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
