"""Presets hold the released numbers."""

from dataclasses import replace

import pytest

from dreamzero_policy.model.encoder_config import WAN21_VAE, WAN22_VAE
from dreamzero_policy.model.presets import PRESETS, preset


def test_presets_are_the_released_geometry():
    droid, small = preset("droid_14b"), preset("wan22_5b")
    assert (droid.window_frames, droid.window_tokens, droid.head_dim) == (9, 7920, 128)
    assert droid.condition_channels == 20
    assert droid.condition_frames == 9
    assert droid.frames_per_block == 8
    assert preset("agibot_14b") == replace(droid, num_action_per_block=48)
    assert (small.latent_size, small.target_size) == ((10, 20), (160, 320))
    assert small.condition_channels == 0
    assert (WAN21_VAE.spatial_stride, WAN22_VAE.spatial_stride) == (8, 16)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_has_its_encoders(name):
    config = preset(name)
    assert config.vae.z_dim == config.out_dim
    assert config.text.dim == config.text_dim
    assert config.image.dim == config.clip_dim


def test_unknown_preset_lists_those_there_are():
    with pytest.raises(ValueError, match=r"no preset 'large'.*droid_14b.*tiny"):
        preset("large")
