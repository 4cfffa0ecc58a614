"""The attention call is softmax attention, whatever kernel runs."""

import torch

from dreamzero_policy.model.attention import attend


def by_hand(query, key, value, mask=None):
    scores = torch.einsum("bqnd,bknd->bnqk", query, key) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.einsum("bnqk,bknd->bqnd", scores.softmax(-1), value)


def test_it_is_softmax_attention():
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 5, 3, 8), torch.randn(2, 7, 3, 8), torch.randn(2, 7, 3, 8)
    torch.testing.assert_close(attend(query, key, value), by_hand(query, key, value))
    mask = torch.rand(5, 7) < 0.5
    mask[:, 0] = True
    torch.testing.assert_close(attend(query, key, value, mask), by_hand(query, key, value, mask))


def test_a_view_of_a_longer_buffer_is_the_same():
    torch.manual_seed(0)
    query, store = torch.randn(2, 5, 3, 8), torch.randn(2, 2, 20, 3, 8)
    key, value = store[:, :, 4:13]
    copied = attend(query, key.contiguous(), value.contiguous())
    torch.testing.assert_close(attend(query, key, value), copied, rtol=0, atol=1e-6)
