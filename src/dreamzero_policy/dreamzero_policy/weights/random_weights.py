"""Random weights with a fixed seed: what tests, benchmarks and newcomers without a download run.

Every tensor is drawn from a generator of its own, seeded by its name in a checkpoint. So a model in
memory, a directory written shard by shard and any order of work give the same numbers. Scales are
chosen such that activations stay of order one through any depth and no output is zero. Nothing here
is trained.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

_OUTPUT_GAIN = 0.05
"""Of the two layers that give velocities: small, as when training starts."""


_PIECE = 1 << 24
"""Numbers drawn at once: what a large tensor takes beside itself."""


def random_tensor(
    name: str,
    shape: tuple[int, ...],
    seed: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """One tensor of an untrained checkpoint.

    Args:
        name: in the checkpoint.
        shape: in the checkpoint.
        seed: of the whole checkpoint.
        dtype: of the result; the numbers are drawn in float32 and rounded.
        device: where they are drawn; other kinds of device draw other numbers.

    Returns:
        A tensor on that device.
    """
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    generator = torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    mean, std = _distribution(name, shape)
    if std == 0.0:
        return torch.full(shape, mean, dtype=dtype, device=device)
    tensor = torch.empty(shape, dtype=dtype, device=device)
    for piece in tensor.view(-1).split(_PIECE):
        drawn = torch.empty(len(piece), device=device).normal_(mean, std, generator=generator)
        piece.copy_(drawn)
    return tensor


def _distribution(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Mean and standard deviation of a tensor's values."""
    leaf = name.rpartition(".")[2]
    if leaf == "log_scale":
        return math.log(1 / 0.07), 0.0
    if leaf == "modulation":
        return 0.0, shape[-1] ** -0.5
    if leaf in ("bias", "b", "cls_embedding", "pos_embedding"):
        return 0.0, 0.02
    if leaf == "gamma" or len(shape) == 1:
        return 1.0, 0.02
    if ".pos_embedding." in name:
        return 0.0, 0.1
    if name.endswith("token_embedding.weight"):
        return 0.0, 1.0
    if name.endswith("action_decoder.layer2.W"):  # stored [.., in, out]
        return 0.0, _OUTPUT_GAIN * shape[-2] ** -0.5
    if leaf in ("W", "head"):  # stored likewise
        return 0.0, shape[-2] ** -0.5
    gain = 1.0
    if name.endswith("head.head.weight"):
        gain = _OUTPUT_GAIN
    elif ".text_encoder." in name and ".attn.q." in name:
        gain = 0.125  # umT5 does not scale its attention
    elif ".time_embedding." in name or ".time_projection." in name:
        gain = 0.5  # gates well below one, so that depth does not add up
    return 0.0, gain * math.prod(shape[1:]) ** -0.5
