"""Low-rank adapters of a network in memory."""

import pytest
import torch
from torch import nn

from dreamzero_policy.model import lora


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k_img = nn.Linear(6, 4), nn.Linear(6, 4)
        self.ffn = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 6))

    def forward(self, x):
        return self.q(self.ffn(x)) + self.k_img(x)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block()])
        self.q = nn.Linear(6, 6)

    def forward(self, x):
        return self.blocks[0](self.q(x))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network()


def test_only_the_named_layers_of_blocks_are_wrapped(network):
    assert lora.add(network, 2, 2.0) == ["blocks.0.q", "blocks.0.ffn.0", "blocks.0.ffn.2"]
    frozen = [n for n, p in network.named_parameters() if not p.requires_grad]
    assert all(".base_layer." in name for name in frozen)
    assert len(frozen) == 6


def test_fresh_adapters_change_nothing_and_merged_ones_change_as_much(network):
    x = torch.randn(3, 6)
    before = network(x)
    lora.add(network, 2, 5.0)
    assert torch.equal(network(x), before)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter += torch.randn_like(parameter)
    learned = network(x)
    assert not torch.allclose(learned, before)
    lora.merge(network)
    assert torch.allclose(network(x), learned, atol=1e-5)
    assert not any("lora" in name for name, _ in network.named_parameters())


def test_gradients_reach_the_adapters_alone(network):
    lora.add(network, 2, 2.0)
    network(torch.randn(2, 6)).sum().backward()
    assert network.blocks[0].q.lora_B.weight.grad is not None
    assert network.blocks[0].q.base_layer.weight.grad is None


def test_nothing_to_wrap(network):
    with pytest.raises(ValueError, match="no linear layer of a block ends in z"):
        lora.add(network, 2, 2.0, targets=("z",))
    with pytest.raises(ValueError, match="rank: expected at least 1, got 0"):
        lora.add(network, 0, 2.0)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"expected A \[r, 6\] and B \[4, r\]"):
        lora.merged(torch.zeros(4, 6), torch.zeros(2, 5), torch.zeros(4, 2), 1.0)
    with pytest.raises(ValueError, match="expected matrices"):
        lora.merged(torch.zeros(4), torch.zeros(2, 5), torch.zeros(4, 2), 1.0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "action_head.model.base_model.model.a.q.lora_A.default.weight",
            ("action_head.model.a.q.weight", "A"),
        ),
        ("action_head.model.a.q.lora_B.weight", ("action_head.model.a.q.weight", "B")),
        ("action_head.model.a.q.base_layer.bias", ("action_head.model.a.q.bias", None)),
        ("action_head.vae.model.conv1.bias", ("action_head.vae.model.conv1.bias", None)),
    ],
)
def test_names(name, expected):
    assert lora.split_name(name) == expected
