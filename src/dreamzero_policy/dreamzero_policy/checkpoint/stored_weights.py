"""The weights of a checkpoint directory by released name, adapters and their base put together.

Three kinds of directory exist: all weights; all weights with adapters beside them; adapters alone,
which only mean something on the very checkpoint that they were trained on (design: model.md 8.4).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dreamzero_policy.checkpoint.key_maps import Slot
from dreamzero_policy.checkpoint.plain_config import Section
from dreamzero_policy.checkpoint.robot_facts import CONF
from dreamzero_policy.checkpoint.upstream_config import Recorded
from dreamzero_policy.model.lora import merged, missing_twins, split_name
from dreamzero_policy.weights.errors import CheckpointError
from dreamzero_policy.weights.tensor_files import StoredTensor, listed, open_tensors

_DROPPED = "backbone."  # an identity in every checkpoint; carries nothing
_READ_AHEAD = 1 << 30  # bytes
_READERS = 4  # threads: enough for a disk's queue


@dataclass(frozen=True)
class Weight:
    """One tensor of a checkpoint, with its adapter where it has one.

    Attributes:
        stored: the tensor.
        a, b: the adapter's halves.
        scale: of the adapter, alpha over r.
    """

    stored: StoredTensor
    a: StoredTensor | None = None
    b: StoredTensor | None = None
    scale: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.stored.shape

    def read(self, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Tensor:
        """The tensor on a device and in a dtype, its adapter merged in float32.

        Args:
            device: where it goes.
            dtype: what it becomes; None: as it is stored, or float32 with an adapter.

        Raises:
            CheckpointError: it cannot be read, or the adapter does not fit it.
        """
        if self.a is None or self.b is None:
            return self.stored.read(device, dtype)
        parts = [part.read(device, torch.float32) for part in (self.stored, self.a, self.b)]
        try:
            return merged(*parts, self.scale).to(dtype or torch.float32)
        except ValueError as error:
            raise CheckpointError(f"adapter of {self.stored.name}: {error}") from error


@dataclass(frozen=True)
class Contents:
    """What the files of one directory hold, by plain name.

    Attributes:
        tensors: the weights.
        adapters: by the weight that they change, halves "A" and "B".
    """

    tensors: dict[str, StoredTensor]
    adapters: dict[str, dict[str, StoredTensor]]

    @property
    def alone(self) -> bool:
        """Whether these are adapters without the weights that they change."""
        return bool(self.adapters) and not set(self.adapters) <= set(self.tensors)


def read_contents(directory: Path) -> Contents:
    """Looks through the headers of a directory's files.

    Raises:
        CheckpointError: they cannot be read, or a tensor stands there twice or as half an adapter.
    """
    tensors: dict[str, StoredTensor] = {}
    adapters: dict[str, dict[str, StoredTensor]] = {}
    problems: list[str] = []
    for stored in open_tensors(directory).values():
        if stored.name.startswith(_DROPPED):
            continue
        name, half = split_name(stored.name)
        place = tensors if half is None else adapters.setdefault(name, {})
        key = name if half is None else half
        if key in place:
            problems.append(f"{stored.name} and {place[key].name} are the same tensor")
        place[key] = stored
    problems += [f"{name} has half an adapter" for name in missing_twins(adapters)]
    if problems:
        raise CheckpointError(f"{directory}: {listed(problems)}")
    return Contents(tensors, adapters)


def weights(
    directory: Path, recorded: Recorded, base: Path | None
) -> tuple[dict[str, Weight], Contents]:
    """Every weight of a checkpoint by released name, in the order in which the disk gives them.

    Args:
        directory: of the checkpoint.
        recorded: its ``config.json``.
        base: directory of the checkpoint that adapters belong to; needed for adapters alone.

    Returns:
        The weights, and what the directory itself holds.

    Raises:
        CheckpointError: unreadable files, adapters without their base or on another one.
    """
    contents = read_contents(directory)
    tensors = contents.tensors
    if contents.alone:
        tensors = _base(directory, recorded, base).tensors | contents.tensors
    elif base is not None:
        raise CheckpointError(
            f"{directory} holds a whole model; a base ({base}) is only for adapters"
        )
    scale = {
        name: recorded.lora_alpha / max(halves["A"].shape[0] if halves["A"].shape else 1, 1)
        for name, halves in contents.adapters.items()
    }
    unknown = sorted(set(contents.adapters) - set(tensors))
    if unknown:
        raise CheckpointError(
            f"{directory}: adapters of weights that are not there: {listed(unknown)}"
        )
    ranks = {halves["A"].shape[0] for halves in contents.adapters.values() if halves["A"].shape}
    if contents.adapters and ranks != {recorded.lora_rank}:
        raise CheckpointError(
            f"{directory}: adapters of rank {sorted(ranks)}, config.json says {recorded.lora_rank}"
        )
    found = {
        name: Weight(stored, halves.get("A"), halves.get("B"), scale.get(name, 0.0))
        for name, stored in tensors.items()
        for halves in (contents.adapters.get(name, {}),)
    }
    return found, contents


def _base(directory: Path, recorded: Recorded, base: Path | None) -> Contents:
    """The checkpoint that adapters were trained on, or an error.

    Adapters that this project saved record the base's fingerprint. Those of the reference record
    where the base lay on the training machine: the last part of that path has to be the directory's
        name.
    """
    name, fingerprint = recorded.base_name, recorded.base_fingerprint
    if name is None and (directory / CONF).is_file():
        path = Section.of_yaml(directory / CONF).text("pretrained_model_path", None)
        name = Path(path).name or None if path else None
    if name is None and fingerprint is None:
        raise CheckpointError(
            f"{directory} holds adapters alone and does not record the checkpoint that they were "
            "trained on (pretrained_model_path in experiment_cfg/conf.yaml); on another one they "
            "mean nothing, so they are not loaded"
        )
    if base is None:
        raise CheckpointError(
            f"{directory} holds adapters alone: expected the checkpoint that they were trained on, "
            f"{name or fingerprint}, as base"
        )
    contents = read_contents(base)
    if contents.alone:
        raise CheckpointError(f"{base}: expected a whole model as base, got adapters alone")
    if fingerprint is not None:
        found = fingerprint_of(contents)
        if found != fingerprint:
            raise CheckpointError(
                f"{base} is not the checkpoint that the adapters of {directory} were trained on: "
                f"expected {name or 'one'} of fingerprint {fingerprint}, got {found}"
            )
    elif base.resolve().name != name:
        raise CheckpointError(
            f"{base} is not the checkpoint that the adapters of {directory} were trained on: "
            f"expected {name}, got {base.resolve().name}"
        )
    return contents


def fingerprint_of(contents: Contents) -> str:
    """What tells a checkpoint from any other, whatever its shards are called or how many there are.

    A hash of every tensor's name, dtype and shape, and of its first and last bytes: training
    changes all of them, and no more than a few megabytes are read.
    """
    digest = hashlib.sha256()
    for name in sorted(contents.tensors):
        stored = contents.tensors[name]
        digest.update(json.dumps([name, str(stored.dtype), stored.shape]).encode())
        try:
            digest.update(stored.sample())
        except OSError as error:
            raise CheckpointError(f"{stored.path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def check_layout(directory: Path, slots: Mapping[str, Slot], found: Mapping[str, Weight]) -> None:
    """Compares names and shapes with those of a model.

    Raises:
        CheckpointError: tensors are missing, left over or of another shape; all are listed by name.
    """
    missing = [f"{name} {list(slot.shape)}" for name, slot in slots.items() if name not in found]
    extra = [f"{name} {list(weight.shape)}" for name, weight in found.items() if name not in slots]
    shaped = [
        f"{name}: expected {list(slots[name].shape)}, got {list(weight.shape)}"
        for name, weight in found.items()
        if name in slots and slots[name].shape != weight.shape
    ]
    lists = (("missing", missing), ("not of this model", extra), ("of another shape", shaped))
    problems = [f"{len(names)} {what}: {'; '.join(names)}" for what, names in lists if names]
    if problems:
        raise CheckpointError(
            f"{directory}: its tensors are not those of the model in its config.json.\n  "
            + "\n  ".join(problems)
        )


def read_all(
    found: Mapping[str, Weight],
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of every weight in order, read ahead by threads but never far.

    Args:
        found: the weights.
        device: where they go.
        dtype: what they become; None: as they are stored.

    Raises:
        CheckpointError: one of them cannot be read.
    """
    waiting: list[tuple[str, int, Future[Tensor]]] = []
    with ThreadPoolExecutor(_READERS, thread_name_prefix="weights") as readers:
        try:
            for name, weight in found.items():
                size = weight.stored.nbytes
                while waiting and size + sum(item[1] for item in waiting) > _READ_AHEAD:
                    first = waiting.pop(0)
                    yield first[0], first[2].result()
                waiting.append((name, size, readers.submit(weight.read, device, dtype)))
            while waiting:
                first = waiting.pop(0)
                yield first[0], first[2].result()
        finally:
            for _, _, future in waiting:
                future.cancel()


class FiniteCheck:
    """Which tensors hold a value that is not finite, asked without waiting for a GPU at each."""

    def __init__(self) -> None:
        self._bounds: dict[str, Tensor] = {}

    def add(self, name: str, tensor: Tensor) -> None:
        """Takes a tensor into account; extremes carry NaN along."""
        if tensor.numel():
            self._bounds[name] = torch.stack(torch.aminmax(tensor)).float()

    def raise_if_any(self, directory: Path) -> None:
        """Asks once.

        Raises:
            CheckpointError: there are such tensors; all are listed by name.
        """
        if not self._bounds:
            return
        finite = torch.stack(list(self._bounds.values())).isfinite().all(dim=1).tolist()
        bad = [name for name, good in zip(self._bounds, finite, strict=True) if not good]
        if bad:
            raise CheckpointError(
                f"{directory}: NaN or infinity in {len(bad)} of {len(finite)} tensors: "
                f"{listed(bad)}"
            )
