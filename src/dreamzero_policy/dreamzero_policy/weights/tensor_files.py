"""Tensors in safetensors files: a checkpoint's shards and their index, read tensor by tensor.

A file is eight bytes of header length, a JSON header with every tensor's dtype, shape and byte
range, then the bytes. Headers are checked here before anything is believed, so that a truncated or
forged file is one clear error. Tensors are read into memory of their own rather than mapped: what
the host holds is what was asked for. Pickles (``.bin``, ``.pt``, ``.pth``) can run code when they
are opened and are refused.
"""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import RawIOBase
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from dreamzero_policy.weights.errors import CheckpointError
from dreamzero_policy.weights.setting_files import parse_json, read_json

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""What weights may be stored as, by the format's names."""

_LARGEST_HEADER = 100_000_000  # bytes, the format's own bound
_PIECE = 1 << 26  # bytes, of the buffer
_FILE_NAME = re.compile(r"\w[\w.-]{0,200}", re.ASCII)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


_buffers = threading.local()


def _buffer(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Room for ``count`` numbers, the same for every call of a thread; pinned for a GPU."""
    if not hasattr(_buffers, "bytes"):
        _buffers.bytes = torch.empty(_PIECE, dtype=torch.uint8, pin_memory=device.type == "cuda")
    return _buffers.bytes[: count * dtype.itemsize].view(dtype)


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies.

    Attributes:
        name: in the file.
        dtype, shape: of the tensor.
        path: of the file.
        start: of its bytes in the file.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    path: Path
    start: int

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return prod(self.shape) * self.dtype.itemsize

    def read(self, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Tensor:
        """The tensor, on a device and in a dtype.

        Where either differs from how it is stored, it passes piece by piece through a small buffer,
        so that no second copy of it is ever held.

        Args:
            device: where it goes.
            dtype: what it becomes; None: as it is stored.

        Raises:
            CheckpointError: the file ends too early or cannot be read.
        """
        tensor = torch.empty(self.shape, dtype=dtype or self.dtype, device=device)
        flat = tensor.view(-1)
        direct = tensor.device.type == "cpu" and tensor.dtype == self.dtype
        pieces = flat.split(_PIECE // self.dtype.itemsize) if self.nbytes else ()
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(self.start)
                for piece in pieces:
                    buffer = piece if direct else _buffer(len(piece), self.dtype, tensor.device)
                    self._fill(file, buffer)
                    if not direct:
                        piece.copy_(buffer)
        except OSError as error:
            raise CheckpointError(f"{self.path}: cannot be read ({error})") from error
        return tensor

    def _fill(self, file: RawIOBase, buffer: Tensor) -> None:
        """Reads as many bytes as a buffer on the CPU has."""
        target = memoryview(buffer.view(torch.uint8).numpy())
        while len(target):
            count = file.readinto(target)
            if not count:
                raise CheckpointError(f"{self.path}: truncated in the middle of {self.name}")
            target = target[count:]

    def sample(self, count: int = 4096) -> bytes:
        """The first and the last ``count`` bytes of the tensor, or all if there are fewer."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            if self.nbytes <= 2 * count:
                return file.read(self.nbytes)
            head = file.read(count)
            file.seek(self.start + self.nbytes - count)
            return head + file.read(count)


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Every tensor of a safetensors file by name, from its header alone.

    Raises:
        CheckpointError: the file is not one, or its header and its size disagree.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            lead = file.read(8)
            if len(lead) < 8:
                raise CheckpointError(f"{path}: truncated: {size} bytes are no safetensors file")
            (length,) = struct.unpack("<Q", lead)
            if length > min(_LARGEST_HEADER, size - 8):
                if lead[:4] == b"PK\x03\x04" or lead[:1] == b"\x80":
                    raise CheckpointError(
                        f"{path}: a pickle in place of safetensors; refused, it can run code"
                    )
                raise CheckpointError(
                    f"{path}: not a safetensors file, or truncated: its header claims {length} "
                    f"bytes, the file has {size}"
                )
            header = parse_json(file.read(length), path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
    header.pop("__metadata__", None)
    tensors = {name: _entry(name, value, path, 8 + length) for name, value in header.items()}
    end = 8 + length
    for tensor in sorted(tensors.values(), key=lambda t: (t.start, t.nbytes)):
        if tensor.start != end:
            raise CheckpointError(
                f"{path}: {tensor.name} starts at byte {tensor.start}, expected {end}: "
                "tensors overlap or leave a gap"
            )
        end += tensor.nbytes
    if end != size:
        what = "truncated" if size < end else "too long"
        raise CheckpointError(
            f"{path}: {what}: its header needs {end} bytes, the file has {size}; download it again"
        )
    return tensors


def _entry(name: str, value: object, path: Path, data: int) -> StoredTensor:
    """One header entry, checked."""

    def whole(numbers: object, count: int | None = None) -> bool:
        return (
            isinstance(numbers, list)
            and (count is None or len(numbers) == count)
            and all(type(n) is int and 0 <= n < 1 << 48 for n in numbers)
        )

    if not isinstance(value, dict) or not whole(value.get("shape")):
        raise CheckpointError(f"{path}: {name}: expected a shape in the header, got {value!r:.200}")
    offsets, shape = value.get("data_offsets"), value["shape"]
    if not whole(offsets, 2) or len(shape) > 8:
        raise CheckpointError(f"{path}: {name}: expected two data_offsets, got {value!r:.200}")
    dtype = value.get("dtype")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise CheckpointError(
            f"{path}: {name}: dtype {dtype!r:.50} is not one of {', '.join(DTYPES)}"
        )
    tensor = StoredTensor(name, DTYPES[dtype], tuple(shape), path, data + offsets[0])
    if offsets[1] - offsets[0] != tensor.nbytes:
        raise CheckpointError(
            f"{path}: {name}: {shape} of {dtype} takes {tensor.nbytes} bytes, "
            f"its data_offsets span {offsets[1] - offsets[0]}"
        )
    return tensor


def open_tensors(directory: Path) -> dict[str, StoredTensor]:
    """Every tensor of a checkpoint directory by name, in the order of files and bytes.

    Args:
        directory: with ``model.safetensors``, or shards and their index.

    Raises:
        CheckpointError: there are no safetensors, or index and shards disagree; all of it is named.
    """
    if (directory / INDEX).is_file():
        return _open_index(directory)
    if (directory / SINGLE).is_file():
        return _ordered(read_header(directory / SINGLE))
    found = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    pickles = [name for name in found if name.endswith(_PICKLES)]
    if pickles:
        raise CheckpointError(
            f"{directory}: only pickles ({', '.join(pickles[:3])}); refused: opening one can run "
            f"code. Expected {SINGLE} or {INDEX}"
        )
    shards = [name for name in found if name.endswith(".safetensors")]
    hint = f"; {len(shards)} shards are there, download the index too" if shards else ""
    raise CheckpointError(f"{directory}: expected {SINGLE} or {INDEX}, found neither{hint}")


def _open_index(directory: Path) -> dict[str, StoredTensor]:
    """Every tensor that the index names, checked against the shards' headers."""
    path = directory / INDEX
    shard_of = read_json(path).get("weight_map")
    if not isinstance(shard_of, dict) or not shard_of:
        raise CheckpointError(
            f"{path}: expected a weight_map from tensor to file, got {shard_of!r:.100}"
        )
    shards: dict[str, dict[str, StoredTensor]] = {}
    problems: list[str] = []
    for shard in sorted({str(shard) for shard in shard_of.values()}):
        if not _FILE_NAME.fullmatch(shard):
            problems.append(f"{shard!r:.100} is not the name of a file beside the index")
        elif not (directory / shard).is_file():
            problems.append(f"shard {shard} is missing")
        else:
            shards[shard] = read_header(directory / shard)
    if problems:
        raise CheckpointError(f"{path}: {'; '.join(problems)}")
    tensors = {}
    for name, shard in shard_of.items():
        if name in shards[str(shard)]:
            tensors[name] = shards[str(shard)][name]
        else:
            problems.append(f"{name} is not in {shard}, where the index has it")
    for shard, header in shards.items():
        problems += [
            f"{name} in {shard} is not in the index" for name in header if name not in shard_of
        ]
    if problems:
        raise CheckpointError(f"{path}: {listed(problems)}")
    return _ordered(tensors)


def _ordered(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """The same in the order in which a disk gives them."""
    by_place = sorted(tensors.items(), key=lambda item: (item[1].path, item[1].start))
    return dict(by_place)


def listed(items: Iterable[str], most: int = 40) -> str:
    """Items for a message: all of them, or the first ``most`` and how many more."""
    items = list(items)
    tail = f"; and {len(items) - most} more" if len(items) > most else ""
    return "; ".join(items[:most]) + tail
