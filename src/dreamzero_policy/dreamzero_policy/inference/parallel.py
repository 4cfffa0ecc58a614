"""The network over several processes, applied from outside to a finished model.

Rank 0 runs the engine. Its window is a ``LeadWindow``, which says of every operation what it is and
then carries out its own part; the ranks above zero, in ``Mirror``, hold windows of their own and do
the same in the same order. Two ways of sharing the work, alone or together:

* guidance: one group of ranks has the branch of the prompt, another that of the negative prompt,
  each with its own cache; the negative group's velocity comes to rank 0 at every evaluation that
  has guidance.
* context: the tokens of a forward are divided over the ranks of a group (``split.py``); keys and
  values of new tokens are gathered, so every rank of a group holds the whole cache of its branch.

What goes where: which operation it is, through a pipe (an idle rank waits there, with no timeout
and without keeping a GPU busy); the tensors of an operation, in one broadcast whose sizes follow
from the operation; keys, values and velocities between those who need them. All tensors are of the
sizes of the model and the step, none depends on data. NCCL on CUDA, gloo on a CPU.

Everything random, encoded or decided stays on rank 0, so no two ranks can disagree.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from dreamzero_policy.inference.forwards import Network
from dreamzero_policy.inference.sampler import PredictedVideo, Velocity, guided, needs_negative
from dreamzero_policy.inference.split import Shares, Tokens, Whole
from dreamzero_policy.inference.window import Condition, Mark, Window
from dreamzero_policy.model.dit import Side

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
        name: a method of ``Mirror``.
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


class Lead:
    """Rank 0's side: makes the windows of an engine.

    Args:
        network: this rank's share of it.
        team: all processes.
        tell: sends a command to every other rank.
        blocks: blocks in a window; None: as many as the model was trained with.

    Attributes:
        network: the same.
    """

    def __init__(
        self,
        network: Network,
        team: Team,
        tell: Callable[[Command], None],
        blocks: int | None = None,
    ) -> None:
        self.network = network
        self._team, self._tell, self._blocks = team, tell, blocks
        self._numbers = itertools.count(1)
        self._gone: list[int] = []
        self._texts: dict[int, Side] = {}

    def window(self) -> LeadWindow:
        """A new window, in every rank."""
        number = next(self._numbers)
        self.tell("open", number)
        window = LeadWindow(self, Window(self.network, len(self._team.mine), blocks=self._blocks))
        window.number = number
        weakref.finalize(window, self._gone.append, number)
        return window

    def tell(
        self, name: str, window: int = 0, arguments: tuple = (), tensors: Sequence[Tensor] = ()
    ) -> None:
        """Has the other ranks do something; then this one does its own part."""
        while self._gone:
            self._tell(Command("close", self._gone.pop()))
        shapes = tuple(tuple(x.shape) for x in tensors) or None
        self._tell(Command(name, window, arguments, shapes))
        if shapes:
            self._team.broadcast(tensors)

    def texts(self, texts: Sequence[Side]) -> tuple[Side, ...]:
        """Has every branch's prompt known where it is needed; this rank's own."""
        for branch, text in enumerate(texts):
            if self._texts.get(branch) is not text:
                self.tell("text", 0, (branch,), (text.tokens,))
                self._texts[branch] = text
        return tuple(texts[branch] for branch in self._team.mine)

    def negative(self, like: Tensor) -> Tensor:
        """As ``Team.receive_negative``."""
        return self._team.receive_negative(like)


class LeadWindow:
    """Rank 0's window and, through it, everybody's; as ``Window`` in all that it has.

    Args:
        lead: tells the others.
        window: this rank's branches.

    Attributes:
        number: by which the others know it.
    """

    def __init__(self, lead: Lead, window: Window) -> None:
        self.number = 0
        self._lead, self._window = lead, window

    @property
    def frames(self) -> int:
        """As of ``Window``."""
        return self._window.frames

    @property
    def latents(self) -> tuple[Tensor, ...]:
        """As of ``Window``."""
        return self._window.latents

    @property
    def caches(self) -> tuple:
        """Of this rank's branches."""
        return self._window.caches

    def restart(
        self, first: Tensor, condition: Condition, image: Side, texts: Sequence[Side]
    ) -> None:
        """As ``Window.restart``."""
        mine = self._lead.texts(texts)
        y = [condition(0, first.shape[2])] if self._window.conditioned else []
        self._tell("restart", (), (first, image.tokens, *y))
        self._window.restart(first, condition, image, mine)

    def refresh(self, latents: Tensor) -> None:
        """As ``Window.refresh``."""
        self._tell("refresh", (), (latents, *self._y(latents.shape[2])))
        self._window.refresh(latents)

    def clear(self) -> None:
        """As ``Window.clear``."""
        self._tell("clear")
        self._window.clear()

    def settle(self) -> None:
        """As ``Window.settle``."""
        self._tell("settle")
        self._window.settle()

    def mark(self) -> Mark:
        """As ``Window.mark``."""
        self._tell("mark")
        return self._window.mark()

    def undo(self, mark: Mark) -> None:
        """As ``Window.undo``."""
        self._tell("undo")
        self._window.undo(mark)

    def prepare(self, blocks: int = 1) -> None:
        """As ``Window.prepare``; only rank 0 encodes."""
        self._window.prepare(blocks)

    def velocity(
        self, state: Tensor, guidance: float, predicted: PredictedVideo = "guided"
    ) -> Velocity:
        """As ``Window.velocity``."""
        self._tell("block", (predicted,), (state, *self._y(self._window.block)))
        ours = self._window.velocities(state, predicted)

        def positive(
            x: Tensor, actions: Tensor, video_timestep: int, action_timestep: int, last: bool
        ) -> tuple[Tensor | None, Tensor]:
            both = needs_negative(guidance, predicted, last)
            self._tell("evaluate", (both, video_timestep, action_timestep, last), (x, actions))
            return ours[0](x, actions, video_timestep, action_timestep, last)

        def negative(x: Tensor, actions: Tensor, *call: Any) -> tuple[Tensor | None, Tensor]:
            if len(ours) > 1:
                return ours[1](x, actions, *call)
            return self._lead.negative(x), actions  # guidance reads the video's alone

        return guided(positive, negative, guidance, predicted)

    @contextmanager
    def borrowed(self, frames: int) -> Iterator[None]:
        """As ``Window.borrowed``."""
        self._tell("borrow", (frames,))
        try:
            with self._window.borrowed(frames):
                yield
        finally:
            self._tell("give_back")

    def _y(self, count: int) -> list[Tensor]:
        """The condition of the next frames, where the network reads one."""
        return [self._window.condition(count)] if self._window.conditioned else []

    def _tell(self, name: str, arguments: tuple = (), tensors: Sequence[Tensor] = ()) -> None:
        self._lead.tell(name, self.number, arguments, tensors)


