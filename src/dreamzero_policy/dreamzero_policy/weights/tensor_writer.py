"""Tensors into safetensors files, shard by shard: no more than one tensor is ever held for it."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from dreamzero_policy.weights.tensor_files import DTYPES, INDEX

_NAMES = {dtype: name for name, dtype in DTYPES.items()}

Plan = list[tuple[str, torch.dtype, tuple[int, ...]]]
"""(name, dtype, shape) of each tensor of a file, in order."""


class ShardWriter:
    """One safetensors file, written tensor by tensor in the order of its plan.

    Args:
        path: of the file.
        plan: (name, dtype, shape) of every tensor, in order.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self._plan = plan
        self._next = 0
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name, dtype, shape in self._plan:
            start, end = end, end + prod(shape) * dtype.itemsize
            header[name] = {
                "dtype": _NAMES[dtype],
                "shape": list(shape),
                "data_offsets": [start, end],
            }
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self._path = path
        self._file = path.with_name(path.name + ".part").open("wb")
        self._file.write(struct.pack("<Q", len(text)) + text)

    def write(self, name: str, tensor: Tensor) -> None:
        """Appends the next tensor of the plan, cast to the planned dtype."""
        planned, dtype, shape = self._plan[self._next]
        assert (name, tuple(tensor.shape)) == (planned, shape), (name, tensor.shape, planned, shape)
        self._next += 1
        if tensor.numel():
            flat = tensor.to(device="cpu", dtype=dtype).contiguous().view(-1)
            self._file.write(memoryview(flat.view(torch.uint8).numpy()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the file its name if it is whole, else leaves the partial one behind."""
        self._file.close()
        if kind is None:
            assert self._next == len(self._plan), "a planned tensor was not written"
            os.replace(self._file.name, self._path)


def plan_shards(
    tensors: Mapping[str, tuple[torch.dtype, tuple[int, ...]]], shard_bytes: int
) -> Iterator[tuple[str, Plan]]:
    """(file name, plan) of each shard; only one of a single tensor exceeds ``shard_bytes``."""
    shards: list[Plan] = [[]]
    filled = 0
    for name, (dtype, shape) in tensors.items():
        size = prod(shape) * dtype.itemsize
        if shards[-1] and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append((name, dtype, shape))
        filled += size
    for number, plan in enumerate(shards, start=1):
        yield f"model-{number:05d}-of-{len(shards):05d}.safetensors", plan


def write_index(directory: Path, shards: Mapping[str, Iterable[str]], total_bytes: int) -> None:
    """The index of the shards: file name to the names of its tensors."""
    weight_map = {name: shard for shard, names in shards.items() for name in names}
    index = {
        "metadata": {"total_size": total_bytes},
        "weight_map": dict(sorted(weight_map.items())),
    }
    (directory / INDEX).write_text(json.dumps(index, indent=2) + "\n")
