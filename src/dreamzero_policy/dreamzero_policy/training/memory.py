"""How much memory a run takes per process, worked out before anything is begun.

Weights, gradients and the optimizer's moments are divided among the processes. On top comes the
unit of weights that is together at a time, and activations: with recomputation the input of every
block and all of one block. An allocator's own losses are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import psutil
import torch

from dreamzero_policy.model import lora
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.runs.distributed import World
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.training.config import TrainConfig

GIB = 1 << 30
_INSIDE = 14
"""Widths D of a token that a block keeps for its backward pass besides the feed-forward's."""


@dataclass(frozen=True)
class Estimate:
    """Bytes per process.

    Attributes:
        parameters: how many there are, and how many train.
        parts: by what they are for.
        state: bytes of a state to resume from, on disk, of all processes.
        checkpoint: bytes of the checkpoint that is written at the end.
    """

    parameters: tuple[int, int]
    parts: dict[str, int]
    state: int
    checkpoint: int

    @property
    def total(self) -> int:
        """Of all parts."""
        return sum(self.parts.values())

    def table(self) -> str:
        """For people."""
        whole, trained = self.parameters
        millions = f"{trained / 1e6:.1f} of {whole / 1e6:.1f} M parameters train"
        lines = [f"memory per process; {millions}"]
        lines += [f"  {name:<34} {size / GIB:8.2f} GiB" for name, size in self.parts.items()]
        lines.append(f"  {'together':<34} {self.total / GIB:8.2f} GiB")
        return "\n".join(lines)

    def check(self, device: torch.device) -> None:
        """Refuses what does not fit the device.

        Raises:
            TrainingError: it does not.
        """
        if device.type == "cuda":
            room = torch.cuda.get_device_properties(device).total_memory
        else:
            room = psutil.virtual_memory().total
        if self.total > room:
            raise TrainingError(
                f"memory: expected to fit {room / GIB:.1f} GiB of {device}, the run takes about "
                f"{self.total / GIB:.1f} GiB per process: take more processes, "
                "--set micro_batch=1, --set checkpointing=true, or --set mode=lora"
            )


def estimate(model: ModelConfig, config: TrainConfig, world: World) -> Estimate:
    """What a run takes."""
    counts = _counts(model, config.mode, config.lora_rank)
    frozen, trained, block = counts
    low = 2 if config.precision == "bfloat16" else 4
    parts = {"weights": (4 * trained + low * frozen) // world.size}
    parts["gradients and moments"] = 12 * trained // world.size
    if config.ema:
        parts["averaged weights"] = 4 * trained // world.size
    if world.mesh is not None:
        rest = frozen + trained - block * model.num_layers
        parts["weights that are together"] = low * (2 * block + rest)
        parts["gradients of one block"] = 4 * block
    parts["activations"] = _activations(model, config, world, low)
    state = (12 + 4 * bool(config.ema)) * trained
    return Estimate((frozen + trained, trained), parts, state, low * (frozen + trained))


def _activations(model: ModelConfig, config: TrainConfig, world: World, low: int) -> int:
    """Of one forward of a process."""
    windows = config.micro_batch or max(1, config.batch // world.size)
    chunks = config.chunks or model.max_chunk_size
    frames = 1 + chunks * model.num_frame_per_block
    vectors = model.num_action_per_block + model.num_state_per_block
    seen = frames - model.num_frame_per_block  # the clean ones before the last chunk
    if config.predict_video:
        seen += frames  # noisy ones
    tokens = windows * (seen * model.frame_seqlen + chunks * vectors)
    inside = tokens * (_INSIDE * model.dim + 2 * model.ffn_dim) * low
    if config.checkpointing:
        return inside + model.num_layers * tokens * model.dim * low
    return model.num_layers * inside


@cache
def _counts(model: ModelConfig, mode: str, rank: int) -> tuple[int, int, int]:
    """Parameters that are frozen, that train, and of one block."""
    with torch.device("meta"):
        network = CausalDiT(model)
        whole = sum(p.numel() for p in network.parameters())
        if mode == "lora":
            lora.add(network, rank, 1.0)
        block = sum(p.numel() for p in network.blocks[0].parameters())
    every = sum(p.numel() for p in network.parameters())
    if mode == "full":
        return 0, every, block
    codecs = sum(
        p.numel()
        for part in (network.state_encoder, network.action_encoder, network.action_decoder)
        for p in part.parameters()
    )
    trained = every - whole + codecs
    return every - trained, trained, block
