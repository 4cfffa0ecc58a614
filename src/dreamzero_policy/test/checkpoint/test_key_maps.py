"""Names and shapes of a released checkpoint, for every preset, without a weight in memory."""

from math import prod

import pytest
import torch

from dreamzero_policy.checkpoint.key_maps import COMPONENTS, DIT, IMAGE, TEXT, VAE, layout
from dreamzero_policy.checkpoint.load import build
from dreamzero_policy.model.presets import PRESETS, preset
from dreamzero_policy.weights.random_weights import random_tensor

RELEASED = {TEXT: (242, 5_680_910_336), IMAGE: (393, 632_076_801)}
DITS = {"droid_14b": (1317, 16_484_292_448), "wan22_5b": (997, 5_606_692_832)}
VAES = {"droid_14b": (194, 126_892_531), "wan22_5b": (196, 704_688_668)}


@pytest.fixture(scope="module")
def slots():
    return {name: layout(build(config)) for name, config in PRESETS.items()}


def count(slots, prefix):
    found = [slot for name, slot in slots.items() if name.startswith(prefix)]
    return len(found), sum(prod(slot.shape) for slot in found)


@pytest.mark.parametrize("name", ["droid_14b", "agibot_14b", "wan22_5b"])
def test_released_counts(slots, name):
    twin = "wan22_5b" if name == "wan22_5b" else "droid_14b"
    expected = RELEASED | {DIT: DITS[twin], VAE: VAES[twin]}
    assert {prefix: count(slots[name], prefix) for prefix in expected} == expected


def test_the_14b_in_all(slots):
    assert count(slots["droid_14b"], "") == (2146, 22_924_172_116)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("action_head.model.state_encoder.layer1.W", (1, 64, 1024)),
        ("action_head.model.action_decoder.layer2.b", (1, 32)),
        ("action_head.model.blocks.39.cross_attn.norm_k_img.weight", (5120,)),
        ("action_head.model.patch_embedding.weight", (5120, 36, 1, 2, 2)),
        ("action_head.model.img_emb.proj.4.bias", (5120,)),
        ("action_head.text_encoder.blocks.23.pos_embedding.embedding.weight", (32, 64)),
        ("action_head.text_encoder.blocks.0.ffn.gate.0.weight", (10240, 4096)),
        ("action_head.image_encoder.model.log_scale", ()),
        ("action_head.image_encoder.model.visual.head", (1280, 1024)),
        ("action_head.image_encoder.model.visual.cls_embedding", (1, 1, 1280)),
        ("action_head.image_encoder.model.visual.pos_embedding", (1, 257, 1280)),
        ("action_head.image_encoder.model.visual.transformer.31.attn.to_qkv.bias", (3840,)),
        ("action_head.vae.model.conv1.weight", (32, 32, 1, 1, 1)),
        ("action_head.vae.model.encoder.downsamples.10.residual.6.bias", (384,)),
        ("action_head.vae.model.decoder.upsamples.3.time_conv.weight", (768, 384, 3, 1, 1)),
        ("action_head.vae.model.decoder.middle.1.to_qkv.bias", (1152,)),
        ("action_head.vae.model.decoder.upsamples.14.residual.2.weight", (96, 96, 3, 3, 3)),
    ],
)
def test_names_of_the_14b(slots, name, shape):
    assert slots["droid_14b"][name].shape == shape


def test_names_of_the_residual_vae(slots):
    names = [name.removeprefix(VAE) for name in slots["wan22_5b"] if name.startswith(VAE)]
    for name in (
        "encoder.downsamples.0.downsamples.0.residual.0.gamma",
        "encoder.downsamples.1.downsamples.0.shortcut.weight",
        "encoder.downsamples.2.downsamples.2.time_conv.weight",
        "decoder.upsamples.0.upsamples.3.time_conv.bias",
        "decoder.upsamples.3.upsamples.2.residual.6.weight",
    ):
        assert name in names
    assert not any("down_blocks" in name or "up_blocks" in name for name in names)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_parameter_has_one_place(slots, name):
    places = [ours for slot in slots[name].values() for ours in slot.parameters]
    expected = dict(build(preset(name)).named_parameters())
    assert len(places) == len(set(places))
    assert set(places) == set(expected)
    assert all(any(key.startswith(p) for p in COMPONENTS.values()) for key in slots[name])


def test_split_and_join_are_inverse(slots):
    for slot in slots["tiny"].values():
        tensor = random_tensor(slot.name, slot.shape, 3)
        parts = dict(slot.split(tensor))
        assert [tuple(parts[p].shape) for p in slot.parameters] == list(slot.shapes)
        assert torch.equal(slot.join(parts), tensor)
