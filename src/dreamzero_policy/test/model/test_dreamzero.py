"""The whole model: what goes in and what comes out."""

from dataclasses import replace

import pytest
import torch

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint import load as checkpoint
from dreamzero_policy.model.dreamzero import DreamZero
from dreamzero_policy.model.presets import TINY

ROBOT = embodiments.get("droid")


@pytest.fixture(scope="module")
def model():
    return checkpoint.load("random:tiny", ROBOT).model


@pytest.fixture(scope="module")
def canvases():
    return torch.from_numpy(ROBOT.example(seed=1, frames=9).canvases.copy())


def test_canvases_become_what_the_network_was_trained_on(model):
    grey = torch.full((2, 352, 640, 3), 255, dtype=torch.uint8)
    grey[1] = 0
    frames = model.normalise(grey)
    assert frames.shape == (1, 3, 2, 96, 160)
    assert torch.all(frames[:, :, 0] == 1)
    assert torch.all(frames[:, :, 1] == -1)


def test_the_resize_is_bilinear_without_antialias(model):
    canvas = torch.randint(0, 256, (1, 352, 640, 3), dtype=torch.uint8)
    whole = (canvas[0].permute(2, 0, 1)[None].float() / 255 - 0.5) / 0.5
    expected = torch.nn.functional.interpolate(whole, (96, 160), mode="bilinear")
    assert torch.allclose(model.normalise(canvas)[:, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    "canvas", [torch.zeros(1, 352, 640, 3), torch.zeros(352, 640, 3, dtype=torch.uint8)]
)
def test_other_arrays_are_refused(model, canvas):
    with pytest.raises(ValueError, match=r"expected uint8 \[T, H, W, 3\]"):
        model.normalise(canvas)


def test_a_canvas_of_another_size_is_refused_where_nothing_is_resized():
    with torch.device("meta"):
        model = DreamZero(replace(TINY, target_size=None))
    model.dit.patch_embedding.to_empty(device="cpu")
    with pytest.raises(ValueError, match=r"of 352x640 pixels give latents of \(44, 80\)"):
        model.normalise(torch.zeros(1, 352, 640, 3, dtype=torch.uint8))


def test_the_first_canvas_gives_features_condition_and_latent(model, canvases):
    clip, y, first = model.encode_first(canvases[0])
    assert clip.shape == (1, TINY.image.tokens, TINY.clip_dim)
    assert y.shape == (1, 20, 9, 12, 20)
    assert torch.equal(first, y[:, 4:, :1])
    again, condition = model.begin(canvases[0])
    assert torch.equal(again, clip)
    assert torch.equal(condition.first_latent, first)
    assert (condition(1, 2) - y[:, :, 1:3]).abs().max() < 1e-5


def test_frames_give_the_latents_of_one_block(model, canvases):
    latents = model.encode_frames(canvases)
    assert latents.shape == (1, 16, 2, 12, 20)
    whole = model.vae.encode(model.normalise(canvases))
    assert torch.equal(latents, whole[:, :, -2:])
    with pytest.raises(ValueError, match="expected at least 9 frames, got 4"):
        model.encode_frames(canvases[:4])


def test_latents_give_canvases_back(model, canvases):
    frames = model.decode(model.vae.encode(model.normalise(canvases)))
    assert frames.shape == (9, 96, 160, 3)
    assert frames.dtype == torch.uint8


def test_a_network_without_encoders_is_refused():
    with pytest.raises(ValueError, match="needs a text encoder, an image encoder and a VAE"):
        DreamZero(replace(TINY, text=None))
