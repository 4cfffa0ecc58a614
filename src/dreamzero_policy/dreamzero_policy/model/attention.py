"""The one attention call, and which of torch's kernels runs it.

The choice is made once, outside: ``with running(backend):`` around whatever calls ``attend``. What
a device cannot run is found out by trying (``check``), before a model is.

Shapes: B sequences, L tokens, n heads, d channels per head.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch.nn.attention import SDPBackend, sdpa_kernel

Backend = Literal["auto", "cudnn", "flash", "efficient", "math"]
"""``auto`` is torch's own choice at every call, ``math`` plain matrix products and a softmax."""

_KERNELS = {
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}


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
        mask: bool [Lq, Lk], True where a query sees a key; or numbers, of a shape that broadcasts
            to [B, n, Lq, Lk], that are added to the scores; None: every query sees every key.

    Returns:
        [B, Lq, n, d] in the dtype of ``value``.
    """
    out = F.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask
    )
    return out.transpose(1, 2)


def running(backend: Backend) -> AbstractContextManager[None]:
    """Has ``attend`` run one kernel alone while the context is open, in the whole process.

    Raises:
        ValueError: no such backend.
    """
    if backend not in get_args(Backend):
        raise ValueError(f"attention: expected one of {get_args(Backend)}, got {backend!r}")
    return nullcontext() if backend == "auto" else sdpa_kernel(_KERNELS[backend])


def check(backend: Backend, device: torch.device | str, dtype: torch.dtype, width: int) -> None:
    """Makes sure of a backend before it is relied on.

    Args:
        backend: which.
        device: where the model runs.
        dtype: that it works in.
        width: d, channels per head.

    Raises:
        ValueError: it does not run heads of this width in this dtype on this device; the message
            lists those that do.
    """
    fails = _failure(backend, device, dtype, width)
    if fails:
        runs = [name for name in get_args(Backend) if not _failure(name, device, dtype, width)]
        raise ValueError(
            f"attention: {backend} does not run on {_name(device)} with {dtype} heads of {width} "
            f"channels ({fails}); those that do: {', '.join(runs)}"
        )


def _failure(
    backend: Backend, device: torch.device | str, dtype: torch.dtype, width: int
) -> str | None:
    """Why a backend does not run, from a small call of the shapes that the cache has."""
    with running(backend), torch.inference_mode():
        store = torch.zeros(2, 1, 48, 2, width, device=device, dtype=dtype)
        try:
            attend(store[0, :, :16], store[0, :, :33], store[1, :, :33])
        except RuntimeError as error:
            return str(error).splitlines()[0].rstrip(".")
    return None


def _name(device: torch.device | str) -> str:
    """The device as a person knows it."""
    device = torch.device(device)
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
