"""The network's forwards as a policy needs them: packed, and without what nobody reads.

``Forwards`` gives what ``CausalDiT.write`` and ``denoise`` give, to rounding, with less work:

* A block that was observed and the first denoising forward after it go through the layers
  together. The tokens stand as ``[clean video | noisy video | actions | states]``. Clean tokens see
  what is stored and each other, all others see everything; so what clean tokens become does not
  depend on the others, and the keys that they leave in the cache are those of a forward of their
  own.
* In the last block only those tokens go on that somebody reads: noisy video and actions, in the
  last evaluation perhaps the actions alone. Of all others, states included, the last block needs
  the keys and values, of clean ones in order to store them.
* Weights that were trained without noisy frames have none in the sequence, and give no video.

The slow twin is ``Literal`` (``network.py``).

Shape legend: B batch, C latent channels, K latent frames per block, S tokens per frame, L tokens,
h, w latent height and width, n_a actions and n_s states per block.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from dreamzero_policy.model.attention import Backend, attend, running
from dreamzero_policy.model.block import Block, Keys, Run
from dreamzero_policy.model.context import Context
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.inputs import expect_block, expect_call
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Clean, Noisy
from dreamzero_policy.sampling.split import Tokens, Whole, cut, overlap


class _Sequence(NamedTuple):
    """Tokens on their way through the blocks.

    Attributes:
        x: [B, L, D].
        times: [B, R, D] embedding of every timestep.
        modulation: [B, R, 6, D].
        runs: how the L tokens fall to the R timesteps.
        table: complex64 [L, d/2] rotations.
        clean: tokens, at the beginning, that see only what is stored and one another.
        tail: action and state tokens at the end.
    """

    x: Tensor
    times: Tensor
    modulation: Tensor
    runs: tuple[Run, ...]
    table: Tensor
    clean: int
    tail: int


class _Wanted(NamedTuple):
    """The tokens that leave the last block, and how they fall to timesteps."""

    tokens: slice
    runs: tuple[Run, ...]


def project(
    block: Block,
    x: Tensor,
    modulation: Tensor,
    runs: tuple[Run, ...],
    table: Tensor,
    first: int,
    stop: int,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """What a block does before its self-attention.

    Args:
        block: which one.
        x: [B, L, D].
        modulation: [B, R, 6, D].
        runs: how the L tokens fall to the R timesteps.
        table: rotations of the L tokens.
        first: of the tokens that ask.
        stop: behind the last of them.

    Returns:
        Queries [B, stop - first, n, d], None where no token asks; keys and values [B, L, n, d].
    """
    h = block.enter(x, modulation, runs)
    query = None
    if stop > first:
        query = block.self_attn.query(h[:, first:stop], table[first:stop])
    return query, *block.self_attn.keys_values(h, table)


def finish(
    block: Block,
    x: Tensor,
    gathered: Tensor,
    modulation: Tensor,
    runs: tuple[Run, ...],
    text: Keys,
    image: Keys,
) -> Tensor:
    """What a block does after its self-attention.

    Args:
        block: which one.
        x: [B, L, D], the tokens that go on.
        gathered: [B, L, n, d], what their queries gathered.
        modulation: as for ``project``, of these tokens.
        runs: the same.
        text: keys and values of the cross-attention to the prompt.
        image: the same of the first image.

    Returns:
        [B, L, D].
    """
    return block.leave(x, block.self_attn.o(gathered.flatten(2)), modulation, runs, text, image)


class Regions(NamedTuple):
    """The two parts of a block: functions of tensors that know nothing of the cache or the depth.

    Every block runs the same two, so that a compiler has few and small things to compile.
    """

    project: Callable[..., tuple[Tensor | None, Tensor, Tensor]] = project
    finish: Callable[..., Tensor] = finish


class Forwards:
    """Packed and trimmed forwards.

    Args:
        dit: the network.
        attention: the kernel that it runs.
        tokens: how a forward's tokens are divided over processes; None: this one has them all.
        video: False leaves the noisy frames out, for weights that were trained without them.

    Attributes:
        regions: how the parts of a block are run.
    """

    packs = True

    def __init__(
        self,
        dit: CausalDiT,
        attention: Backend = "auto",
        tokens: Tokens | None = None,
        *,
        video: bool = True,
    ) -> None:
        self.dit = dit
        self.regions = Regions()
        self._attention = attention
        self._frames = dit.config.num_frame_per_block if video else 0
        self._tokens = Whole() if tokens is None else tokens

    @torch.no_grad()
    def write(self, clean: Clean, context: Context, cache: KVCache) -> None:
        """As ``Network.write``: of the last block only the keys and values are made."""
        with running(self._attention):
            self._through(self._clean_sequence(clean, context, cache), context, cache, None)

    @torch.no_grad()
    def denoise(
        self,
        noisy: Noisy,
        context: Context,
        cache: KVCache,
        clean: Clean | None = None,
        video: bool = True,
    ) -> tuple[Tensor | None, Tensor]:
        """As ``Network.denoise``; without ``video`` the last block is the actions' alone."""
        dit, config = self.dit, self.dit.config
        sequence, grid = self._sequence(noisy, context, cache, clean)
        frames, actions = self._frames, config.num_action_per_block
        video = video and frames > 0
        first = len(sequence.times[0]) - frames - actions - config.num_state_per_block
        block = frames * config.frame_seqlen
        wanted = _Wanted(
            slice(sequence.clean + (0 if video else block), sequence.clean + block + actions),
            (*([Run(frames, config.frame_seqlen)] if video else []), Run(actions, 1)),
        )
        with running(self._attention):
            x = self._through(sequence, context, cache, wanted)
        velocity = dit.action_decoder(x[:, -actions:])
        if not video:
            return None, velocity
        times = sequence.times[:, first : first + frames]
        return dit.video_velocity(x[:, :block], times, wanted.runs[:1], (frames, *grid)), velocity

    def _clean_sequence(self, clean: Clean, context: Context, cache: KVCache) -> _Sequence:
        """The tokens of clean latents alone."""
        dit, config, size = self.dit, self.dit.config, self.dit.config.frame_seqlen
        batch, _, frames = clean.latents.shape[:3]
        start = cache.position // size
        grid = expect_call(config, clean.latents, context, cache.position, start)
        x = dit.embed_video(clean.latents, clean.y)
        tau = torch.zeros(batch, frames, device=x.device)
        shape = (frames, *grid)
        table = dit.tables.sequence(start, shape, (0, 0), (0, 0), x.device)
        times, modulation = dit.modulation(tau)
        return _Sequence(x, times, modulation, (Run(frames, size),), table, x.shape[1], 0)

    def _sequence(
        self, noisy: Noisy, context: Context, cache: KVCache, clean: Clean | None
    ) -> tuple[_Sequence, tuple[int, int]]:
        """The tokens of a noisy block, behind clean ones if there are any; and the patch grid."""
        dit, config = self.dit, self.dit.config
        size, frames = config.frame_seqlen, self._frames
        actions, states = config.num_action_per_block, config.num_state_per_block
        start = cache.position // size
        grid = expect_call(config, noisy.latents, context, cache.position, start)
        given = noisy.actions, noisy.action_tau, noisy.state
        expect_block(config, noisy.latents, noisy.video_tau, *given)
        latents, before = noisy.latents[:, :, :frames], 0
        y = None if noisy.y is None else noisy.y[:, :, :frames]
        tau = dit.timesteps(noisy.video_tau[:, :frames], noisy.action_tau)
        runs = (Run(frames, size), Run(actions + states, 1))
        if clean is not None:
            before = clean.latents.shape[2]
            latents = torch.cat([clean.latents.to(latents), latents], dim=2)
            y = y if y is None else torch.cat([clean.y, y], dim=2)
            tau = torch.cat([tau.new_zeros(tau.shape[0], before), tau], dim=1)
            runs = (Run(before, size), *runs)
        vectors = dit.embed_vectors(*given)
        video = [dit.embed_video(latents, y)] if before + frames else []
        x = torch.cat([*video, *vectors], dim=1)
        block = (start + before - 1) // config.num_frame_per_block
        table = dit.tables.sequence(
            start,
            (before + frames, *grid),
            (block * actions, actions),
            (block * states, states),
            x.device,
        )
        times, modulation = dit.modulation(tau)
        tokens, tail = before * size, actions + states
        return _Sequence(x, times, modulation, runs, table, tokens, tail), grid

    def _through(
        self, sequence: _Sequence, context: Context, cache: KVCache, wanted: _Wanted | None
    ) -> Tensor:
        """Tokens [B, L, D] through every block; those that are wanted, out of the last."""
        whole, _, modulation, runs, table, clean, tail = sequence
        count, config = whole.shape[1], self.dit.config
        states = 0 if config.state_attends_all or not tail else config.num_state_per_block
        mine = self._tokens.mine(count)
        x, table, (here, rows) = whole[:, mine], table[mine], cut(runs, mine)
        times = modulation[:, rows]
        gather = partial(self._tokens.keys_values, count=count)
        reach = partial(_attend, cache, gather, clean, tail, states)
        first = _length(overlap(mine, slice(0, clean)))
        alone = _length(overlap(mine, slice(count - states, count)))
        last = len(self.dit.blocks) - 1
        for index, block in enumerate(self.dit.blocks):
            asking = slice(0, x.shape[1])
            if index == last:
                part = overlap(mine, wanted.tokens if wanted else slice(0, 0))
                asking = slice(part.start - mine.start, part.stop - mine.start)
                first = alone = 0
            query, key, value = self.regions.project(
                block, x, times, here, table, asking.start, asking.stop
            )
            if query is None:
                cache.write(index, *gather(key, value), cache.position)
                x = x[:, asking]
                continue
            gathered = reach(index, first, alone, query, key, value)
            if index == last:
                x, (here, rows) = x[:, asking], cut(runs, part)
                times = modulation[:, rows]
            x = self.regions.finish(block, x, gathered, times, here, *context.sides(index))
        if wanted is not None:
            x = self._tokens.gather(x, count, wanted.tokens)
        if clean:
            cache.advance(clean)
        return x


