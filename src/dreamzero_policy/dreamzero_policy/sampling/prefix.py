"""Rows of a block that are held to known values while it is sampled: inpainting of actions.

When a chunk arrives its first rows are over: the robot has moved on along the chunk before. So the
new one is sampled on condition that it begins as that one goes on. The idea, the weights and the
name are those of real-time chunking (Black, Galliker, Levine 2025, arXiv:2506.07339). Its guidance
corrects the velocity by a gradient through the network; here the velocity is corrected in terms of
the flow itself, which costs nothing.

A sample x at noise level sigma and a velocity u estimate the clean row m = x - sigma u. For a row
that is known to end at k, the velocity whose estimate is k is (x - k) / sigma, and

    u' = w (x - k) / sigma + (1 - w) u    gives the estimate    m' = w k + (1 - w) m.

With w = 1 every estimate is k: the sample moves on the straight line from its noise to k, just as
if it were replaced by k under the noise of each level, and ends at k for any schedule, solver order
and choice of evaluated timesteps. With w = 0 nothing changes. Between the two the row is drawn to
k, more firmly than w alone says, since the network sees the drawn row and estimates accordingly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
import torch
from torch import Tensor

from dreamzero_policy.types import Float

Decay = Literal["exponential", "linear", "none"]


@dataclass(frozen=True)
class Prefix:
    """Known rows and how firmly the sampler holds to each.

    Attributes:
        values: [B, n_a, D] normalised actions; what stands in a row of weight 0 does not matter, as
            long as it is finite.
        weights: [n_a] in [0, 1], of the same dtype and on the same device. That is ``of``'s to
            check: looking at them here would wait for the device.

    Raises:
        ValueError: shapes that do not fit.
    """

    values: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        """Checks the shapes."""
        if self.values.ndim != 3 or self.weights.shape != self.values.shape[1:2]:
            raise ValueError(
                "prefix: expected values [B, n_a, D] and weights [n_a], got "
                f"{list(self.values.shape)} and {list(self.weights.shape)}"
            )

    @classmethod
    def of(cls, values: Float, weights: Float, device: torch.device | str = "cpu") -> Self:
        """Known rows of one chunk, checked before they go to the device.

        Args:
            values: [n_a, D].
            weights: [n_a].
            device: where the sample is.

        Raises:
            ValueError: shapes that do not fit, or a weight outside its range.
        """
        if not np.all((weights >= 0) & (weights <= 1)):
            raise ValueError(f"prefix weights: expected 0 to 1, got {np.asarray(weights).tolist()}")
        return cls(
            torch.from_numpy(values).to(device, torch.float32)[None],
            torch.from_numpy(weights).to(device, torch.float32),
        )

    def held(self, velocity: Tensor, sample: Tensor, sigma: float) -> Tensor:
        """The corrected velocity.

        Args:
            velocity: [B, n_a, D] noise minus clean, as the network predicts it.
            sample: [B, n_a, D] where it was predicted.
            sigma: noise level there, above 0.

        Raises:
            ValueError: the sample has another shape than the known rows.
        """
        if sample.shape != self.values.shape:
            raise ValueError(
                f"prefix: expected actions {list(self.values.shape)}, got {list(sample.shape)}"
            )
        known = (sample - self.values) / sigma
        return velocity.lerp(known, self.weights[:, None])


def prefix_weights(rows: int, committed: int, overlap: int, decay: Decay = "exponential") -> Float:
    """How firmly each row of a new chunk is held to the chunk before.

    ::

        w 1 |********
            |        *                    committed: due before the new chunk takes over
            |         *                   overlap: rows that the chunk before covers
            |          **                 rows - overlap: rows between the two observations, the
            |            ***              execution horizon
          0 |               ************
            +-------+-------+-----------+ row
            0   committed  overlap     rows

    Between ``committed`` and ``overlap`` the weight falls: with c evenly from almost 1 to almost 0,
    ``linear`` is c and ``exponential`` is c (e^c - 1) / (e - 1), both as in the paper's equation 5.
    With ``none`` it is 0 there.

    Args:
        rows: of a chunk.
        committed: rows held exactly.
        overlap: rows for which a value is known.
        decay: how the weight falls.

    Returns:
        [rows] float64 in [0, 1], never rising.

    Raises:
        ValueError: not 0 <= committed <= overlap <= rows, or no such decay.
    """
    if not 0 <= committed <= overlap <= rows:
        raise ValueError(
            "prefix: expected 0 <= committed <= overlap <= rows, got "
            f"{committed}, {overlap}, {rows}"
        )
    if decay not in get_args(Decay):
        raise ValueError(f"prefix decay: expected one of {get_args(Decay)}, got {decay!r}")
    weights = np.zeros(rows)
    weights[:committed] = 1.0
    soft = overlap - committed
    if decay != "none" and soft:
        left = np.arange(soft, 0, -1) / (soft + 1)
        curve = np.expm1(left) / (math.e - 1.0) if decay == "exponential" else 1.0
        weights[committed:overlap] = left * curve
    return weights
