"""Rank 0's side of the others: it says of every operation what it is, then does its own part.

``LeadWindow`` stands where an engine has a ``Window``. ``mirror.py`` is the other side.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from dreamzero_policy.model.context import Side
from dreamzero_policy.ranks.parallel import Command, Team
from dreamzero_policy.sampling.network import Network
from dreamzero_policy.sampling.sampler import PredictedVideo, Velocity, guided, needs_negative
from dreamzero_policy.sampling.window import Condition, Mark, Window


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
                self.tell("text", 0, (branch, text.repeats), (text.tokens,))
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
