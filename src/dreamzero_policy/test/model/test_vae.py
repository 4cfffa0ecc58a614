"""The video VAE: the reference's numbers, streaming, and the condition made of one frame."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from dreamzero_policy.checkpoint.key_maps import VAE, layout
from dreamzero_policy.checkpoint.load import assign
from dreamzero_policy.model.encoder_config import WAN21_VAE, WAN22_VAE
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.model.vae import VideoVAE
from dreamzero_policy.weights.random_weights import random_tensor

TOLERANCE = 5e-5
SMALL_21 = replace(WAN21_VAE, base_dim=8, decoder_base_dim=8)
SMALL_22 = replace(WAN22_VAE, base_dim=8, decoder_base_dim=8)


def filled(config, tensors=None):
    """A VAE with given tensors by released name, or random ones."""
    part = nn.Module()
    part.vae = VideoVAE(config)
    slots = layout(part)
    if tensors is not None:
        assert {VAE + name for name in tensors} == set(slots)
    for name, slot in slots.items():
        tensor = tensors[name.removeprefix(VAE)] if tensors else random_tensor(name, slot.shape, 0)
        assert tuple(tensor.shape) == slot.shape
        assign(part, slot, tensor, torch.device("cpu"), torch.float32)
    return part.vae.eval()


def error(got, expected):
    return float((got - expected).abs().max() / expected.abs().max())


@pytest.fixture(scope="module")
def golden(golden_dir):
    return load_file(golden_dir / "vae21_small.safetensors")


@pytest.fixture(scope="module")
def reference(golden):
    weights = {name[2:]: tensor for name, tensor in golden.items() if name.startswith("w/")}
    return filled(SMALL_21, weights)


@pytest.fixture(scope="module")
def tiny():
    return filled(TINY.vae)


@torch.no_grad()
def test_encodes_and_decodes_as_the_reference(golden, reference):
    assert error(reference.encode(golden["video"]), golden["latent"]) < TOLERANCE
    assert error(reference.encode(golden["image"]), golden["image_latent"]) < TOLERANCE
    assert error(reference.decode(golden["z"]), golden["decoded"]) < TOLERANCE
    assert reference.decode(10 * golden["z"]).abs().max() <= 1.0


@torch.no_grad()
def test_refresh_encodes_as_the_reference(golden, reference):
    four = golden["four"].repeat_interleave(2, dim=2)
    clip = torch.cat([four[:, :, :1], four], dim=2)
    assert error(reference.encode(clip)[:, :, -2:], golden["four_latent"]) < TOLERANCE
    eight = golden["video"][:1, :, :8]
    clip = torch.cat([eight[:, :, :1], eight], dim=2)
    assert error(reference.encode(clip)[:, :, -2:], golden["eight_latent"]) < TOLERANCE


@torch.no_grad()
def test_condition_is_the_reference_s(golden, reference):
    y = reference.condition(golden["image"][:, :, 0], 17).whole()
    assert y.shape == (1, 20, 5, 4, 6)
    assert error(y[:, 4:], golden["image_zeros_latent"]) < TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("config", [TINY.vae, SMALL_21, SMALL_22])
@pytest.mark.parametrize("cuts", [(1,) * 13, (1, 4, 4, 4), (3, 7, 3), (6, 6, 1), (13,)])
def test_frames_pushed_as_they_arrive_give_the_whole_encode(config, cuts):
    vae = filled(config)
    video = torch.rand(2, 3, 13, 32, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1
    whole = vae.encode(video)
    stream = vae.stream()
    parts = [stream.push(piece) for piece in video.split(cuts, dim=2)]
    streamed = torch.cat([part for part in parts if part is not None], dim=2)
    assert streamed.shape == whole.shape == (2, config.z_dim, 4, *whole.shape[-2:])
    assert error(streamed, whole) < 1e-5


@torch.no_grad()
def test_streams_do_not_disturb_one_another(tiny):
    one, two = torch.rand(2, 1, 3, 5, 32, 48, generator=torch.Generator().manual_seed(2))
    first, second = tiny.stream(), tiny.stream()
    got = []
    for index in range(5):
        got.append(first.push(one[:, :, index : index + 1]))
        second.push(two[:, :, index : index + 1])
    got = torch.cat([part for part in got if part is not None], dim=2)
    assert error(got, tiny.encode(one)) < 1e-5


def test_a_stream_refuses_frames_of_another_shape(tiny):
    stream = tiny.stream()
    with torch.no_grad():
        stream.push(torch.zeros(1, 3, 1, 32, 48))
        with pytest.raises(ValueError, match=r"size \[32, 48\], got batch 1 and size \[32, 40\]"):
            stream.push(torch.zeros(1, 3, 1, 32, 40))
    with pytest.raises(ValueError, match=r"expected \[B, 3, t, H, W\]"):
        stream.push(torch.zeros(1, 1, 1, 32, 48))


@torch.no_grad()
def test_a_shorter_clip_gives_a_prefix(tiny):
    frame = torch.rand(1, 3, 32, 48) * 2 - 1
    long, short = (tiny.condition(frame, frames).whole() for frames in (33, 9))
    assert long.shape[2] == 9
    assert error(long[:, :, :3], short) < 1e-6


@torch.no_grad()
def test_the_condition_has_its_mask_first_and_grey_behind_the_first_frame(tiny):
    frame = torch.rand(1, 3, 32, 48) * 2 - 1
    y = tiny.condition(frame, 9).whole()
    assert torch.all(y[:, :4, 0] == 1)
    assert torch.all(y[:, :4, 1:] == 0)
    clip = torch.zeros(1, 3, 9, 32, 48)
    clip[:, :, 0] = frame
    assert error(y[:, 4:], tiny.encode(clip)) < 1e-6


@torch.no_grad()
def test_a_clip_and_its_condition_in_one_batch_are_what_they_are_alone(tiny):
    video = torch.rand(2, 3, 9, 32, 48) * 2 - 1
    latents, condition = tiny.encode_conditioned(video)
    torch.testing.assert_close(latents, tiny.encode(video))
    torch.testing.assert_close(condition, tiny.condition(video[:, :, 0], 9).whole())


@torch.no_grad()
def test_the_condition_is_encoded_only_as_far_as_asked(tiny, monkeypatch):
    frame = torch.rand(1, 3, 32, 48) * 2 - 1
    whole = tiny.condition(frame, 33).whole()
    calls = []
    encoder = tiny.net.encoder.forward
    monkeypatch.setattr(
        tiny.net.encoder, "forward", lambda *a, **k: calls.append(1) or encoder(*a, **k)
    )
    lazy = tiny.condition(frame, 33)
    assert len(calls) == 1
    assert error(lazy(0, 1), whole[:, :, :1]) < 1e-6
    assert error(lazy(1, 2), whole[:, :, 1:3]) < 1e-6
    assert len(calls) == 3
    assert torch.equal(lazy.first_latent, lazy(0, 1)[:, 4:])
    assert error(lazy(8, 2), whole[:, :, 7:]) < 1e-6  # past the end: the last frames
    with pytest.raises(ValueError, match="expected frames among 9"):
        lazy(0, 10)


@torch.no_grad()
def test_half_precision_stays_close(tiny):
    video = torch.rand(1, 3, 9, 32, 48, generator=torch.Generator().manual_seed(3)) * 2 - 1
    whole = tiny.encode(video)
    half = filled(TINY.vae).to(torch.bfloat16).encode(video.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    assert error(half.float(), whole) < 0.1
