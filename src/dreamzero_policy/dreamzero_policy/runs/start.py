"""What a run begins from: a checkpoint's folder or random weights, as sizes and weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from dreamzero_policy.checkpoint.fit import fitted, view_size
from dreamzero_policy.checkpoint.key_maps import DIT, layout
from dreamzero_policy.checkpoint.load import assign, build
from dreamzero_policy.checkpoint.random_checkpoint import changed, without_download
from dreamzero_policy.checkpoint.robot_facts import Experiment, RobotFacts
from dreamzero_policy.checkpoint.stored_weights import Weight, check_layout, weights
from dreamzero_policy.checkpoint.upstream_config import read_config
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.dreamzero import DreamZero
from dreamzero_policy.model.presets import preset
from dreamzero_policy.model.tokenizer import load as load_tokenizer
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.weights.random_weights import random_tensor

Read = Callable[[str], Tensor]
"""Gives a parameter of the network by its name, whole and on the CPU."""


@dataclass(frozen=True)
class Start:
    """What a run begins from.

    Attributes:
        source: as it was named.
        config: sizes of the model.
        directory: of the checkpoint; None for random weights.
        seed: of random weights.
        untrained: whether the network has not been trained before.
        robots: what the checkpoint says of the robots that it knows, by tag.
        note: what of the checkpoint is left out, as a sentence; empty where nothing is.
    """

    source: str
    config: ModelConfig
    directory: Path | None
    seed: int
    untrained: bool
    robots: Mapping[str, RobotFacts]
    note: str = ""

    def robot(self, robot: Embodiment) -> Embodiment:
        """A robot as the model sees it: size of a view and time base are the model's."""
        rows = self.config.num_action_per_block
        base = robot.time_base if robot.time_base.rows_per_chunk == rows else None
        try:
            base = base or robot.time_base.of_rows(rows)
        except ValueError as error:
            raise TrainingError(f"{robot.name}: {error}") from error
        if robot.tag in self.robots:
            return fitted(self.robots[robot.tag], robot, base)
        return replace(robot, time_base=base, view_size=view_size(self.config, robot))

    def stored(self) -> dict[str, Weight]:
        """The checkpoint's tensors, checked against the sizes.

        Raises:
            CheckpointError: they are not those of the model.
        """
        found, _ = weights(self.directory, read_config(self.directory), None)
        check_layout(self.directory, layout(build(self.config)), found)
        return found

    def encoders(self, device: torch.device, dtype: torch.dtype) -> DreamZero:
        """The frozen parts with their weights; the network of it has none.

        Raises:
            CheckpointError: the checkpoint cannot be used.
        """
        tokenizer = None
        if self.directory is not None:
            folders, text = (self.directory / "tokenizer", self.directory), self.config.text
            tokenizer = load_tokenizer(text.tokenizer, folders, text.vocab_size)
        model = build(self.config, tokenizer)
        found = self.stored() if self.directory is not None else None
        for name, slot in layout(model).items():
            if name.startswith(DIT):
                continue
            drawn = found is None
            tensor = random_tensor(name, slot.shape, self.seed) if drawn else found[name].read()
            assign(model, slot, tensor, device, dtype)
        model.image_encoder.restore_buffers()
        model.image_encoder.to(device)
        return model.eval()

    def reader(self, seed: int) -> Read:
        """The network's parameters; one that was not trained before begins as training begins.

        Args:
            seed: of what is drawn.
        """
        if self.directory is None or self.untrained:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return CausalDiT(self.config).get_parameter
        found = self.stored()
        return lambda name: found[DIT + name].read(dtype=torch.float32)


def start_of(source: str, changes: Sequence[str] = (), chunk_rows: int = 0) -> Start:
    """What a run begins from.

    Args:
        source: a checkpoint's folder, ``random:PRESET`` or ``random:PRESET:SEED``.
        changes: other sizes of random weights, as ``NAME=NUMBER``.
        chunk_rows: rows of a chunk; 0: those of the preset or the checkpoint. No weight depends on
            them, but what a checkpoint tells of its robots does: with others it knows none.

    Raises:
        CheckpointError: no such checkpoint, or sizes that do not fit together.
        TrainingError: sizes of a checkpoint cannot be changed, or it holds adapters alone.
    """
    if not source:
        raise TrainingError("init: expected a checkpoint's folder to begin from: --init FOLDER")
    if match := re.fullmatch(r"random:(\w+)(?::(\d+))?", source):
        config = changed(preset(match[1]), changes)
        if chunk_rows:
            config = replace(config, num_action_per_block=chunk_rows)
        config = replace(config, text=without_download(config.text))
        return Start(source, config, None, int(match[2] or 0), True, {})
    directory = Path(source).expanduser()
    if not directory.is_dir():
        raise TrainingError(
            f"init: expected a checkpoint's folder or random:PRESET, got {source!r}"
        )
    if changes:
        raise TrainingError(
            f"model sizes ({', '.join(changes)}): expected none beside a checkpoint, whose they are"
        )
    recorded = read_config(directory)
    if recorded.base_fingerprint or recorded.base_name:
        raise TrainingError(
            f"{directory} holds adapters alone: merge them first: dreamzero checkpoint merge-lora"
        )
    untrained = recorded.untrained is not None
    experiment, rows = Experiment.read(directory), recorded.model.num_action_per_block
    if chunk_rows not in (0, rows):
        config = replace(recorded.model, num_action_per_block=chunk_rows)
        note = (
            f"its chunks have {rows} rows, this run's {chunk_rows}: what it tells of its robots "
            f"({', '.join(experiment.tags)}) is left out, statistics too"
        )
        return Start(source, config, directory, 0, untrained, {}, note)
    robots = {tag: experiment.robot(tag) for tag in experiment.tags}
    return Start(source, recorded.model, directory, 0, untrained, robots)


@torch.no_grad()
def fill(network: nn.Module, read: Read, seed: int) -> None:
    """Puts every parameter into a network whose memory is there; of shards the own part.

    Args:
        network: with or without adapters.
        read: of the network without adapters.
        seed: of what adapters begin as.
    """
    for name, parameter in network.named_parameters():
        if name.endswith(".lora_B.weight"):
            whole = torch.zeros(parameter.shape)
        elif name.endswith(".lora_A.weight"):
            whole = _drawn(name, tuple(parameter.shape), seed)
        else:
            whole = read(name.replace(".base_layer.", "."))
        whole = whole.to(parameter.device, parameter.dtype)
        if isinstance(parameter, DTensor):
            mesh, placements = parameter.device_mesh, parameter.placements
            own = distribute_tensor(whole, mesh, placements, src_data_rank=None)
            parameter.to_local().copy_(own.to_local())
        else:
            parameter.copy_(whole)


def _drawn(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """What an adapter's first half begins as, from its name alone."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
    bound = shape[1] ** -0.5
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
