"""A checkpoint into a model that is ready to run, or an error before anything moves.

``load`` takes the directory that a user downloaded, or ``random:PRESET`` for an untrained model.
Weights go through the meta device one tensor at a time: what the host holds is never more than the
    model and one shard.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from dreamzero_policy.checkpoint import fit
from dreamzero_policy.checkpoint.fit import fitted, mismatches, side_by_side, view_size
from dreamzero_policy.checkpoint.key_maps import Slot, layout
from dreamzero_policy.checkpoint.robot_facts import Experiment, RobotFacts
from dreamzero_policy.checkpoint.stored_weights import (
    FiniteCheck,
    Weight,
    check_layout,
    read_all,
    weights,
)
from dreamzero_policy.checkpoint.upstream_config import Recorded, read_config
from dreamzero_policy.embodiments.embodiment import Embodiment, TimeBase
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dreamzero import DreamZero
from dreamzero_policy.model.presets import PRESETS, preset
from dreamzero_policy.model.tokenizer import Tokenizer
from dreamzero_policy.model.tokenizer import load as load_tokenizer
from dreamzero_policy.normalize import Statistics
from dreamzero_policy.weights import untrained
from dreamzero_policy.weights.errors import CheckpointError
from dreamzero_policy.weights.random_weights import random_tensor

__all__ = ["CheckpointError", "Loaded", "load", "sizes"]

_RANDOM = re.compile(r"random:(\w+)(?::(\d+))?")


@dataclass(frozen=True)
class Loaded:
    """A model and what its checkpoint says about the robot it was trained on.

    Attributes:
        model: weights in place, in evaluation mode, no gradients.
        config: its sizes.
        embodiment: the robot as the checkpoint sees it: size of a view, time base and keys are its.
        state_statistics, action_statistics: by key name, as ``ModelVectors`` takes them.
        description: one line for people.
        untrained: whether the weights are random; whoever runs them says so.
    """

    model: DreamZero
    config: ModelConfig
    embodiment: Embodiment
    state_statistics: Mapping[str, Statistics]
    action_statistics: Mapping[str, Statistics]
    description: str
    untrained: bool

    @property
    def embodiment_tag(self) -> str:
        """Tag of the robot."""
        return self.embodiment.tag

    @property
    def time_base(self) -> TimeBase:
        """How the checkpoint divides time."""
        return self.embodiment.time_base


def load(
    source: str | Path,
    embodiment: Embodiment,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    base: str | Path | None = None,
    tokenizer: str | Path | None = None,
    time_base: TimeBase | None = None,
    progress: bool = False,
) -> Loaded:
    """Loads a checkpoint for a robot.

    Args:
        source: a directory, or ``random:PRESET`` or ``random:PRESET:SEED`` for random weights.
        embodiment: the robot; a checkpoint of another one is refused.
        device: where the weights go.
        dtype: of the weights; None: bfloat16 on a GPU, float32 elsewhere.
        base: directory of the checkpoint that adapters were trained on, where ``source`` has only
            those.
        tokenizer: folder with ``spiece.model``; None: beside the weights.
        time_base: how time is divided; None: as the checkpoint says, or of random weights, which
            take any, as the embodiment does. What a checkpoint contradicts is refused.
        progress: whether to show a bar on standard error.

    Raises:
        CheckpointError: the checkpoint cannot be used with this robot; the message says all of why.
    """
    device = torch.device(device)
    dtype = dtype or (torch.bfloat16 if device.type == "cuda" else torch.float32)
    match = _RANDOM.fullmatch(str(source))
    if match:
        embodiment = replace(embodiment, time_base=time_base or embodiment.time_base)
        return _random(match[1], int(match[2] or 0), embodiment, device, dtype)
    directory = _directory(source)
    recorded = read_config(directory)
    facts = _facts(directory, recorded.model, embodiment, time_base)
    folders = (Path(tokenizer),) if tokenizer else (directory / "tokenizer", directory)
    text = recorded.model.text
    tokens = load_tokenizer(text.tokenizer, folders, text.vocab_size)
    found, _ = weights(directory, recorded, Path(base) if base else None)
    model = build(recorded.model, tokens)
    slots = layout(model)
    check_layout(directory, slots, found)
    fill(model, slots, found, device, dtype, directory, progress)
    return Loaded(
        model=finish(model, device),
        config=recorded.model,
        embodiment=fitted(facts, embodiment, fit.time_base(recorded.model, facts)),
        state_statistics=facts.state_statistics,
        action_statistics=facts.action_statistics,
        description=describe(directory, recorded),
        untrained=recorded.untrained is not None,
    )


def sizes(source: str | Path) -> ModelConfig:
    """The sizes of what ``load`` would load, without its weights.

    Args:
        source: as ``load``.

    Raises:
        CheckpointError: there is nothing to load, or it does not say what it is.
    """
    match = _RANDOM.fullmatch(str(source))
    if not match:
        return read_config(_directory(source)).model
    try:
        return preset(match[1])
    except ValueError as error:
        raise CheckpointError(str(error)) from error


def _directory(source: str | Path) -> Path:
    """The folder of a checkpoint.

    Raises:
        CheckpointError: there is none.
    """
    directory = Path(source).expanduser()
    if not directory.is_dir():
        raise CheckpointError(
            f"{source}: expected a checkpoint's directory or random:PRESET, with PRESET one of "
            f"{', '.join(PRESETS)}"
        )
    return directory


def _facts(
    directory: Path, config: ModelConfig, embodiment: Embodiment, time_base: TimeBase | None
) -> RobotFacts:
    """What a checkpoint says of a robot.

    Raises:
        CheckpointError: it is of another robot; the message has every difference.
    """
    experiment = Experiment.read(directory)
    unknown: list[str] = []
    tag = embodiment.tag
    if tag not in experiment.tags:
        known = ", ".join(experiment.tags) or "none"
        unknown.append(f"no robot {tag!r}; this checkpoint knows {known}")
        if len(experiment.tags) != 1:
            raise CheckpointError(f"{directory}: {unknown[0]}")
        tag = experiment.tags[0]
    try:
        facts = experiment.robot(tag)
    except CheckpointError as error:
        if unknown:
            raise CheckpointError(f"{directory}: {unknown[0]}") from error
        raise
    differ = unknown + mismatches(config, facts, embodiment, time_base)
    if differ:
        raise CheckpointError(
            f"{directory} does not fit the robot {embodiment.name}:\n{side_by_side(differ)}"
        )
    return facts


def describe(directory: Path, recorded: Recorded) -> str:
    """One line on what a checkpoint is; random weights are called untrained."""
    if recorded.untrained is not None:
        return f"untrained: {recorded.untrained} ({directory.name})"
    config = recorded.model
    sizes = f"{config.num_layers} layers of {config.dim}"
    return f"{directory.resolve().name}: {recorded.preset or sizes}"


def fill(
    model: nn.Module,
    slots: Mapping[str, Slot],
    found: Mapping[str, Weight],
    device: torch.device,
    dtype: torch.dtype,
    directory: Path,
    progress: bool,
) -> None:
    """Streams every weight into a model.

    Raises:
        CheckpointError: a weight cannot be read or is not finite.
    """
    total = sum(weight.stored.nbytes for weight in found.values())
    finite = FiniteCheck()
    with tqdm(total=total, unit="B", unit_scale=True, desc="weights", disable=not progress) as bar:
        for name, tensor in read_all(found, device, dtype):
            finite.add(name, tensor)
            assign(model, slots[name], tensor, device, dtype)
            bar.update(found[name].stored.nbytes)
    finite.raise_if_any(directory)


def _random(
    name: str, seed: int, embodiment: Embodiment, device: torch.device, dtype: torch.dtype
) -> Loaded:
    """An untrained model of a preset, fitted to a robot's chunk length."""
    try:
        config = replace(preset(name), num_action_per_block=embodiment.time_base.rows_per_chunk)
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    model = build(config)
    slots = layout(model)
    for slot in slots.values():
        assign(model, slot, random_tensor(slot.name, slot.shape, seed), device, dtype)
    return Loaded(
        model=finish(model, device),
        config=config,
        embodiment=replace(embodiment, view_size=view_size(config, embodiment)),
        state_statistics=untrained.state_statistics(embodiment),
        action_statistics=untrained.action_statistics(embodiment),
        description=f"untrained: random weights, preset {name}, seed {seed}",
        untrained=True,
    )


