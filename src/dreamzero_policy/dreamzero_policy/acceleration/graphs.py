"""Records whole forwards as CUDA graphs: one launch in place of thousands.

A graph is a fixed list of kernels over fixed addresses. So there is one per cache, per kind of
forward and per length of the context; what a call brings is copied into buffers of its own first,
and prompt and image only when they are others than before. What a cache stores is read and written
in place, which is why windows are kept from session to session (``inference/context.py``).

What is recorded is what would have run, so nothing changes in the numbers. Where a forward cannot
be recorded it is launched kernel by kernel, and that is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from dreamzero_policy.acceleration.compile import Say, in_a_line
from dreamzero_policy.model.block import Keys
from dreamzero_policy.model.context import Context, Side
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Clean, Network, Noisy

Outputs = tuple[Tensor | None, ...]


class Graph(Protocol):
    """A recording."""

    def replay(self) -> None:
        """Runs it again on what now stands at its addresses."""


Recorder = Callable[[Callable[[], Outputs]], tuple[Graph, Outputs]]
"""Records what a call does to the device; the outputs are at the recording's own addresses."""


class _Recording(NamedTuple):
    """A graph and its addresses."""

    graph: Graph
    inputs: Outputs
    outputs: Outputs


@dataclass
class _Slot:
    """What belongs to one cache.

    Attributes:
        context: prompt and image at fixed addresses.
        source: what was copied there.
        recordings: by kind of forward and length of the context.
    """

    context: Context
    source: Context
    recordings: dict[Hashable, _Recording] = field(default_factory=dict)


class Recorded:
    """A network whose forwards are recorded at their first call of each kind.

    Args:
        network: what is recorded.
        say: told, once, if recording fails.
        recorder: None: CUDA graphs.
    """

    def __init__(self, network: Network, say: Say, recorder: Recorder | None = None) -> None:
        self._network, self._say = network, say
        self._record = recorder or CudaRecorder(network.dit.patch_embedding.weight.device)
        self._slots: WeakKeyDictionary[KVCache, _Slot] = WeakKeyDictionary()
        self._failed = False

    @property
    def dit(self) -> CausalDiT:
        """The weights."""
        return self._network.dit

    @property
    def packs(self) -> bool:
        """As ``Network.packs``."""
        return self._network.packs

    @torch.no_grad()
    def write(self, clean: Clean, context: Context, cache: KVCache) -> None:
        """As ``Network.write``."""

        def forward(inputs: Outputs, context: Context) -> Outputs:
            self._network.write(Clean(*inputs), context, cache)
            return ()

        frames = clean.latents.shape[2]
        self._run(("write", frames), forward, (clean.latents, clean.y), context, cache, frames)

    @torch.no_grad()
    def denoise(
        self,
        noisy: Noisy,
        context: Context,
        cache: KVCache,
        clean: Clean | None = None,
        video: bool = True,
    ) -> tuple[Tensor | None, Tensor]:
        """As ``Network.denoise``."""
        frames = 0 if clean is None else clean.latents.shape[2]
        block = tuple(getattr(noisy, each.name) for each in fields(noisy))

        def forward(inputs: Outputs, context: Context) -> Outputs:
            before = Clean(*inputs[len(block) :]) if frames else None
            return self._network.denoise(
                Noisy(*inputs[: len(block)]), context, cache, before, video
            )

        given = (*block, clean.latents, clean.y) if clean is not None else block
        return self._run(("denoise", frames, video), forward, given, context, cache, frames)

    def _run(
        self,
        kind: tuple,
        forward: Callable[[Outputs, Context], Outputs],
        given: Outputs,
        context: Context,
        cache: KVCache,
        frames: int,
    ) -> Outputs:
        """A forward from its recording, which is made where there is none yet.

        Args:
            kind: of the forward.
            forward: what runs it on given inputs.
            given: its inputs.
            context: prompt and image.
            cache: all that comes before.
            frames: clean latent frames that it stores.
        """
        if self._failed:
            return forward(given, context)
        slot = self._slot(cache, context)
        key = (*kind, cache.position, cache.length)
        if key not in slot.recordings:
            try:
                slot.recordings[key] = self._recording(forward, given, slot.context, cache)
            except Exception as error:  # noqa: BLE001 - drivers raise anything; plain code tells
                self._failed = True
                self._slots.clear()
                self._say(
                    f"forwards are launched kernel by kernel, which is slower: {in_a_line(error)}"
                )
                return forward(given, context)
        recording = slot.recordings[key]
        _copy(recording.inputs, given)
        recording.graph.replay()
        cache.advance(frames * self.dit.config.frame_seqlen)
        return tuple(None if each is None else each.clone() for each in recording.outputs)

    def _recording(
        self,
        forward: Callable[[Outputs, Context], Outputs],
        given: Outputs,
        context: Context,
        cache: KVCache,
    ) -> _Recording:
        """Records a forward; what the cache stores stays as it is."""
        inputs = tuple(None if each is None else each.clone() for each in given)
        position = cache.position

        def call() -> Outputs:
            try:
                return forward(inputs, context)
            finally:
                cache.truncate(position)

        graph, outputs = self._record(call)
        return _Recording(graph, inputs, outputs)

    def _slot(self, cache: KVCache, context: Context) -> _Slot:
        """What belongs to a cache, with this prompt and image at its addresses."""
        slot = self._slots.get(cache)
        if slot is None:
            mine = Context(_at_own_addresses(context.text), _at_own_addresses(context.image))
            slot = self._slots[cache] = _Slot(mine, context)
        for side in ("text", "image"):
            new = getattr(context, side)
            if new is not getattr(slot.source, side):
                _copy(_tensors(getattr(slot.context, side)), _tensors(new))
        slot.source = context
        return slot


class CudaRecorder:
    """Records into CUDA graphs that share one pool of memory: they never run at the same time.

    Args:
        device: where the network is.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, call: Callable[[], Outputs]) -> tuple[Graph, Outputs]:
        """Runs a call once, so that everything is compiled and chosen, and records it."""
        with torch.cuda.device(self._device):
            stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
            stream.wait_stream(current)
            with torch.cuda.stream(stream):
                call()
            current.wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                outputs = call()
        return graph, outputs


def _tensors(side: Side) -> Outputs:
    """Every tensor of a prompt or an image."""
    return (side.tokens, *(tensor for keys in side.keys for tensor in keys))


def _at_own_addresses(side: Side) -> Side:
    """A copy that later ones are copied over."""
    keys = tuple(Keys(*(None if x is None else x.clone() for x in each)) for each in side.keys)
    return replace(side, tokens=side.tokens.clone(), keys=keys)


def _copy(to: Outputs, given: Outputs) -> None:
    """Copies tensors to fixed addresses."""
    for mine, other in zip(to, given, strict=True):
        if mine is not None:
            mine.copy_(other)