def _length(part: slice) -> int:
    return part.stop - part.start


def _attend(
    cache: KVCache,
    gather: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    clean: int,
    tail: int,
    states: int,
    layer: int,
    first: int,
    alone: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
) -> Tensor:
    """Attention of a packed sequence.

    Args:
        cache: keys of the sequence go behind what is stored.
        gather: keys and values of all tokens, of those that this process made.
        clean: clean tokens in front of the sequence.
        tail: action and state tokens at its end.
        states: tokens, at the very end, that see only one another; 0 where they see everything.
        layer: of the cache.
        first: queries, at the beginning, that are clean.
        alone: queries, at the end, that are such states.
        query: [B, queries, n, d] of some tokens.
        key: [B, made, n, d].
        value: the same.
    """
    key, value = gather(key, value)
    cache.write(layer, key, value, cache.position)
    stop = query.shape[1] - alone
    pieces = []
    if first:
        pieces.append(attend(query[:, :first], *cache.keys_values(layer, new=clean)))
    if stop > first:
        seen = cache.keys_values(layer, new=key.shape[1] - tail, tail=tail)
        pieces.append(attend(query[:, first:stop], *seen))
    if alone:
        pieces.append(attend(query[:, stop:], key[:, -states:], value[:, -states:]))
    if not pieces:
        return query
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)
