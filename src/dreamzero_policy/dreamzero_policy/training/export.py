"""The checkpoint of a run, in the layout that robots load.

Trained weights come from the processes, tensor by tensor; the frozen encoders from what the run
began with. Adapters are merged. The folder appears whole: until then the one before stands.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from dreamzero_policy.checkpoint.key_maps import DIT, layout
from dreamzero_policy.checkpoint.load import build
from dreamzero_policy.checkpoint.random_checkpoint import SHARD_BYTES
from dreamzero_policy.checkpoint.robot_facts import CONF, METADATA, RobotFacts, experiment_files
from dreamzero_policy.checkpoint.upstream_config import CONFIG, config_json
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.mixture.vector_statistics import Found
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.lora import AdaptedLinear, merged
from dreamzero_policy.runs.distributed import World
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.runs.start import Start
from dreamzero_policy.weights.random_weights import random_tensor
from dreamzero_policy.weights.tensor_files import SINGLE
from dreamzero_policy.weights.tensor_writer import ShardWriter, plan_shards, write_index

TRAINED = "experiment_cfg/training.json"


def facts_of(robot: Embodiment, config: ModelConfig, statistics: Found) -> RobotFacts:
    """What a checkpoint says of a robot that it was trained on."""
    views = tuple(view.key for view in robot.views)
    keys = {"state": robot.state_keys, "action": robot.action_keys}
    return RobotFacts(
        tag=robot.tag,
        views=views,
        native_sizes=(robot.native_size,) * len(views),
        rates=(float(robot.time_base.control_hz),) * len(views),
        state_keys=robot.state_keys,
        action_keys=robot.action_keys,
        modes={f"{kind}.{key.name}": "q99" for kind, found in keys.items() for key in found},
        state_statistics=statistics[0],
        action_statistics=statistics[1],
        crop=0.95,
        view_size=robot.view_size,
        action_rows=config.num_action_per_block,
    )


def write_experiment(path: Path, robots: Sequence[tuple[Embodiment, RobotFacts]]) -> None:
    """``experiment_cfg`` of all robots of a run.

    Raises:
        TrainingError: two robots call a key the same of which one is relative and one is not, which
            the layout cannot say.
    """
    conf: dict = {}
    metadata: dict = {}
    relative: set[str] = set()
    absolute: set[str] = set()
    for robot, facts in robots:
        one, described = experiment_files(facts, robot)
        for name in ("modality_configs", "transforms"):
            one[name] = conf.get(name, {}) | one[name]
        relative |= {key.name for key in facts.action_keys if key.relative}
        absolute |= {key.name for key in facts.action_keys if not key.relative}
        conf, metadata = one, metadata | described
    if both := relative & absolute:
        raise TrainingError(
            f"robots {', '.join(robot.name for robot, _ in robots)}: actions {', '.join(both)} are "
            "relative for one and absolute for another; a checkpoint cannot say that"
        )
    conf |= {"relative_action": bool(relative), "relative_action_keys": sorted(relative)}
    (path / CONF).parent.mkdir(parents=True, exist_ok=True)
    (path / CONF).write_text(yaml.safe_dump(conf, sort_keys=False))
    (path / METADATA).write_text(json.dumps(metadata, indent=2) + "\n")


def export(
    path: Path,
    start: Start,
    network: nn.Module,
    averaged: Mapping[str, Tensor],
    robots: Sequence[tuple[Embodiment, RobotFacts]],
    about: Mapping[str, object],
    world: World,
    dtype: torch.dtype,
) -> None:
    """Writes the checkpoint; every process takes part.

    Args:
        path: folder of the checkpoint; one that is there is replaced when the new one is whole.
        start: what the run began with.
        network: as it is trained.
        averaged: weights to take in place of the network's own, by name.
        robots: and what is known of them.
        about: what people should know of the run.
        world: the processes.
        dtype: to store.

    Raises:
        TrainingError: it could not be written; the one before is whole.
    """
    making = path.with_name(f"{path.name}.writing")
    weights = _network(network, averaged)
    error: Exception | None = None
    try:
        if world.first:
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            (making / CONFIG).write_text(json.dumps(config_json(start.config), indent=2) + "\n")
            write_experiment(making, robots)
            (making / TRAINED).write_text(json.dumps(about, indent=2, default=str) + "\n")
            _write(making, start, weights, dtype)
    except Exception as caught:  # noqa: BLE001 - whatever it is, the others must hear of it
        error = caught
    for _ in weights:  # the processes wait for one another at every tensor
        pass
    world.agree(None if error is None else _failed(path, error))
    if world.first:
        swap(making, path)
    world.wait()


def write_checkpoint(
    path: Path,
    config: ModelConfig,
    tensor_of: Callable[[str, tuple[int, ...]], Tensor],
    dtype: torch.dtype,
    *,
    untrained: str | None = None,
) -> None:
    """Writes settings and weights of a model into a folder that is there.

    Args:
        path: the folder.
        config: the model's sizes.
        tensor_of: gives a tensor by its name in a checkpoint and its shape.
        dtype: to store.
        untrained: what to say where the network is not trained.
    """
    (path / CONFIG).write_text(json.dumps(config_json(config, untrained=untrained), indent=2))
    slots = layout(build(config))
    plan = {name: (dtype, slots[name].shape) for name in sorted(slots)}
    _shards(path, plan, tensor_of)


def _shards(
    path: Path,
    plan: Mapping[str, tuple[torch.dtype, tuple[int, ...]]],
    tensor_of: Callable[[str, tuple[int, ...]], Tensor],
) -> None:
    total = sum(prod(shape) * dtype.itemsize for dtype, shape in plan.values())
    shards = list(plan_shards(plan, SHARD_BYTES))
    names: dict[str, list[str]] = {}
    for shard, parts in shards:
        file = SINGLE if len(shards) == 1 else shard
        names[file] = [name for name, _, _ in parts]
        with ShardWriter(path / file, parts) as writer:
            for name, _, shape in parts:
                writer.write(name, tensor_of(name, shape))
    if len(shards) > 1:
        write_index(path, names, total)


def _network(network: nn.Module, averaged: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """(released name, whole tensor) of the network, in the order of names, adapters merged.

    Every process has to go through it to the end: shards come together at each step.
    """
    own = dict(network.named_parameters())
    adapted = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, AdaptedLinear)
    }

    def whole(name: str) -> Tensor:
        tensor = averaged.get(name, own[name]).detach()
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    plain = {name.replace(".base_layer.", "."): name for name in own if ".lora_" not in name}
    for name in sorted(plain):
        owner, leaf = name.rpartition(".")[::2]
        tensor = whole(plain[name])
        if owner in adapted and leaf == "weight":
            halves = (whole(f"{owner}.lora_{half}.weight") for half in "AB")
            tensor = merged(tensor, *halves, adapted[owner].scale)
        yield DIT + name, tensor


def _write(
    making: Path,
    start: Start,
    weights: Iterator[tuple[str, Tensor]],
    dtype: torch.dtype,
) -> None:
    """The weights, by the first process; the others only bring their shards."""
    stored = start.stored() if start.directory is not None else None

    def tensor_of(name: str, shape: tuple[int, ...]) -> Tensor:
        if name.startswith(DIT):
            found, tensor = next(weights)
            assert found == name, (found, name)
            return tensor
        return random_tensor(name, shape, start.seed) if stored is None else stored[name].read()

    write_checkpoint(making, start.config, tensor_of, dtype)


def _failed(path: Path, error: Exception) -> TrainingError:
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    reason = "no space is left on this disk" if full else str(error)
    return TrainingError(
        f"{path}: could not be written: {reason}; the checkpoint before and the states are whole"
    )


def swap(making: Path, path: Path) -> None:
    """Gives a new folder its name in place of the old one."""
    old = path.with_name(f"{path.name}.previous")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        os.replace(path, old)
    os.replace(making, path)
    shutil.rmtree(old, ignore_errors=True)
