"""The training forward: actions alone against a window that sees less, gradients, its refusals."""

import pytest
import torch
from small_dit import SMALL, VARIANTS, difference, episode, network

from dreamzero_policy.model import dit as dit_module
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.masks import AttentionCall, teacher_forcing


def blind_to_noisy_video(layout):
    """The calls of a whole window, but that no action sees a noisy frame."""
    for call in teacher_forcing(layout):
        if len(call.queries) == 1:
            yield call
        else:
            noisy, actions = call.queries
            yield AttentionCall((noisy,), call.keys)
            yield AttentionCall((actions,), tuple(key for key in call.keys if key != noisy))


@pytest.mark.parametrize("variant", VARIANTS)
def test_actions_alone_are_those_of_a_whole_window_that_see_no_noisy_video(variant, monkeypatch):
    config = VARIANTS[variant]
    dit, inputs = network(config), episode(config, batch=2)
    with torch.no_grad():
        _, seeing = dit.forward_train(**inputs)
        video, alone = dit.forward_train(**{**inputs, "noisy": None})
        monkeypatch.setattr(
            dit_module, "teacher_forcing", lambda layout: tuple(blind_to_noisy_video(layout))
        )
        _, blind = dit.forward_train(**inputs)
    assert video is None
    assert difference(alone, blind) < 1e-5 < difference(alone, seeing)


def test_training_works_after_inference_mode():
    dit, inputs = network(SMALL), episode(SMALL)
    with torch.inference_mode():
        dit.forward_train(**inputs)
    sum(x.square().mean() for x in dit.forward_train(**inputs)).backward()
    assert all(parameter.grad is not None for parameter in dit.parameters())


def test_a_new_network_starts_with_no_video_velocity():
    dit, inputs = CausalDiT(SMALL), episode(SMALL)
    with torch.no_grad():
        video, action = dit.forward_train(**inputs)
        assert video.abs().max() == 0
        assert action.isfinite().all()
        dit.initialise(output_std=0.02)
        video, _ = dit.forward_train(**inputs)
    assert video.abs().max() > 0


@pytest.mark.parametrize("frames", [1, 8])
def test_a_window_of_broken_blocks_is_refused(frames):
    dit, inputs = network(SMALL), episode(SMALL)
    inputs |= {key: inputs[key][:, :, :frames] for key in ("noisy", "clean", "y")}
    with pytest.raises(ValueError, match=f"whole blocks of 2, got {frames} frames"):
        dit.forward_train(**inputs)
