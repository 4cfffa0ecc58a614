"""Who attends to whom in training: teacher forcing over clean and noisy halves.

The sequence is [clean video | noisy video | actions | states], frames of S tokens each. The clean
frames of the last block, which nobody would see, are left out; so may all noisy frames be, where
actions alone are predicted.
``teacher_forcing`` gives it as dense attention calls, one per block and half;
``teacher_forcing_mask`` says the same as one boolean matrix, from the rule for a single pair of
tokens (design: model.md 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch

from dreamzero_policy.model.attention import attend


@dataclass(frozen=True)
class Layout:
    """Where things are in a training sequence.

    Attributes:
        blocks: number of blocks.
        frame_tokens: video tokens S per latent frame.
        frames_per_block, actions_per_block, states_per_block: a block.
        window_frames: latent frames W of clean context that a clean block sees.
        noisy_video: whether there are noisy frames.
    """

    blocks: int
    frame_tokens: int
    frames_per_block: int
    actions_per_block: int
    states_per_block: int
    window_frames: int
    noisy_video: bool = True

    @property
    def frames(self) -> int:
        """Latent frames of the window."""
        return 1 + self.blocks * self.frames_per_block

    @property
    def clean_frames(self) -> int:
        """Clean latent frames: those before the last block."""
        return self.frames - self.frames_per_block

    @property
    def video_tokens(self) -> tuple[int, int]:
        """Clean and noisy video tokens."""
        noisy = self.frames if self.noisy_video else 0
        return self.clean_frames * self.frame_tokens, noisy * self.frame_tokens

    @property
    def tokens(self) -> int:
        """Tokens in the sequence."""
        vectors = self.actions_per_block + self.states_per_block
        return sum(self.video_tokens) + self.blocks * vectors

    def clean(self, first: int, stop: int) -> slice:
        """Tokens of clean latent frames ``first`` to ``stop``, exclusive."""
        return slice(first * self.frame_tokens, stop * self.frame_tokens)

    def noisy(self, first: int, stop: int) -> slice:
        """Tokens of noisy latent frames ``first`` to ``stop``, exclusive."""
        clean, _ = self.video_tokens
        return slice(clean + first * self.frame_tokens, clean + stop * self.frame_tokens)

    def actions(self, block: int) -> slice:
        """Action tokens of a block."""
        start = sum(self.video_tokens) + block * self.actions_per_block
        return slice(start, start + self.actions_per_block)

    def states(self, block: int) -> slice:
        """State tokens of a block."""
        before = sum(self.video_tokens) + self.blocks * self.actions_per_block
        start = before + block * self.states_per_block
        return slice(start, start + self.states_per_block)


@dataclass(frozen=True)
class AttentionCall:
    """One dense attention call: every query sees every key, and a query stands in one call only.

    Attributes:
        queries, keys: runs of tokens, to be joined in this order.
    """

    queries: tuple[slice, ...]
    keys: tuple[slice, ...]


def teacher_forcing(layout: Layout) -> tuple[AttentionCall, ...]:
    """The attention of a training forward as dense calls that cover every token once."""
    first_clean, noisy_video = layout.clean(0, 1), layout.noisy_video
    firsts = (first_clean, layout.noisy(0, 1)) if noisy_video else (first_clean,)
    calls = [AttentionCall((each,), (each,)) for each in firsts]
    for block in range(layout.blocks):
        start = 1 + block * layout.frames_per_block
        stop = start + layout.frames_per_block
        if stop < layout.frames:
            seen = layout.clean(max(1, stop - layout.window_frames), stop)
            calls.append(AttentionCall((layout.clean(start, stop),), (first_clean, seen)))
        noisy = (layout.noisy(start, stop),) if noisy_video else ()
        made, states = (*noisy, layout.actions(block)), layout.states(block)
        calls.append(AttentionCall(made, (layout.clean(0, start), *made, states)))
        calls.append(AttentionCall((states,), (states,)))
    return tuple(calls)


def attend_calls(
    calls: tuple[AttentionCall, ...],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
) -> torch.Tensor:
    """Attention as dense calls, what they gather in the order of tokens.

    Args:
        calls: that cover every token once.
        query: [B, L, n, d] of the whole sequence.
        key: the same shape.
        value: the same shape.

    Returns:
        [B, L, n, d].
    """
    runs = [run for call in calls for run in (*call.queries, *call.keys)]
    edges = sorted({edge for run in runs for edge in (run.start, run.stop)})
    lengths = [stop - start for start, stop in pairwise(edges)]
    # Split once, not sliced by every call: the gradient of a slice is a whole tensor of zeros.
    parts = [dict(zip(edges, x.split(lengths, dim=1), strict=False)) for x in (query, key, value)]

    def join(part: dict[int, torch.Tensor], runs: tuple[slice, ...]) -> torch.Tensor:
        inside = [part[at] for run in runs for at in edges if run.start <= at < run.stop]
        return inside[0] if len(inside) == 1 else torch.cat(inside, dim=1)

    pieces: list[tuple[int, torch.Tensor]] = []
    queries, keys, values = parts
    for call in calls:
        out = attend(join(queries, call.queries), join(keys, call.keys), join(values, call.keys))
        lengths = [run.stop - run.start for run in call.queries]
        starts = [run.start for run in call.queries]
        pieces += zip(starts, out.split(lengths, dim=1), strict=True)
    return torch.cat([piece for _, piece in sorted(pieces, key=lambda each: each[0])], dim=1)


def teacher_forcing_mask(layout: Layout) -> torch.Tensor:
    """The same as a bool matrix [tokens, tokens], True where row (query) sees column (key)."""
    clean, noisy, action, state = range(4)
    frames = torch.arange(layout.frames).repeat_interleave(layout.frame_tokens)
    blocks = torch.arange(layout.blocks)
    kinds, frame, block = [], [], []
    for kind, tokens in zip((clean, noisy), layout.video_tokens, strict=True):
        some = frames[:tokens]
        kinds.append(torch.full_like(some, kind))
        frame.append(some)
        block.append((some - 1).div(layout.frames_per_block, rounding_mode="floor"))
    for kind, count in ((action, layout.actions_per_block), (state, layout.states_per_block)):
        each = blocks.repeat_interleave(count)
        kinds.append(torch.full_like(each, kind))
        frame.append(torch.full_like(each, -1))
        block.append(each)
    kind, at, of = torch.cat(kinds), torch.cat(frame), torch.cat(block)
    q, q_of = kind[:, None], of[:, None]
    k, k_at, k_of = kind[None], at[None], of[None]
    oldest = (1 + (q_of + 1) * layout.frames_per_block - layout.window_frames).clamp(min=1)
    same = q_of == k_of
    generates = (q == action) | ((q == noisy) & (q_of >= 0))
    return (
        ((q == clean) & (k == clean) & (k_of <= q_of) & ((k_at == 0) | (k_at >= oldest)))
        | ((q == noisy) & (q_of < 0) & (k == noisy) & (k_of < 0))
        | (generates & (((k == clean) & (k_of < q_of)) | ((k != clean) & same)))
        | ((q == state) & (k == state) & same)
    )
