"""A rank above zero: its own windows, to which happens what happens to rank 0's (``lead.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamzero_policy.acceleration.prompt import repeated, shortens
from dreamzero_policy.model.context import Side
from dreamzero_policy.ranks.parallel import Command, Team
from dreamzero_policy.sampling.network import Network
from dreamzero_policy.sampling.sampler import PredictedVideo, Velocity
from dreamzero_policy.sampling.window import Mark, Window


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

    def text(self, _: int, branch: int, repeats: int, tokens: Tensor) -> None:
        """A branch's prompt, whose last token stands for ``repeats``."""
        if branch in self._team.mine:
            text = self._side(tokens, "text_keys")
            self._texts[branch] = repeated(text, repeats) if shortens(self._dit) else text

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
