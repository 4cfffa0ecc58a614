"""What a precision converts, where it may, and what it does to the actions of the tiny model."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from dreamzero_policy.acceleration import quantize
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.embodiments import get
from dreamzero_policy.inference.engine import Engine
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import DROID_14B, TINY
from dreamzero_policy.types import Observation

CROSS = {f"cross_attn.{name}" for name in ("q", "k", "v", "o", "k_img", "v_img")}
OTHERS = CROSS | {"self_attn.o", "ffn.0", "ffn.2"}
QKV = {"self_attn.q", "self_attn.k", "self_attn.v"}


def meta(config):
    with torch.device("meta"):
        return CausalDiT(config)


def of_block(names, index=0):
    start = f"blocks.{index}."
    return {name.removeprefix(start) for name in names if name.startswith(start)}


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ("none", {}),
        ("int8", {"int8": OTHERS | QKV}),
        ("fp8", {"fp8": OTHERS}),
        ("nvfp4", {"nvfp4": OTHERS, "fp8": QKV}),
    ],
)
def test_layers_that_a_precision_converts(precision, expected):
    planned = quantize.plan(meta(TINY), precision)
    assert {key: of_block(names) for key, names in planned.converted.items()} == expected
    names = [name for each in planned.converted.values() for name in each]
    assert all(name.startswith("blocks.") for name in names)
    assert len(names) == TINY.num_layers * sum(map(len, expected.values()))
    assert not planned.left


def test_a_layer_whose_sides_are_no_multiples_of_16_is_left():
    odd = replace(TINY, dim=128, ffn_dim=200)
    planned = quantize.plan(meta(odd), "fp8")
    assert of_block(planned.left) == {"ffn.0", "ffn.2"}
    assert of_block(planned.converted["fp8"]) == OTHERS - {"ffn.0", "ffn.2"}
    assert not quantize.plan(meta(odd), "int8").left
    assert not quantize.plan(meta(DROID_14B), "nvfp4").left


@pytest.fixture
def gpu(monkeypatch):
    """Any GPU, by name and compute capability."""

    def make(name, capability):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    return make


@pytest.mark.parametrize(
    ("name", "capability", "has"),
    [
        ("NVIDIA A100", (8, 0), ("none",)),
        ("NVIDIA L40S", (8, 9), ("none", "fp8")),
        ("NVIDIA H200", (9, 0), ("none", "fp8")),
        ("NVIDIA GB200", (10, 0), ("none", "fp8", "nvfp4")),
        ("NVIDIA GeForce RTX 5090", (12, 0), ("none", "fp8", "nvfp4")),
    ],
)
def test_a_gpu_is_asked_before_anything_is_converted(gpu, name, capability, has):
    gpu(name, capability)
    assert quantize.precisions("cuda:0") == has
    for precision in ("none", "int8", "fp8", "nvfp4"):
        if precision in has:
            quantize.check(precision, "cuda:0")
            continue
        with pytest.raises(ValueError, match=f"precision: {precision} needs a ") as said:
            quantize.check(precision, "cuda:0")
        version = f"{capability[0]}.{capability[1]}"
        assert f"{name} (cuda:0, compute capability {version}) is not" in str(said.value)
        assert str(said.value).endswith(f"it has {', '.join(has)}")


def test_a_cpu_and_a_wrong_name_are_refused():
    with pytest.raises(
        ValueError, match=r"needs a GPU of compute capability 8\.9, which the device"
    ):
        quantize.check("fp8", "cpu")
    with pytest.raises(ValueError, match=r"precision: expected one of .*, got 'fp16'"):
        quantize.check("fp16", "cpu")
    with pytest.raises(ValueError, match="precision: expected one of"):
        EngineOptions(precision="fp16")


def answers(weights, **options):
    """Actions of a few calls, relative to the state, so that a large state hides no error."""
    engine = Engine(weights, weights.embodiment, EngineOptions(threads=1, **options))
    whole = weights.embodiment.example(frames=12)
    session, rows = engine.new_session(1), []
    for newest in (0, 8, 11):
        seen = slice(max(0, newest - 8), newest + 1)
        observation = Observation(
            whole.canvases[seen], whole.stamps_ns[seen], whole.state, whole.prompt
        )
        rows.append(torch.tensor(engine.infer(session, observation).chunk.rows))
    rows = torch.cat(rows)
    return rows[:, :7] - torch.from_numpy(whole.state[:7])


def error(got, expected):
    """Relative L2."""
    return float((got - expected).norm() / expected.norm())


def test_int8_on_a_cpu_and_its_error_on_the_actions(record_property):
    weights = load("random:tiny", get("droid"))
    exact = answers(weights)
    converted = answers(weights, precision="int8")
    assert quantize.precision_of(weights.model.dit) == "int8"
    found = error(converted, exact)
    record_property("int8_relative_error_of_actions", found)
    assert 0 < found < 0.005
    stored = weights.model.dit.blocks[0].ffn[0].weight
    assert stored.qdata.dtype == torch.int8
    # Another engine of the same weights goes on with them; another precision is refused.
    assert torch.equal(answers(weights, precision="int8"), converted)
    with pytest.raises(ValueError, match="weights that are not converted yet, got int8"):
        Engine(weights, weights.embodiment, EngineOptions())


def test_fp8_where_a_cpu_computes_it_and_its_error_on_the_actions(monkeypatch, record_property):
    """torch multiplies in 8 bits on a CPU as well, if slowly; so the engine's refusal is put aside.

    It is the same arithmetic that a GPU does, by other kernels.
    """
    monkeypatch.setattr(quantize, "check", lambda precision, device: None)
    weights = load("random:tiny", get("droid"), dtype=torch.bfloat16)
    exact = answers(load("random:tiny", get("droid")))
    narrow = error(answers(weights), exact)
    dit = weights.model.dit
    found = error(answers(weights, precision="fp8"), exact)
    record_property("fp8_relative_error_of_actions", found)
    assert quantize.precision_of(dit) == "fp8"
    kinds = {name: type(dit.get_submodule(f"blocks.0.{name}").weight).__name__ for name in OTHERS}
    assert set(kinds.values()) == {"Float8Tensor"}
    assert all(type(dit.get_submodule(f"blocks.0.{name}").weight) is nn.Parameter for name in QKV)
    assert narrow < found < 0.02


def test_rows_that_are_added_change_nothing():
    torch.manual_seed(0)
    linear = nn.Linear(64, 96).bfloat16()
    weight = quantize._fp8(linear.weight.detach())
    plain, aligned = (quantize._layer(linear, weight, rows) for rows in (False, True))
    assert type(plain) is nn.Linear
    for rows in (1, 16, 17, 85):
        x = torch.randn(2, rows, 64).bfloat16()
        with torch.inference_mode():
            assert aligned(x).shape == (2, rows, 96)
            torch.testing.assert_close(aligned(x), plain(x), rtol=0, atol=1e-2)


def test_four_bits_keep_a_weight_to_their_precision():
    """The product needs a Blackwell GPU; what the weights become does not."""
    torch.manual_seed(0)
    weight = torch.randn(96, 64).bfloat16()
    stored = quantize._nvfp4(weight)
    assert stored.qdata.numel() == weight.numel() // 2
    assert 0.02 < error(stored.dequantize().float(), weight.float()) < 0.15


def test_weights_of_another_dtype_are_refused(gpu):
    gpu("NVIDIA H200", (9, 0))
    with pytest.raises(ValueError, match=r"fp8 expects bfloat16 weights, got torch\.float32"):
        quantize.quantize(meta(TINY), "fp8", "cuda:0")
