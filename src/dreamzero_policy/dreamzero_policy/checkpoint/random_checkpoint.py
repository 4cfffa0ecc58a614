"""A directory in the released layout with random weights, of any size, where nothing is trained.

Names, shapes and files are those of a released checkpoint; ``config.json`` says that the weights
are random. It is for tests, benchmarks and whoever has no download.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor
from tqdm import tqdm

from dreamzero_policy.checkpoint.fit import view_size
from dreamzero_policy.checkpoint.key_maps import layout
from dreamzero_policy.checkpoint.load import build
from dreamzero_policy.checkpoint.robot_facts import CONF, METADATA, RobotFacts, experiment_files
from dreamzero_policy.checkpoint.upstream_config import CONFIG, config_json
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.model.config import ModelConfig, TextConfig
from dreamzero_policy.model.presets import preset
from dreamzero_policy.weights import untrained
from dreamzero_policy.weights.errors import CheckpointError
from dreamzero_policy.weights.random_weights import random_tensor
from dreamzero_policy.weights.tensor_writer import Plan, ShardWriter, plan_shards, write_index

SHARD_BYTES = 5_000_000_000
"""Size of the released shards."""

_DTYPES = {name: getattr(torch, name) for name in ("bfloat16", "float16", "float32")}
_WORKERS = 8  # threads that draw numbers
_AHEAD = 1 << 30  # bytes drawn before they are written


def make_random(
    name: str,
    path: Path,
    embodiment: Embodiment,
    *,
    seed: int = 0,
    changes: Sequence[str] = (),
    dtype: str = "bfloat16",
    shard_bytes: int = SHARD_BYTES,
    progress: bool = False,
) -> ModelConfig:
    """Writes a checkpoint of random weights.

    Args:
        name: of a preset.
        path: directory to make; must not exist or be empty.
        embodiment: the robot whose keys, cameras and time base it has.
        seed: the same seed gives the same bytes.
        changes: sizes other than the preset's, as ``NAME=NUMBER`` with names as in ``ModelConfig``,
            those of the encoders behind a dot (``vae.base_dim=8``).
        dtype: to store, by torch's name: bfloat16, float16 or float32.
        shard_bytes: size of a shard.
        progress: whether to show a bar on standard error.

    Returns:
        The model's sizes.

    Raises:
        ValueError: an unknown preset or size, sizes that do not fit together, a directory in use.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CheckpointError(f"{path}: expected a new or an empty directory")
    if dtype not in _DTYPES:
        raise CheckpointError(f"dtype: expected one of {', '.join(_DTYPES)}, got {dtype!r}")
    if shard_bytes < 1:
        raise CheckpointError(f"shard_bytes: expected at least 1, got {shard_bytes}")
    config = changed(preset(name), changes)
    config = replace(config, num_action_per_block=embodiment.time_base.rows_per_chunk)
    config = replace(config, text=without_download(config.text))
    slots = layout(build(config))
    sizes = ", ".join([f"preset {name}", *changes, f"seed {seed}"])
    path.mkdir(parents=True, exist_ok=True)
    _write_settings(path, config, embodiment, f"random weights, {sizes}")
    shards: dict[str, list[str]] = {}
    stored = {key: (_DTYPES[dtype], slots[key].shape) for key in sorted(slots)}
    total = sum(prod(shape) for _, shape in stored.values()) * _DTYPES[dtype].itemsize
    with tqdm(total=total, unit="B", unit_scale=True, desc="writing", disable=not progress) as bar:
        for shard, plan in plan_shards(stored, shard_bytes):
            shards[shard] = [key for key, _, _ in plan]
            with ShardWriter(path / shard, plan) as writer:
                for key, tensor in _drawn(plan, seed):
                    writer.write(key, tensor)
                    bar.update(tensor.nbytes)
    write_index(path, shards, total)
    return config


def without_download(text: TextConfig) -> TextConfig:
    """Bytes as tokens where umT5's would have to be downloaded: random weights need none."""
    return replace(text, tokenizer="bytes") if text.tokenizer == "umt5" else text


def changed(config: ModelConfig, changes: Sequence[str]) -> ModelConfig:
    """A configuration with some of its whole numbers changed.

    Raises:
        ValueError: a change that names no whole number, or sizes that do not fit together.
    """
    nested: dict[str, dict[str, int]] = {}
    for change in changes:
        name, _, value = change.partition("=")
        part, _, leaf = name.rpartition(".")
        target: Any = getattr(config, part, None) if part else config
        names = [f.name for f in fields(target)] if is_dataclass(target) else []
        if leaf not in names or type(getattr(target, leaf)) is not int or not value.isdigit():
            raise CheckpointError(
                f"change {change!r}: expected NAME=NUMBER with a name of a whole number, such as "
                "dim, num_layers, text.num_layers, vae.base_dim"
            )
        nested.setdefault(part, {})[leaf] = int(value)
    try:
        parts = {
            part: replace(getattr(config, part), **values)
            for part, values in nested.items()
            if part
        }
        return replace(config, **nested.get("", {}), **parts)
    except (ValueError, ArithmeticError) as error:
        raise CheckpointError(f"{', '.join(changes)}: {error}") from error


def invented_facts(config: ModelConfig, embodiment: Embodiment) -> RobotFacts:
    """What a checkpoint of this robot says of it, with invented statistics."""
    views = tuple(view.key for view in embodiment.views)
    keys = {"state": embodiment.state_keys, "action": embodiment.action_keys}
    return RobotFacts(
        tag=embodiment.tag,
        views=views,
        native_sizes=(embodiment.native_size,) * len(views),
        rates=(float(embodiment.time_base.control_hz),) * len(views),
        state_keys=embodiment.state_keys,
        action_keys=embodiment.action_keys,
        modes={f"{kind}.{key.name}": "q99" for kind, found in keys.items() for key in found},
        state_statistics=untrained.state_statistics(embodiment),
        action_statistics=untrained.action_statistics(embodiment),
        crop=0.95,
        view_size=view_size(config, embodiment),
        action_rows=config.num_action_per_block,
    )


def write_experiment(path: Path, facts: RobotFacts, embodiment: Embodiment) -> None:
    """Writes ``experiment_cfg`` of a checkpoint of one robot."""
    conf, metadata = experiment_files(facts, embodiment)
    (path / CONF).parent.mkdir(parents=True, exist_ok=True)
    (path / CONF).write_text(yaml.safe_dump(conf, sort_keys=False))
    (path / METADATA).write_text(json.dumps(metadata, indent=2) + "\n")


def _write_settings(path: Path, config: ModelConfig, embodiment: Embodiment, note: str) -> None:
    """Every file but the weights."""
    (path / CONFIG).write_text(json.dumps(config_json(config, untrained=note), indent=2) + "\n")
    write_experiment(path, invented_facts(config, embodiment), embodiment)


def _drawn(plan: Plan, seed: int) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of a shard in order, drawn ahead by threads but never far."""
    waiting: list[tuple[str, int, Future[Tensor]]] = []
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="draw") as workers:
        for name, dtype, shape in plan:
            size = prod(shape) * dtype.itemsize
            while waiting and size + sum(item[1] for item in waiting) > _AHEAD:
                first = waiting.pop(0)
                yield first[0], first[2].result()
            waiting.append((name, size, workers.submit(random_tensor, name, shape, seed, dtype)))
        while waiting:
            first = waiting.pop(0)
            yield first[0], first[2].result()
