"""Linear layers by oneDNN give what the plain ones give."""

import gc
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

from dreamzero_policy.acceleration import packed
from dreamzero_policy.acceleration.packed import NARROWEST, pack_linears
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Noisy
from dreamzero_policy.weights.random_weights import random_tensor

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="no oneDNN here")


def pair(width=NARROWEST):
    plain = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU("tanh"), nn.Linear(2 * width, width))
    alone = nn.Linear(width, width)
    return nn.ModuleDict({"feed_forward": plain, "alone": alone})


@pytest.mark.parametrize("width", [NARROWEST, 64])
@pytest.mark.parametrize("shape", [(1, 7), (2, 33), (5,)])
def test_layers_agree(width, shape):
    torch.manual_seed(0)
    model, x = pair(width), torch.randn(*shape, width)
    with torch.no_grad():
        wanted = [layer(x) for layer in model.values()]
        assert pack_linears(model) == (3 if width >= NARROWEST else 2)
        got = [layer(x) for layer in model.values()]
    for a, b in zip(got, wanted, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_whole_network_agrees():
    config = replace(TINY, dim=256, ffn_dim=512, num_layers=2)
    dit = CausalDiT(config).eval()
    for name, parameter in dit.named_parameters():
        parameter.data = random_tensor(name, tuple(parameter.shape), 0)
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(1, *shape, generator=generator)

    y = random(config.condition_channels, 2, *config.latent_size)
    noisy = Noisy(
        random(config.out_dim, 2, *config.latent_size),
        torch.full((1, 2), 700),
        random(24, config.max_action_dim),
        torch.full((1, 24), 700),
        random(1, config.max_state_dim),
        y,
    )
    with torch.no_grad():
        context = dit.embed_context(
            random(config.text_len, config.text_dim), random(config.image.tokens, config.clip_dim)
        )
        caches = [KVCache.for_model(config) for _ in range(2)]
        for cache in caches:
            dit.write(noisy.latents[:, :, :1], y[:, :, :1], context, cache, 0)
        wanted = Forwards(dit).denoise(noisy, context, caches[0])
        assert pack_linears(dit) > 10
        got = Forwards(dit).denoise(noisy, context, caches[1])
    for a, b in zip(got, wanted, strict=True):
        assert float((a - b).abs().max() / b.abs().max()) < 1e-5


def test_gradients_go_the_usual_way():
    model = pair()
    pack_linears(model)
    x = torch.randn(3, NARROWEST, requires_grad=True)
    sum(layer(x).sum() for layer in model.values()).backward()
    assert x.grad is not None
    assert model["alone"].weight.grad is not None


@pytest.mark.parametrize("change", ["dtype", "limit", "device", "kind", "quantised"])
def test_what_it_leaves_alone(change):
    class Other(nn.Linear):
        """Any other kind of layer."""

    class Weight(torch.Tensor):
        """As a quantised one says its dtype is that of what it stands for."""

    quantised = nn.ModuleDict({"a": nn.Linear(NARROWEST, NARROWEST)})
    quantised["a"].weight = nn.Parameter(torch.randn(NARROWEST, NARROWEST).as_subclass(Weight))
    model = {
        "quantised": lambda: quantised,
        "dtype": lambda: pair().to(torch.bfloat16),
        "limit": pair,
        "device": lambda: pair().to("meta"),
        "kind": lambda: nn.ModuleDict({"a": Other(NARROWEST, NARROWEST)}),
    }[change]()
    assert pack_linears(model, **({"limit": 1000} if change == "limit" else {})) == 0
    assert not any(hasattr(module, "copy") for module in model.modules())


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiler_uses_the_copies_and_layers_that_are_alike_are_one_program(backend):
    torch.manual_seed(0)
    torch.compiler.reset()
    models, x = [pair()["feed_forward"] for _ in range(3)], torch.randn(1, 7, NARROWEST)
    counter = CompileCounterWithBackend(backend)
    run = torch.compile(lambda model, x: model(x), fullgraph=True, backend=counter)
    with torch.no_grad():
        for model in models:
            wanted = model(x)
            pack_linears(model)
            assert torch.allclose(run(model, x), wanted, rtol=1e-5, atol=1e-6)
    assert counter.frame_count == 1
    operators = [str(node.target) for graph in counter.graphs for node in graph.graph.nodes]
    assert operators.count("dreamzero.packed_linear") == 2


def test_a_layer_that_is_gone_leaves_no_copy():
    model = pair()
    addresses = {parameter.data_ptr() for parameter in model.parameters() if parameter.dim() == 2}
    pack_linears(model)
    assert len(addresses) == 3
    assert addresses <= packed._copies.keys()
    del model
    gc.collect()
    assert not addresses & packed._copies.keys()