class _Told:
    """The condition of frames, as far as rank 0 has told it."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, int], Tensor] = {}

    def add(self, start: int, y: Tensor) -> None:
        """Keeps the condition of the frames from ``start`` on."""
        self._told[start, y.shape[2]] = y

    def __call__(self, start: int, count: int) -> Tensor:
        """As ``Condition``."""
        return self._told[start, count]


@dataclass
class _Mirrored:
    """One window of a rank above zero.

    Attributes:
        window: this rank's branches.
        condition: of the window's first frame.
        velocities: of the block that is denoised.
        mark: the newest.
        copies: what is borrowed, with the condition to go back to.
    """

    window: Window
    condition: _Told
    velocities: tuple[Velocity, ...] = ()
    mark: tuple[Mark, _Told] | None = None
    copies: ExitStack | None = None


class Mirror:
    """A rank above zero: does what it is told, in the order in which it is told.

    Args:
        network: this rank's share of it, with the weights of rank 0.
        team: all processes.
        blocks: blocks in a window, as of ``Lead``.
    """

    def __init__(self, network: Network, team: Team, blocks: int | None = None) -> None:
        self._network, self._team, self._blocks = network, team, blocks
        self._dit = network.dit
        self._windows: dict[int, _Mirrored] = {}
        self._texts: dict[int, Side] = {}

    @torch.inference_mode()
    def do(self, command: Command) -> None:
        """Carries out one command."""
        tensors = self._team.received(command.shapes) if command.shapes else []
        getattr(self, command.name)(command.window, *command.arguments, *tensors)

    def open(self, number: int) -> None:
        """A new window."""
        window = Window(self._network, len(self._team.mine), blocks=self._blocks)
        self._windows[number] = _Mirrored(window, _Told())

    def close(self, number: int) -> None:
        """A window that rank 0 has let go of."""
        del self._windows[number]

    def text(self, _: int, branch: int, tokens: Tensor) -> None:
        """A branch's prompt."""
        if branch in self._team.mine:
            self._texts[branch] = self._side(tokens, "text_keys")

    def restart(self, number: int, first: Tensor, image: Tensor, *y: Tensor) -> None:
        """As ``Window.restart``."""
        its = self._windows[number]
        its.condition = _Told()
        for each in y:
            its.condition.add(0, each.to(self._dit.dtype))
        texts = [self._texts[branch] for branch in self._team.mine]
        first = first.to(self._dit.dtype)
        its.window.restart(first, its.condition, self._side(image, "image_keys"), texts)

    def refresh(self, number: int, latents: Tensor, *y: Tensor) -> None:
        """As ``Window.refresh``."""
        self._tell_condition(number, y)
        self._windows[number].window.refresh(latents.to(self._dit.dtype))

    def clear(self, number: int) -> None:
        """As ``Window.clear``."""
        self._windows[number].window.clear()

    def settle(self, number: int) -> None:
        """As ``Window.settle``."""
        self._windows[number].window.settle()

    def mark(self, number: int) -> None:
        """As ``Window.mark``."""
        its = self._windows[number]
        its.mark = its.window.mark(), its.condition

    def undo(self, number: int) -> None:
        """As ``Window.undo``."""
        its = self._windows[number]
        mark, its.condition = its.mark
        its.window.undo(mark)

    def block(self, number: int, predicted: PredictedVideo, state: Tensor, *y: Tensor) -> None:
        """A block is about to be denoised."""
        self._tell_condition(number, y)
        its = self._windows[number]
        its.velocities = its.window.velocities(state.to(self._dit.dtype), predicted)

    def evaluate(
        self,
        number: int,
        both: bool,
        video_timestep: int,
        action_timestep: int,
        last: bool,
        x: Tensor,
        actions: Tensor,
    ) -> None:
        """The network for one timestep, under the prompt and perhaps the negative one."""
        velocities = self._windows[number].velocities
        for branch, velocity in zip(self._team.mine, velocities, strict=True):
            if branch == 0 or both:
                v, _ = velocity(x, actions, video_timestep, action_timestep, last)
                if branch == 1 and self._team.layout.groups > 1:
                    self._team.send_negative(v)

    def borrow(self, number: int, frames: int) -> None:
        """As the beginning of ``Window.borrowed``."""
        its = self._windows[number]
        its.copies = ExitStack()
        its.copies.callback(setattr, its, "condition", its.condition)
        its.copies.enter_context(its.window.borrowed(frames))

    def give_back(self, number: int) -> None:
        """As its end."""
        its = self._windows[number]
        its.copies.close()
        its.copies = None

    def _tell_condition(self, number: int, y: Sequence[Tensor]) -> None:
        """Keeps the condition of the frames behind a window."""
        its = self._windows[number]
        for each in y:
            its.condition.add(its.window.frames, each.to(self._dit.dtype))

    def _side(self, tokens: Tensor, keys: str) -> Side:
        """A prompt or an image of projected tokens, with the keys of every block."""
        tokens = tokens.to(self._dit.dtype)
        return Side(
            tokens, tuple(getattr(block.cross_attn, keys)(tokens) for block in self._dit.blocks)
        )
