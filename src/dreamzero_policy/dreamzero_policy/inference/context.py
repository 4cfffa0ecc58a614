"""Carries out what a session's rules say of the context: restart, commit, look ahead, and before.

``Contexts`` turns a ``Plan`` into operations on the session's window (``sampling/window.py``). What
a later call will need and can be known now is done by ``prepare``, between calls: the condition of
the next blocks, clips whose canvases are still coming (``clips.py``), and the next window where the
one in use is about to be full and restarts warm. It changes no number of a later call, only how
long that takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from weakref import ref

import torch
from torch import Tensor

from dreamzero_policy.inference.clips import ClipStreams
from dreamzero_policy.inference.session import Plan, ResetReason, Session, Spare
from dreamzero_policy.model.config import TEMPORAL_STRIDE
from dreamzero_policy.model.context import Side
from dreamzero_policy.model.dreamzero import DreamZero
from dreamzero_policy.sampling.cancellation import CancelledError
from dreamzero_policy.sampling.network import Network
from dreamzero_policy.sampling.stages import Stages
from dreamzero_policy.sampling.window import Window
from dreamzero_policy.types import Image, Observation

_AHEAD = 3
"""Clips that are encoded ahead at most: each keeps what every convolution remembers."""


class Contexts:
    """The windows of every session of an engine.

    Args:
        model: encodes canvases.
        network: the same model's transformer, as it is run.
        new_window: makes an empty window.
        blocks: blocks in a window.
        predicted: whether a block that ended leaves what was predicted of it, where it was.
    """

    def __init__(
        self,
        model: DreamZero,
        network: Network,
        new_window: Callable[[], Window],
        blocks: int,
        *,
        predicted: bool = False,
    ) -> None:
        self._model, self._network, self._new_window = model, network, new_window
        self._blocks, self._predicted = blocks, predicted
        frames = 1 + blocks * model.config.num_frame_per_block * TEMPORAL_STRIDE
        self._num_frames = max(model.config.num_frames, frames)
        self._free: list[Window] = []
        self._lent: list[tuple[ref[Session], Window]] = []

    @contextmanager
    def standing(
        self,
        session: Session,
        plan: Plan,
        observation: Observation,
        texts: tuple[Side, ...],
        stages: Stages,
    ) -> Iterator[Tensor | None]:
        """The context that a call denoises in; a look-ahead is undone at the end.

        A call that is given up (``CancelledError``) leaves window, spare and expectation as they
        were.

        Yields:
            How far the block that ended was predicted to be from what it was (``divergence``); None
            where none ended or it was not predicted.
        """
        if session.window is None:
            session.window = self._window(session)
            session.clips = ClipStreams(self._model)
        with _revocable(session):
            gone = self._enter(session, plan, observation, texts, stages)
            with self._looking_ahead(session, observation, plan, texts, stages):
                with stages("condition"):
                    session.window.prepare()
                yield gone

    def _enter(
        self,
        session: Session,
        plan: Plan,
        observation: Observation,
        texts: tuple[Side, ...],
        stages: Stages,
    ) -> Tensor | None:
        """Restarts the window and commits what is due; the divergence, as ``standing``."""
        canvases, stamps = observation.canvases, observation.stamps_ns
        commits, gone = plan.commits, None
        if plan.reset is not None:
            commits = self._restart_session(session, plan, observation, texts, stages)
        for positions in commits:
            before = session.window.latents[-1][:, :, -1:]
            begun = session.expected is not None and session.expected[0] == stamps[positions[0]]
            expected = session.expected[1] if begun else None
            latents = self._refresh(
                *(session, session.window, canvases, stamps, positions, stages),
                instead=expected if self._predicted else None,
            )
            if expected is not None:
                gone = divergence(expected, latents, before)
        if commits or plan.reset is not None:
            session.expected = None
        return gone

    def prepare(self, session: Session, observation: Observation, replan_frames: int) -> None:
        """Does now what a later call would do first.

        Args:
            session: after a call; not while another one is running.
            observation: the newest; it need not have been answered.
            replan_frames: which observations will be answered, as for ``Session.due``.
        """
        if session.window is None:
            return
        session.window.prepare(blocks=2)
        if self._network.packs:
            begun = session.begun(observation, replan_frames)[:_AHEAD]
            stamps = observation.stamps_ns
            session.clips.advance(
                {int(stamps[run[0]]): observation.canvases[list(run)] for run in begun}
            )
        blocks = session.ahead_of_restart(observation)
        if blocks is not None and session.spare is None:
            self._begin_spare(session, observation, blocks)

    def _window(self, session: Session) -> Window:
        """A window for a session: one that none uses any more, or else a new one.

        Windows are the largest thing that a session has, and a recorded forward belongs to one.
        """
        lent, self._lent = self._lent, []
        for owner, window in lent:
            user = owner()
            if user is not None and user.ended and user is not session:
                user.window = user.spare = None
                user.request_reset()
            held = () if user is None else (user.window, user.spare and user.spare.window)
            if any(window is each for each in held):
                self._lent.append((owner, window))
            else:
                window.clear()
                self._free.append(window)
        window = self._free.pop() if self._free else self._new_window()
        self._lent.append((ref(session), window))
        return window

    def warm_up(
        self,
        canvas: Image,
        texts: Sequence[Side],
        evaluate: Callable[[Window], None],
        count: int,
    ) -> None:
        """Runs every kind of forward at every length of the context, in windows made for it.

        Args:
            canvas: any one.
            texts: prompts, one per branch.
            evaluate: runs the network as often and as differently as a call does.
            count: windows that will be in use at a time.
        """
        config, stages = self._model.config, Stages(self._model.device)
        for _ in range(count - len(self._free)):
            self._free.append(self._new_window())
        for window in self._free:
            self._restart(window, canvas, texts, stages)
            evaluate(window)
            self._restart(window, canvas, texts, stages)
            window.settle()
            for _ in range(self._blocks - 1):
                first, block = window.frames, config.num_frame_per_block
                latents = window.latents[0].expand(-1, -1, block, -1, -1).contiguous()
                window.refresh(latents)
                evaluate(window)
                with window.borrowed(first):
                    window.refresh(latents)
                    window.settle()
            window.clear()

    def _restart_session(
        self,
        session: Session,
        plan: Plan,
        observation: Observation,
        texts: tuple[Side, ...],
        stages: Stages,
    ) -> tuple[tuple[int, ...], ...]:
        """Begins a new window; the commits that are left to be made in it."""
        spare, session.spare = session.spare, None
        first_ns = int(observation.stamps_ns[plan.first])
        if plan.reset != ResetReason.WINDOW_FULL:
            session.clips.clear()
        if spare is not None and spare.first_ns == first_ns and spare.texts is texts:
            session.window = spare.window
            return plan.commits[spare.blocks :]
        self._restart(session.window, observation.canvases[plan.first], texts, stages)
        return plan.commits

    def _begin_spare(
        self, session: Session, observation: Observation, blocks: tuple[tuple[int, ...], ...]
    ) -> None:
        """The next window, as far as it is known."""
        canvases, stamps = observation.canvases, observation.stamps_ns
        first_ns = int(stamps[blocks[0][0]]) if blocks else session.boundary_ns
        first = int((stamps == first_ns).argmax())
        window, stages = self._window(session), Stages(self._model.device)
        self._restart(window, canvases[first], session.texts, stages)
        for positions in blocks:
            self._refresh(session, window, canvases, stamps, positions, stages)
        window.settle()
        window.prepare(blocks=2)
        session.spare = Spare(window, first_ns, len(blocks), session.texts)

    def _restart(
        self, window: Window, canvas: Image, texts: Sequence[Side], stages: Stages
    ) -> None:
        """A window that begins with one canvas."""
        with stages("condition"):
            clip, condition = self._model.begin(torch.tensor(canvas), self._num_frames)
            image = self._network.dit.embed_image(clip)
        with stages("refresh"):
            window.restart(condition.first_latent, condition, image, texts)

    def _refresh(
        self,
        session: Session,
        window: Window,
        canvases: Image,
        stamps: Sequence[int],
        positions: Sequence[int],
        stages: Stages,
        instead: Tensor | None = None,
    ) -> Tensor:
        """A block of real frames, or other latents, behind what a window holds; their latents."""
        clip = canvases[list(positions)]
        with stages("encode"):
            if self._network.packs:
                latents = session.clips.finish(int(stamps[positions[0]]), clip)
            else:
                latents = self._model.encode_frames(torch.tensor(clip))
        with stages("refresh"):
            window.refresh(latents if instead is None else instead.to(latents.dtype))
        return latents

    @contextmanager
    def _looking_ahead(
        self,
        session: Session,
        observation: Observation,
        plan: Plan,
        texts: Sequence[Side],
        stages: Stages,
    ) -> Iterator[None]:
        """The context as it stands between two boundaries, undone at the end."""
        if plan.lookahead is None:
            yield
            return
        window, canvases = session.window, observation.canvases
        with ExitStack() as stack:
            if len(plan.lookahead) == 1:
                stack.enter_context(window.borrowed(0))
                self._restart(window, canvases[plan.lookahead[0]], texts, stages)
            else:
                block = self._model.config.num_frame_per_block
                stack.enter_context(window.borrowed(window.frames - block))
                stamps = observation.stamps_ns
                self._refresh(session, window, canvases, stamps, plan.lookahead, stages)
            yield


@contextmanager
def _revocable(session: Session) -> Iterator[None]:
    """Takes back what was done to a session's context if the call is given up."""
    kept = session.window, session.spare, session.expected
    windows = [session.window] + ([] if session.spare is None else [session.spare.window])
    marks = [window.mark() for window in windows]
    try:
        yield
    except CancelledError:
        session.window, session.spare, session.expected = kept
        for window, mark in zip(windows, marks, strict=True):
            window.undo(mark)
        raise


def divergence(predicted: Tensor, observed: Tensor, before: Tensor) -> Tensor:
    """How far predicted latents are from those observed, and how far a still picture would be.

    Args:
        predicted: [B, C, K, h, w].
        observed: the same.
        before: [B, C, 1, h, w], the last latent in front of them.

    Returns:
        [2] float32: the root mean square of the difference over that of ``observed``; the same for
        ``before`` in place of every predicted frame. It stays on the device.
    """
    observed = observed.float()
    size = observed.square().mean().sqrt().clamp_min(1e-12)
    wrong = (predicted.float() - observed, before.float() - observed)
    return torch.stack([each.square().mean().sqrt() / size for each in wrong])
