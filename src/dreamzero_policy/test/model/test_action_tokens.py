"""Codecs of actions and states."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from dreamzero_policy.model.action_tokens import (
    ActionEncoder,
    PooledLinear,
    PooledMlp,
    action_sinusoid,
)


def test_sinusoid_is_sine_first_in_float32():
    waves = action_sinusoid(torch.tensor([[0, 625]]), 8)
    assert waves.dtype == torch.float32
    assert waves[0, 0].tolist() == [0] * 4 + [1] * 4
    for j in range(4):
        angle = 625 * 10000 ** (-j / 4)
        assert waves[0, 1, j].item() == pytest.approx(math.sin(angle), abs=1e-4)
        assert waves[0, 1, 4 + j].item() == pytest.approx(math.cos(angle), abs=1e-4)


def test_weights_are_stored_in_out():
    layer = PooledLinear(3, 5)
    assert [*layer.W.shape, *layer.b.shape] == [1, 3, 5, 1, 5]
    x = torch.randn(2, 4, 3)
    torch.testing.assert_close(layer(x), F.linear(x, layer.W[0].T, layer.b[0]))


def test_mlp_has_a_relu_between():
    mlp = PooledMlp(3, 6, 2)
    x = torch.randn(2, 4, 3)
    torch.testing.assert_close(mlp(x), mlp.layer2(mlp.layer1(x).clamp(min=0)))


def test_action_encoder_joins_action_and_time():
    torch.manual_seed(0)
    encoder = ActionEncoder(3, 8)
    actions, tau = torch.randn(2, 4, 3), torch.rand(2, 4) * 1000
    joined = torch.cat([encoder.W1(actions), action_sinusoid(tau, 8)], dim=-1)
    hidden = encoder.W2(joined)
    expected = encoder.W3(hidden * hidden.sigmoid())
    torch.testing.assert_close(encoder(actions, tau), expected)
