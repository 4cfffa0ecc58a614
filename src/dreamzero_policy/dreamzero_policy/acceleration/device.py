"""Which device runs the model."""

from __future__ import annotations

import torch


def find(name: str) -> str:
    """The device called ``name``, checked.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:N``, or ``auto`` for the first GPU where there is one.

    Raises:
        ValueError: no such kind of device, or this machine has none of that number.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda:0" if count else "cpu"
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or not (number.isdigit() or name == "cuda")):
        raise ValueError(f"device: expected auto, cpu, cuda or cuda:N, got {name!r}")
    if kind == "cuda" and int(number or 0) >= count:
        raise ValueError(f"device: expected one of {count} CUDA devices here, got {name!r}")
    return name
