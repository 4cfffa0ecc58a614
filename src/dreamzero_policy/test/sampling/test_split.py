"""Runs of a part of a sequence, against every token counted one by one."""

from types import SimpleNamespace

import torch
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.model.block import Run
from dreamzero_policy.sampling.split import Shares, Whole, cut, overlap

RUNS = st.lists(st.builds(Run, st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=4)


def rows(runs):
    """The timestep of every token."""
    return [
        row
        for row, tokens in enumerate(run.tokens for run in runs for _ in range(run.rows))
        for _ in range(tokens)
    ]


@given(RUNS, st.data())
def test_tokens_keep_their_timesteps(runs, data):
    whole = rows(runs)
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, len(whole)))
    pieces, kept = cut(tuple(runs), slice(start, stop))
    assert [kept.start + row for row in rows(pieces)] == whole[start:stop]
    assert sum(piece.rows for piece in pieces) == kept.stop - kept.start


@given(RUNS)
def test_a_whole_sequence_stays_as_it_is(runs):
    count = len(rows(runs))
    assert cut(tuple(runs), slice(0, count)) == (tuple(runs), slice(0, sum(r.rows for r in runs)))


@given(st.integers(1, 8), st.integers(8, 100))
def test_shares_are_all_tokens_once_and_equal_to_one(size, count):
    shares = [
        Shares(SimpleNamespace(rank=lambda rank=rank: rank, size=lambda: size)).mine(count)
        for rank in range(size)
    ]
    assert [token for share in shares for token in range(count)[share]] == list(range(count))
    lengths = {share.stop - share.start for share in shares}
    assert min(lengths) >= 1
    assert max(lengths) - min(lengths) <= 1


def test_an_overlap_may_be_empty():
    assert overlap(slice(2, 5), slice(4, 9)) == slice(4, 5)
    assert overlap(slice(2, 5), slice(7, 9)) == slice(7, 7)
    assert overlap(slice(7, 9), slice(2, 5)) == slice(7, 7)


def test_one_process_sends_nothing():
    x = torch.ones(1, 3)
    assert Whole().gather(x, 3, slice(0, 3)) is x
    assert Whole().keys_values(x, x, 3) == (x, x)
