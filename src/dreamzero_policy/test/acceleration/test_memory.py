"""Bytes that a model needs, against its modules, the published figures and a real forward."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from dreamzero_policy.acceleration import memory, quantize
from dreamzero_policy.acceleration.memory import Use, estimate
from dreamzero_policy.acceleration.packed import pack_linears
from dreamzero_policy.checkpoint.load import build, load
from dreamzero_policy.embodiments import get
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import DROID_14B, TINY, WAN22_5B
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Clean, Noisy

GB = 1e9


def network_parameters(config):
    """Of the transformer, by the shapes of its layers."""
    dim, ffn, hidden = config.dim, config.ffn_dim, config.hidden_size
    linear = lambda rows, columns: (rows + 1) * columns  # noqa: E731
    block = 10 * linear(dim, dim) + linear(dim, ffn) + linear(ffn, dim) + 7 * dim + 6 * dim
    state = linear(config.max_state_dim, hidden) + linear(hidden, dim)
    action = linear(config.max_action_dim, dim) + linear(2 * dim, dim) + linear(dim, dim)
    decoder = linear(dim, hidden) + linear(hidden, config.max_action_dim)
    text = linear(config.text_dim, dim) + linear(dim, dim)
    time = linear(config.freq_dim, dim) + linear(dim, dim) + linear(dim, 6 * dim)
    clip = config.clip_dim
    image = 2 * clip + linear(clip, clip) + linear(clip, dim) + 2 * dim
    head = linear(dim, 4 * config.out_dim) + 2 * dim
    patch = linear(4 * config.in_dim, dim)
    return config.num_layers * block + state + action + decoder + text + time + image + head + patch


@pytest.mark.parametrize("config", [DROID_14B, WAN22_5B, TINY])
def test_weights_are_those_of_the_layers_and_of_the_modules(config):
    parts = estimate(config, device="cuda").parts
    assert parts["network"] == 2 * network_parameters(config)
    model = build(config)
    for name, module in (
        ("text encoder", model.text_encoder),
        ("image encoder", model.image_encoder),
        ("video VAE", model.vae),
    ):
        assert parts[name] == 2 * sum(each.numel() for each in module.parameters())
    assert estimate(config, device="cpu").parts["network"] == 2 * parts["network"]  # float32


def test_the_published_figures():
    """shared design, performance.md 1.3, in its rounding."""
    parts = estimate(DROID_14B).parts
    assert parts["network"] / GB == pytest.approx(33.0, rel=0.005)
    assert parts["text encoder"] / GB == pytest.approx(11.4, rel=0.005)
    assert parts["image encoder"] / GB == pytest.approx(1.26, rel=0.005)
    assert parts["video VAE"] / GB == pytest.approx(0.25, rel=0.02)
    weights = sum(parts[name] for name in list(parts)[:4])
    assert weights / 2**30 == pytest.approx(42.8, rel=0.005)
    token = 40 * 2 * 5120 * 2
    assert token == 800 * 1024
    one = estimate(DROID_14B, Use(branches=1)).parts
    assert one["context"] == (9 * 880 + 25) * token  # the frames, and scratch rows
    assert one["context"] / GB == pytest.approx(6.49, rel=0.005)
    assert parts["context"] == 2 * one["context"]
    assert one["prompt and image"] / GB == pytest.approx(0.63, rel=0.005)
    frame = memory.estimate(replace(DROID_14B, max_chunk_size=5), Use(branches=1)).parts["context"]
    assert (frame - one["context"]) / 2 / GB == pytest.approx(0.72, rel=0.005)
    small = estimate(WAN22_5B, Use(branches=1)).parts
    assert small["network"] / GB == pytest.approx(11.2, rel=0.005)
    assert small["video VAE"] / GB == pytest.approx(1.4, rel=0.01)
    assert small["context"] / GB == pytest.approx(0.17, rel=0.05)


def test_what_the_goals_ask_for_fits_what_they_allow():
    """66 GB in bfloat16 with guidance; 32 GB in fp8 with one branch and the text encoder apart."""
    assert estimate(DROID_14B, Use(graphs=True)).total < 66 * GB
    small = Use(precision="fp8", branches=1, text_on_cpu=True, graphs=True)
    assert estimate(DROID_14B, small).total < 32 * GB
    assert estimate(DROID_14B, Use(precision="nvfp4", branches=1)).total < 34 * GB


def test_the_context_is_that_of_the_caches():
    for blocks in (None, 2):
        cache = KVCache.for_model(replace(TINY, max_chunk_size=blocks or TINY.max_chunk_size))
        use = Use(branches=2, windows=2, blocks=blocks)
        assert estimate(TINY, use, "cpu").parts["context"] == 4 * cache.bytes


@pytest.mark.parametrize("precision", ["int8", "fp8", "nvfp4"])
def test_converted_weights_are_as_large_as_said(precision):
    dit = load("random:tiny", get("droid"), dtype=torch.bfloat16).model.dit
    quantize.convert(dit, quantize.plan(dit, precision), torch.device("cpu"))
    stored = 0
    for parameter in dit.parameters():
        names = getattr(parameter, "tensor_data_names", None)
        tensors = [getattr(parameter, name) for name in names] if names else [parameter]
        stored += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    said = estimate(TINY, Use(precision=precision)).parts["network"]
    assert said == pytest.approx(stored, rel=0.02)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="no oneDNN here")
def test_copies_of_layers_on_a_cpu_are_as_large_as_said():
    config = replace(TINY, dim=256, ffn_dim=512, num_layers=2)
    dit, part = CausalDiT(config), "layers laid out for oneDNN"
    assert pack_linears(dit) > 20
    copies = sum(each.weight.nbytes for each in dit.modules() if hasattr(each, "copy"))
    assert estimate(config, device="cpu").parts[part] == copies > 9_000_000
    converted = estimate(config, Use(precision="int8"), device="cpu").parts[part]
    assert 0 < converted < 0.3 * copies  # of the blocks nothing is left to copy
    for where in ({"device": "cuda"}, {"device": "cpu", "dtype": torch.bfloat16}):
        assert part not in estimate(config, **where).parts
    assert part not in estimate(WAN22_5B, device="cpu").parts  # too large to be copied


def test_a_forward_takes_about_what_is_said():
    """Its largest moment, from every allocation of a packed forward on this CPU."""
    config = replace(TINY, dim=256, ffn_dim=768, num_heads=4)
    dit = CausalDiT(config).eval()
    size, block, rows = config.latent_size, config.num_frame_per_block, config.num_action_per_block
    with torch.inference_mode():
        context = dit.embed_context(
            torch.zeros(1, config.text_len, config.text_dim),
            torch.zeros(1, config.image.tokens, config.clip_dim),
        )
        cache, forwards = KVCache.for_model(config), Forwards(dit)
        y = torch.zeros(1, config.condition_channels, block, *size)
        forwards.write(Clean(torch.zeros(1, 16, 1, *size), y[:, :, :1]), context, cache)
        noisy = Noisy(
            *(torch.zeros(1, 16, block, *size), torch.zeros(1, block)),
            *(torch.zeros(1, rows, config.max_action_dim), torch.zeros(1, rows)),
            *(torch.zeros(1, 1, config.max_state_dim), y),
        )
        clean = Clean(noisy.latents, y)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            forwards.denoise(noisy, context, cache, clean)
    events = profiled.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    peak = max(itertools.accumulate(change for _, change in changes))
    assert 0.5 < memory._forward(config, 4) / peak < 2.5


def test_conversion_on_the_way_to_a_gpu_takes_the_host_s_memory():
    plain = estimate(DROID_14B)
    assert plain.host == 0
    fp8 = estimate(DROID_14B, Use(precision="fp8"))
    assert fp8.host / GB == pytest.approx(45.9, rel=0.005)
    apart = estimate(DROID_14B, Use(text_on_cpu=True))
    assert plain.total - apart.total == plain.parts["text encoder"]
    assert apart.host / GB == pytest.approx(45.9, rel=0.005)
    # On a CPU nothing is spared while it is loaded.
    whole, int8 = (estimate(DROID_14B, Use(precision=each), "cpu") for each in ("none", "int8"))
    copies = int8.parts["layers laid out for oneDNN"]  # of the little that is not converted
    assert int8.total - copies == whole.total


@pytest.fixture
def gpu(monkeypatch):
    """An H200 with so much room."""

    def make(room):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (room, 141 * 10**9))
        real = memory.free
        monkeypatch.setattr(
            memory, "free", lambda at: real(at) if "cuda" in str(at) else 200 * 10**9
        )

    return make


def test_too_little_memory_is_said_with_what_would_fit(gpu):
    gpu(100 * 10**9)
    assert memory.check(DROID_14B, Use(), "cuda:0").total < 100 * GB
    gpu(56 * 10**9)
    with pytest.raises(ValueError, match="memory: the model needs") as said:
        memory.check(DROID_14B, Use(), "cuda:0")
    text = str(said.value)
    assert "network 33.0, text encoder 11.4" in text
    assert "NVIDIA H200 (cuda:0) has 56.0 GB free" in text
    fits = text.partition("what would fit: ")[2].split("; ")
    assert [each.partition(" (")[0] for each in fits] == [
        "text_encoder: cpu",
        "guidance_scale: 1.0",
        "precision: fp8",
    ]
    gpu(32 * 10**9)
    with pytest.raises(ValueError, match="what would fit: ") as said:
        memory.check(DROID_14B, Use(), "cuda:0")
    fits = str(said.value).partition("what would fit: ")[2]
    assert fits.startswith("text_encoder: cpu with guidance_scale: 1.0 with precision: fp8 (")
    gpu(10 * 10**9)
    with pytest.raises(ValueError, match="what would fit: nothing that can be set"):
        memory.check(DROID_14B, Use(), "cuda:0")


def test_a_cpu_is_asked_as_well(monkeypatch):
    monkeypatch.setattr(memory, "free", lambda device: 20 * 10**9)
    assert memory.check(TINY, Use(), "cpu").total < GB
    with pytest.raises(ValueError, match=r"and this host has 20\.0 GB free"):
        memory.check(DROID_14B, Use(), "cpu")
    monkeypatch.setattr(
        memory, "free", lambda device: 20 * 10**9 if str(device) == "cpu" else 90 * 10**9
    )
    with pytest.raises(ValueError, match=r"45\.8 GB of the host's memory are needed"):
        memory.check(DROID_14B, Use(precision="fp8"), "cuda")


def test_the_table_is_the_estimate():
    table = memory.table(DROID_14B)
    totals = list(table.columns[3].cells)
    assert totals[0] == f"{estimate(DROID_14B, Use(graphs=True)).total / GB:.2f}"
    assert float(totals[0]) > float(totals[1]) > float(totals[2]) > float(totals[-1])
    assert list(table.columns[0].cells)[-1] == "nvfp4"


def test_a_container_s_limit_counts(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("1000000000\n")
    (tmp_path / "memory.current").write_text("400000000\n")
    (tmp_path / "memory.stat").write_text("anon 300000000\ninactive_file 100000000\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.free("cpu") == 700_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free("cpu") > 700_000_000
