"""Many processes as one: joined by ``torchrun``, the network's weights divided among them.

Applied to a finished network from outside. Every block and the rest around them is a unit whose
weights come together when it runs (FSDP2); activations may be made again in the backward pass
instead of kept. On a CPU processes speak through gloo, on GPUs through NCCL.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import (
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.distributed.tensor import Shard
from torch.utils.checkpoint import checkpoint

from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.runs.errors import TrainingError


@dataclass(frozen=True)
class World:
    """The processes of a run.

    Attributes:
        rank: this one's number.
        size: how many.
        device: this one's.
        mesh: of all; None for a process alone.
    """

    rank: int
    size: int
    device: torch.device
    mesh: DeviceMesh | None

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Until every process is here."""
        if self.mesh is not None:
            dist.barrier()

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes."""
        if self.mesh is None:
            return values
        values = values.clone()
        dist.all_reduce(values)
        return values / self.size

    def agree(self, error: Exception | None) -> None:
        """Raises in every process what went wrong in any.

        Raises:
            Exception: the own error where there is one.
            TrainingError: that of another process, in its words.
        """
        if self.mesh is None:
            if error is not None:
                raise error
            return
        words: list[str | None] = [None] * self.size
        dist.all_gather_object(words, None if error is None else str(error))
        if error is not None:
            raise error
        told = [(rank, text) for rank, text in enumerate(words) if text is not None]
        if told:
            raise TrainingError(f"process {told[0][0]}: {told[0][1]}")

    def any(self, said: bool) -> bool:
        """Whether any process says so."""
        return bool(self.mean(torch.tensor(float(said), device=self.device)).item() > 0)


def join(*, alone_in_mesh: bool = False) -> World:
    """Joins the processes that ``torchrun`` started; without it this one is alone.

    Args:
        alone_in_mesh: whether a process alone makes a mesh of one, which mixed precision needs.

    Raises:
        TrainingError: more processes on this host than it has GPUs.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        if local >= torch.cuda.device_count():
            raise TrainingError(
                f"processes: expected at most {torch.cuda.device_count()} on this host, one per "
                f"GPU, got number {local + 1}"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if size == 1 and not alone_in_mesh:
        return World(0, 1, device, None)
    backend = "nccl" if device.type == "cuda" else "gloo"
    if size == 1:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    else:
        dist.init_process_group(backend)
    return World(rank, size, device, init_device_mesh(device.type, (size,)))


def leave() -> None:
    """Ends what ``join`` began."""
    if dist.is_initialized():
        dist.destroy_process_group()


def recompute_activations(network: CausalDiT) -> None:
    """Has every block's activations made again in the backward pass."""
    for block in network.blocks:
        block.forward = partial(
            checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False
        )


def shard(network: CausalDiT, world: World, *, bfloat16: bool) -> None:
    """Divides a network's weights among the processes of a mesh.

    Args:
        network: on the meta device or not.
        world: with a mesh.
        bfloat16: whether the arithmetic is in bfloat16; gradients are added up in float32.
    """
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    policy = MixedPrecisionPolicy(
        param_dtype=dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    place = partial(_place, world.size)
    for block in network.blocks:
        fully_shard(block, mesh=world.mesh, mp_policy=policy)
    fully_shard(network, mesh=world.mesh, mp_policy=policy, shard_placement_fn=place)
    register_fsdp_forward_method(network, "forward_train")


def _place(size: int, parameter: nn.Parameter) -> Shard | None:
    """Weights with a pool of one in front are cut along their next axis where it divides evenly."""
    if parameter.ndim > 1 and parameter.shape[0] == 1 and parameter.shape[1] % size == 0:
        return Shard(1)
    return None
