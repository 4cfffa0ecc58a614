"""Positions: which pairs turn, by how much, and that only differences matter."""

import pytest
import torch

from dreamzero_policy.model.rope import (
    RotaryTables,
    axis_pairs,
    rotate,
    running_turns,
    turns,
    video_turns,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("head_dim", "pairs"),
    [(128, (22, 21, 21)), (64, (12, 10, 10)), (16, (4, 2, 2)), (6, (1, 1, 1))],
)
def test_pairs_are_shared_out(head_dim, pairs):
    assert axis_pairs(head_dim) == pairs
    assert sum(pairs) == head_dim // 2


def test_angle_of_a_pair():
    table = turns(torch.tensor([0, 3]), 4)
    assert table.dtype == torch.complex128
    assert table[0].tolist() == [1] * 4
    for pair in range(4):
        assert table[1, pair].angle() == pytest.approx(3 * 10000 ** (-pair / 4), abs=1e-12)


def test_video_positions_are_frame_row_column():
    table = video_turns(5, 2, 3, 4, 128, CPU).reshape(2, 3, 4, 64)
    for t, h, w in [(0, 0, 0), (1, 2, 3), (1, 0, 2)]:
        parts = [turns(torch.tensor([p]), n)[0] for p, n in [(5 + t, 22), (h, 21), (w, 21)]]
        assert torch.equal(table[t, h, w], torch.cat(parts))


def test_rotation_is_of_adjacent_pairs():
    x = torch.arange(8, dtype=torch.float64).reshape(1, 1, 1, 8)
    angles = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    out = rotate(x, torch.polar(torch.ones(4, dtype=torch.float64), angles)[None])
    for pair, angle in enumerate(angles):
        a, b = x[0, 0, 0, 2 * pair], x[0, 0, 0, 2 * pair + 1]
        turned = torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()])
        torch.testing.assert_close(out[0, 0, 0, 2 * pair : 2 * pair + 2], turned)


def test_only_the_difference_of_positions_matters():
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 32, dtype=torch.float64)

    def score(at_query, at_key):
        a = rotate(query, running_turns(at_query, 1, 32, CPU))
        b = rotate(key, running_turns(at_key, 1, 32, CPU))
        return (a * b).sum()

    torch.testing.assert_close(score(7, 3), score(104, 100))
    assert abs(score(7, 3) - score(7, 4)) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_in_float32_is_the_one_in_float64_to_rounding(dtype):
    torch.manual_seed(0)
    x = torch.randn(1, 3, 2, 16).to(dtype)
    wide = running_turns(9000, 3, 16, CPU)
    fast, slow = rotate(x, wide.to(torch.complex64)), rotate(x, wide)
    assert fast.dtype == slow.dtype == dtype
    assert torch.equal(slow, rotate(x.double(), wide).to(dtype))
    assert (fast.double() - slow.double()).abs().max() <= 2 * torch.finfo(dtype).eps * x.abs().max()


def test_a_sequence_is_video_then_actions_then_states():
    tables = RotaryTables(16)
    table = tables.sequence(3, (2, 2, 2), (24, 24), (1, 1), CPU)
    video = video_turns(3, 2, 2, 2, 16, CPU)
    parts = video, running_turns(24, 24, 16, CPU), running_turns(1, 1, 16, CPU)
    assert torch.equal(table, torch.cat(parts).to(torch.complex64))
    assert tables.sequence(3, (2, 2, 2), (24, 24), (1, 1), CPU) is table


def test_a_table_made_in_inference_mode_serves_training():
    tables = RotaryTables(16)
    with torch.inference_mode():
        tables.sequence(0, (1, 2, 2), (0, 0), (0, 0), CPU)
    x = torch.randn(1, 4, 1, 16, requires_grad=True)
    rotate(x, tables.sequence(0, (1, 2, 2), (0, 0), (0, 0), CPU)).sum().backward()
    assert x.grad is not None
