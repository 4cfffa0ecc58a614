"""Clips that are encoded as their canvases come, against clips encoded at once."""

import numpy as np
import pytest
import torch

from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.embodiments import get
from dreamzero_policy.inference.clips import ClipStreams

ROBOT = get("droid")


@pytest.fixture(scope="module")
def model():
    return load("random:tiny", ROBOT).model


@pytest.fixture(scope="module")
def canvases():
    return ROBOT.example(frames=17).canvases


def calls_of(model, monkeypatch):
    """Frames of every group that the encoder is run for."""
    groups, encode = [], model.vae.net.encoder.forward
    monkeypatch.setattr(
        model.vae.net.encoder,
        "forward",
        lambda x, **rest: groups.append(x.shape[2]) or encode(x, **rest),
    )
    return groups


@pytest.mark.parametrize("step", [1, 2, 3, 8, 9])
@torch.inference_mode()
def test_a_clip_that_was_begun_gives_the_latents_of_the_whole(model, canvases, step):
    whole = model.encode_frames(torch.tensor(canvases[3:12]))
    clips = ClipStreams(model)
    for stop in range(4, 12, step):
        clips.advance({3: canvases[3:stop]})
    latents = clips.finish(3, canvases[3:12])
    assert latents.shape == whole.shape
    assert (latents - whole).abs().max() <= 1e-5 * whole.abs().max()
    assert len(clips) == 0


@torch.inference_mode()
def test_only_the_last_group_is_left_when_the_last_canvas_comes(model, canvases, monkeypatch):
    groups, clips = calls_of(model, monkeypatch), ClipStreams(model)
    for stop in range(1, 9):
        clips.advance({0: canvases[:stop]})
    assert groups == [1, 4]
    clips.finish(0, canvases[:9])
    assert groups == [1, 4, 4]


@torch.inference_mode()
def test_clips_do_not_disturb_one_another_and_go_when_nobody_waits_for_them(model, canvases):
    clips = ClipStreams(model)
    for stop in range(9, 17):
        clips.advance({0: canvases[:9], 5: canvases[5 : min(stop, 14)], 8: canvases[8:stop]})
    assert len(clips) == 3
    for start in (5, 8):
        whole = model.encode_frames(torch.tensor(canvases[start : start + 9]))
        got = clips.finish(start, canvases[start : start + 9])
        assert (got - whole).abs().max() <= 1e-5 * whole.abs().max()
    clips.advance({1: canvases[1:3]})
    assert len(clips) == 1
    clips.clear()
    assert len(clips) == 0


@torch.inference_mode()
def test_a_clip_that_was_not_begun_is_encoded_all_the_same(model, canvases):
    got = ClipStreams(model).finish(0, canvases[:9])
    assert torch.equal(got, model.encode_frames(torch.tensor(canvases[:9])))


def test_the_canvases_may_be_read_only(model):
    canvases = np.zeros((9, *ROBOT.canvas_size, 3), np.uint8)
    canvases.flags.writeable = False
    with torch.inference_mode():
        assert ClipStreams(model).finish(0, canvases).shape[2] == 2
