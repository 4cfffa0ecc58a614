"""Directories of adapters: save what a training run of adapters learned, merge it into its base.

Adapters alone record which checkpoint they belong to, by name and by fingerprint, and go onto no
other one.
"""

from __future__ import annotations

import json
import shutil
from math import prod
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from dreamzero_policy.checkpoint.key_maps import layout
from dreamzero_policy.checkpoint.load import build
from dreamzero_policy.checkpoint.random_checkpoint import SHARD_BYTES
from dreamzero_policy.checkpoint.stored_weights import (
    FiniteCheck,
    check_layout,
    fingerprint_of,
    read_all,
    read_contents,
    weights,
)
from dreamzero_policy.checkpoint.upstream_config import CONFIG, OWN, config_json, read_config
from dreamzero_policy.model.lora import trained
from dreamzero_policy.weights.errors import CheckpointError
from dreamzero_policy.weights.setting_files import read_json
from dreamzero_policy.weights.tensor_files import SINGLE
from dreamzero_policy.weights.tensor_writer import ShardWriter, plan_shards, write_index

EXPERIMENT = "experiment_cfg"


def save_adapters(
    path: Path,
    dit: nn.Module,
    base: Path,
    *,
    rank: int,
    alpha: float,
    dtype: torch.dtype = torch.bfloat16,
) -> None:
    """Writes adapters and codecs, and which checkpoint they belong to.

    Args:
        path: directory to make; must not exist or be empty.
        dit: the network with its adapters in place.
        base: the checkpoint that it was trained on; its ``experiment_cfg`` is taken over.
        rank: r of the adapters.
        alpha: over r, their scale.
        dtype: to store.

    Raises:
        CheckpointError: the directory is in use, or the base is no checkpoint.
    """
    _make(path)
    recorded = read_config(base)
    mark = (base.resolve().name, fingerprint_of(read_contents(base)))
    config = config_json(
        recorded.model,
        untrained=recorded.untrained,
        train_architecture="lora",
        lora=(rank, alpha),
        base=mark,
    )
    (path / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    shutil.copytree(base / EXPERIMENT, path / EXPERIMENT)
    learned = dict(trained(dit))
    plan = [(name, dtype, tuple(tensor.shape)) for name, tensor in learned.items()]
    with ShardWriter(path / SINGLE, plan) as writer:
        for name, tensor in learned.items():
            writer.write(name, tensor.detach())


def merge_adapters(
    directory: Path,
    path: Path,
    *,
    base: Path | None = None,
    shard_bytes: int = SHARD_BYTES,
    progress: bool = False,
) -> None:
    """Writes a whole checkpoint from one with adapters, tensor by tensor.

    Weights are merged in float32 and stored as the base stores them; what no adapter changes is
    copied bit by bit.

    Args:
        directory: of the adapters, with or without the weights that they change.
        path: directory to make; must not exist or be empty.
        base: the checkpoint that adapters alone belong to.
        shard_bytes: size of a shard.
        progress: whether to show a bar on standard error.

    Raises:
        CheckpointError: no adapters, not their base, tensors that do not fit, a value that is not
            finite.
    """
    recorded = read_config(directory)
    found, contents = weights(directory, recorded, base)
    if not contents.adapters:
        raise CheckpointError(f"{directory}: holds no adapters; there is nothing to merge")
    check_layout(directory, layout(build(recorded.model)), found)
    _make(path)
    _write_settings(directory, path)
    stored = {name: (weight.stored.dtype, weight.shape) for name, weight in found.items()}
    total = sum(prod(shape) * dtype.itemsize for dtype, shape in stored.values())
    shards: dict[str, list[str]] = {}
    finite = FiniteCheck()
    with tqdm(total=total, unit="B", unit_scale=True, desc="merging", disable=not progress) as bar:
        for shard, plan in plan_shards(stored, shard_bytes):
            shards[shard] = [name for name, _, _ in plan]
            with ShardWriter(path / shard, plan) as writer:
                for name, tensor in read_all({name: found[name] for name in shards[shard]}):
                    tensor = tensor.to(found[name].stored.dtype)
                    finite.add(name, tensor)
                    writer.write(name, tensor)
                    bar.update(tensor.nbytes)
    finite.raise_if_any(directory)
    write_index(path, shards, total)


def _make(path: Path) -> None:
    """Makes a directory that nothing else uses."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CheckpointError(f"{path}: expected a new or an empty directory")
    path.mkdir(parents=True, exist_ok=True)


def _write_settings(directory: Path, path: Path) -> None:
    """The settings of the adapters, now those of a whole model."""
    config = read_json(directory / CONFIG)
    config["action_head_cfg"]["config"]["train_architecture"] = "full"
    config.get(OWN, {}).pop("base", None)
    (path / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    shutil.copytree(directory / EXPERIMENT, path / EXPERIMENT)
