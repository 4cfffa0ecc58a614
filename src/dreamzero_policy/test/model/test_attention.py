"""The attention call is softmax attention, whatever kernel runs."""

from typing import get_args

import pytest
import torch

from dreamzero_policy.model.attention import Backend, attend, check, running

DEVICES = ["cpu", "cuda"]


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


@pytest.mark.parametrize("width", [64, 128])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("backend", get_args(Backend))
def test_every_backend_agrees_with_the_sum_by_hand(backend, device, dtype, width):
    """Shapes of the cache: keys are a view of a longer buffer, lengths are no round numbers."""
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    try:
        check(backend, device, dtype, width)
    except ValueError as error:
        pytest.skip(str(error))
    torch.manual_seed(0)
    query = torch.randn(1, 85, 4, width, device=device, dtype=dtype)
    store = torch.randn(2, 1, 300, 4, width, device=device, dtype=dtype)
    key, value = store[:, :, :265]
    with running(backend):
        got = attend(query, key, value)
    expected = by_hand(query.double(), key.double(), value.double())
    assert got.dtype == dtype
    # bfloat16 has 8 bits: 2**-8 of the largest value is one of them.
    limit = 1e-5 if dtype == torch.float32 else 2**-7
    assert (got.double() - expected).abs().max() < limit * expected.abs().max()


def test_a_backend_that_a_device_lacks_is_refused_by_name_with_those_it_has():
    said = (
        r"attention: cudnn does not run on cpu with torch.float32 heads of 64 channels \(.+\); "
        "those that do: auto, flash, math"
    )
    with pytest.raises(ValueError, match=said):
        check("cudnn", "cpu", torch.float32, 64)
    with pytest.raises(ValueError, match=r"attention: expected one of \('auto', .+, got 'fast'"):
        running("fast")


def test_the_choice_ends_with_its_context():
    with running("math"):
        assert not torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()
