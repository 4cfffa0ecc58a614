"""The fast convolutions against the usual ones."""

import copy

import pytest
import torch
from torch import nn

from dreamzero_policy.acceleration.onednn import prefer_onednn


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_the_numbers_are_those_of_the_usual_convolution(stride, padding, bias):
    torch.manual_seed(0)
    usual = nn.Sequential(nn.Conv3d(6, 8, 3, stride=stride, padding=padding, bias=bias))
    fast = copy.deepcopy(usual)
    assert prefer_onednn(fast) == 1
    x = torch.randn(1, 6, 5, 12, 14)
    with torch.inference_mode():
        torch.testing.assert_close(fast(x), usual(x), rtol=1e-5, atol=1e-5)


def test_the_whole_vae_is_the_same():
    from dreamzero_policy import embodiments
    from dreamzero_policy.checkpoint.load import load

    vae = load("random:tiny", embodiments.get("droid")).model.vae
    video = torch.rand(1, 3, 9, 96, 160) * 2 - 1
    with torch.inference_mode():
        latents = vae.encode(video)
        frames = vae.decode(latents)
        assert prefer_onednn(vae) > 10
        torch.testing.assert_close(vae.encode(video), latents, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(vae.decode(latents), frames, rtol=1e-4, atol=1e-5)


def test_gradients_and_other_dtypes_go_the_usual_way():
    layer = nn.Conv3d(2, 3, 3, padding=1)
    prefer_onednn(layer)
    layer(torch.randn(1, 2, 4, 5, 6)).sum().backward()
    assert layer.weight.grad.abs().sum() > 0
    with torch.no_grad():
        assert layer.double()(torch.randn(1, 2, 4, 5, 6).double()).dtype == torch.float64


def test_a_padding_with_a_mode_is_left_alone():
    assert prefer_onednn(nn.Conv3d(2, 3, 3, padding=1, padding_mode="replicate")) == 0
