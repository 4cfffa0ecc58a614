"""The network over several processes, applied from outside to a finished model.

Rank 0 runs the engine. Its window is a ``LeadWindow`` (``lead.py``), which says of every operation
what it is and then carries out its own part; the ranks above zero (``mirror.py``) hold windows of
their own and do the same in the same order. Two ways of sharing the work, alone or together:

* guidance: one group of ranks has the branch of the prompt, another that of the negative prompt,
  each with its own cache; the negative group's velocity comes to rank 0 at every evaluation that
  has guidance.
* context: the tokens of a forward are divided over the ranks of a group (``sampling/split.py``);
  keys and values of new tokens are gathered, so every rank of a group holds the whole cache of its
  branch.

What goes where: which operation it is, through a pipe (an idle rank waits there, with no timeout
and without keeping a GPU busy); the tensors of an operation, in one broadcast whose sizes follow
from the operation; keys, values and velocities between those who need them. All tensors are of the
sizes of the model and the step, none depends on data. NCCL on CUDA, gloo on a CPU.

Everything random, encoded or decided stays on rank 0, so no two ranks can disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from dreamzero_policy.sampling.split import Shares, Tokens, Whole

_LIMIT = timedelta(minutes=30)
"""Of an exchange. ``ranks.py`` ends a rank that hangs long before, whatever it hangs in."""


@dataclass(frozen=True)
class Layout:
    """Who computes what.

    Attributes:
        ranks: processes.
        branches: of guidance, 1 or 2.
        groups: 2 where each branch has half of the ranks, 1 where each rank computes its share of
            every branch.

    Raises:
        ValueError: ranks that do not divide into the groups.
    """

    ranks: int
    branches: int
    groups: int

    def __post_init__(self) -> None:
        """Checks that the ranks divide."""
        if self.groups not in (1, self.branches) or self.ranks < 1 or self.ranks % self.groups:
            raise ValueError(
                f"ranks: expected a multiple of the groups, and groups 1 or {self.branches}, got "
                f"{self.ranks} ranks in {self.groups} groups"
            )

    @classmethod
    def of(cls, ranks: int, branches: int) -> Layout:
        """Guidance first, since it exchanges least; what is left divides the tokens."""
        return cls(ranks, branches, branches if ranks % branches == 0 else 1)

    @property
    def split(self) -> int:
        """Ranks that divide the tokens of a branch."""
        return self.ranks // self.groups

    def mine(self, rank: int) -> range:
        """Branches of a rank."""
        group = rank // self.split
        return range(self.branches) if self.groups == 1 else range(group, group + 1)


class Command(NamedTuple):
    """An operation on its way to the ranks above zero.

    Attributes:
        name: a method of ``mirror.Mirror``.
        window: which one.
        arguments: whatever is no tensor.
        shapes: of the tensors in the broadcast that follows; None: none follows.
    """

    name: str
    window: int = 0
    arguments: tuple[Any, ...] = ()
    shapes: tuple[tuple[int, ...], ...] | None = None


class Team:
    """This process among the others; made by all of them at the same time.

    Args:
        layout: who computes what.
        rank: of this process.
        device: of its tensors.
        store: where the processes meet.
    """

    def __init__(self, layout: Layout, rank: int, device: torch.device, store: dist.Store) -> None:
        self.layout, self.rank, self.device = layout, rank, device
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=store,
            rank=rank,
            world_size=layout.ranks,
            timeout=_LIMIT,
        )
        self.tokens: Tokens = Whole()
        for first in range(0, layout.ranks if layout.split > 1 else 0, layout.split):
            group = dist.new_group(range(first, first + layout.split), timeout=_LIMIT)
            if rank // layout.split == first // layout.split:
                self.tokens = Shares(group)

    @property
    def mine(self) -> range:
        """Branches of this rank."""
        return self.layout.mine(self.rank)

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Sends rank 0's tensors to all, as float32, which holds every value of the others."""
        dist.broadcast(torch.cat([x.flatten().float() for x in tensors]), src=0)

    def received(self, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
        """What rank 0 broadcasts."""
        sizes = [torch.Size(shape).numel() for shape in shapes]
        joined = torch.empty(sum(sizes), device=self.device)
        dist.broadcast(joined, src=0)
        return [x.view(shape) for x, shape in zip(joined.split(sizes), shapes, strict=True)]

    def send_negative(self, velocity: Tensor) -> None:
        """The negative branch's velocity to rank 0; the first rank of that group sends."""
        if self.rank == self.layout.split:
            dist.send(velocity.contiguous(), dst=0)

    def receive_negative(self, like: Tensor) -> Tensor:
        """The negative branch's velocity, at rank 0."""
        velocity = torch.empty_like(like, memory_format=torch.contiguous_format)
        dist.recv(velocity, src=self.layout.split)
        return velocity

    def abort(self) -> None:
        """Ends exchanges that are under way, after a rank is gone: a GPU would wait for ever."""
        if self.device.type == "cuda":
            dist.distributed_c10d._abort_process_group()

    def leave(self) -> None:
        """Ends the connections; once nothing is under way."""
        if dist.is_initialized():
            dist.destroy_process_group()
