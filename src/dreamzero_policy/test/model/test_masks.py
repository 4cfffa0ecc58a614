"""The dense calls, the matrix and the written rule say the same."""

import itertools

import pytest
import torch

from dreamzero_policy.model.masks import Layout, teacher_forcing, teacher_forcing_mask


def from_calls(layout):
    seen = torch.zeros(layout.tokens, layout.tokens, dtype=torch.bool)
    asked = torch.zeros(layout.tokens, dtype=torch.int)
    for call in teacher_forcing(layout):
        for query in call.queries:
            asked[query] += 1
            for key in call.keys:
                assert not seen[query, key].any(), "a key stands twice in one call"
                seen[query, key] = True
    assert asked.eq(1).all(), "a query stands in no call or in several"
    return seen


def from_the_rule(layout):
    """Every pair of tokens, one by one, from the table of design model.md 3.1 and its window."""
    S, K = layout.frame_tokens, layout.frames_per_block
    tokens = [
        (half, (frame - 1) // K, frame)
        for half, frames in (("C", layout.frames - K), ("N", layout.frames * layout.noisy_video))
        for frame in range(frames)
        for _ in range(S)
    ]
    for kind, count in (("A", layout.actions_per_block), ("S", layout.states_per_block)):
        tokens += [(kind, block, None) for block in range(layout.blocks) for _ in range(count)]

    def sees(query, key):
        (kind, block, _), (other, of, at) = query, key
        if kind == "C":
            end = 1 + (block + 1) * K
            near = at == 0 or (at is not None and at >= end - layout.window_frames)
            return other == "C" and of <= block and near
        if kind == "S":
            return other == "S" and of == block
        if kind == "N" and block < 0:
            return other == "N" and of < 0
        return of < block if other == "C" else of == block

    pairs = itertools.product(tokens, tokens)
    flat = torch.tensor([sees(query, key) for query, key in pairs])
    return flat.reshape(layout.tokens, layout.tokens)


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
@pytest.mark.parametrize(("frames", "window"), [(2, 9), (2, 3), (1, 2), (3, 4)])
@pytest.mark.parametrize(("states", "noisy_video"), [(1, True), (2, True), (1, False), (2, False)])
def test_calls_matrix_and_rule_agree(blocks, frames, window, states, noisy_video):
    layout = Layout(blocks, 2, frames, 4, states, window, noisy_video)
    matrix = teacher_forcing_mask(layout)
    assert torch.equal(from_calls(layout), matrix)
    assert torch.equal(from_the_rule(layout), matrix)


def test_runs_cover_the_sequence_of_the_released_model():
    layout = Layout(4, 880, 2, 24, 1, 9)
    assert (layout.frames, layout.video_tokens, layout.tokens) == (9, (6160, 7920), 14180)
    assert layout.actions(3) == slice(14152, 14176)
    assert layout.states(3) == slice(14179, 14180)