def build(config: ModelConfig, tokenizer: Tokenizer | None = None) -> DreamZero:
    """A model without weights, on the meta device.

    Raises:
        CheckpointError: sizes that no network can be built of.
    """
    try:
        with torch.device("meta"):
            return DreamZero(config, tokenizer)
    except (ValueError, TypeError, RuntimeError, ArithmeticError, AssertionError) as error:
        raise CheckpointError(f"no model can be built of these sizes: {error}") from error


def assign(
    model: nn.Module, slot: Slot, tensor: Tensor, device: torch.device, dtype: torch.dtype
) -> None:
    """Puts one tensor of a checkpoint into the model, on its device and in its dtype."""
    for name, part in slot.split(tensor.to(device=device, dtype=dtype)):
        owner, _, leaf = name.rpartition(".")
        parameter = nn.Parameter(part.contiguous(), requires_grad=False)
        setattr(model.get_submodule(owner), leaf, parameter)


def finish(model: DreamZero, device: torch.device) -> DreamZero:
    """Remakes what no checkpoint stores and checks that nothing is left on the meta device."""
    model.image_encoder.restore_buffers()
    left = [
        name
        for tensors in (model.named_parameters(), model.named_buffers())
        for name, tensor in tensors
        if tensor.is_meta
    ]
    assert not left, left
    return model.to(device).eval()
