"""A checkpoint's own config gives the preset; one that cannot be right is refused by name."""

import json
from dataclasses import replace

import pytest

from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.encoder_config import UMT5_XXL, WAN21_VAE, WAN22_VAE
from dreamzero_policy.model.presets import TINY, preset

UPSTREAM_14B = {
    "model_type": "i2v",
    "frame_seqlen": 880,
    "in_dim": 36,
    "dim": 5120,
    "ffn_dim": 13824,
    "out_dim": 16,
    "num_heads": 40,
    "num_layers": 40,
    "max_chunk_size": 4,
    "num_frame_per_block": 2,
    "num_action_per_block": 24,
    "num_state_per_block": 1,
}


def test_a_checkpoint_config_gives_the_preset():
    dead = {"sink_size": 0, "num_registers": 7}
    assert ModelConfig.from_upstream(UPSTREAM_14B | dead) == preset("droid_14b")
    other = ModelConfig.from_upstream(UPSTREAM_14B, num_frames=17, state_attends_all=False)
    assert other.condition_frames == 5
    assert not other.state_attends_all


def test_condition_channels_follow_from_the_widths_where_the_flag_is_absent():
    plain = ModelConfig.from_upstream(
        UPSTREAM_14B | {"in_dim": 16, "model_type": "ti2v"}, latent_size=(44, 80)
    )
    assert not plain.concat_first_frame_latent
    assert ModelConfig.from_upstream(UPSTREAM_14B).concat_first_frame_latent


def test_a_missing_argument_is_named():
    without = {name: value for name, value in UPSTREAM_14B.items() if name != "num_heads"}
    with pytest.raises(ValueError, match="lacks 'num_heads'"):
        ModelConfig.from_upstream(without)


def test_an_unknown_geometry_asks_for_the_size():
    with pytest.raises(ValueError, match=r"8 tokens and 16 channels.*pass latent_size"):
        ModelConfig.from_upstream(UPSTREAM_14B | {"frame_seqlen": 8})


def test_other_windows_than_those_of_the_training():
    config = replace(TINY, max_chunk_size=4, trained_blocks=2)
    assert (TINY.usual_blocks, config.usual_blocks) == (TINY.max_chunk_size, 2)
    assert config.with_blocks(1).usual_blocks == 1  # fewer than it was trained on
    assert config.with_blocks(1).window_frames == 3


def test_an_unbounded_window_is_refused():
    with pytest.raises(ValueError, match=r"max_chunk_size: -1 .* not supported"):
        ModelConfig.from_upstream(UPSTREAM_14B | {"max_chunk_size": -1})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "t2v"}, "model_type: expected 'i2v' or 'ti2v', got 't2v'"),
        ({"max_chunk_size": 0}, "max_chunk_size: expected a whole number of at least 1, got 0"),
        ({"dim": 128.0}, "dim: expected a whole number"),
        ({"num_heads": 3}, "expected an even head width"),
        ({"num_heads": 64}, "expected an even head width"),
        ({"freq_dim": 255}, "freq_dim: expected an even number, got 255"),
        ({"num_state_per_block": 5}, "not a multiple of num_state_per_block 5"),
        ({"in_dim": 32}, "in_dim: expected 36"),
        ({"trained_blocks": 5}, "trained_blocks: expected 1 to 4"),
        ({"frame_seqlen": 61}, "latents of 12x20 give 60 tokens per frame, got 61"),
        ({"text_dim": 65}, "text.dim: expected 65 as the network takes, got 64"),
        ({"clip_dim": 65}, "image.dim: expected 65"),
        ({"target_size": (96, 320)}, r"gives latents of \(12, 40\), expected \(12, 20\)"),
        ({"vae": WAN22_VAE}, "vae.z_dim: expected 16 as the network takes, got 48"),
        ({"text": UMT5_XXL}, "text.dim: expected 64 as the network takes, got 4096"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temporal_downsample": (True, True)}, "expected 3 values"),
        ({"temporal_downsample": (True, True, True)}, "expected a temporal stride of 4, got 8"),
        ({"latents_mean": (0.0,)}, "latents_mean: expected 16 values, got 1"),
    ],
)
def test_a_vae_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(WAN21_VAE, **changes)


def test_every_golden_configuration_is_read(golden_dir):
    files = sorted(golden_dir.glob("*.json"))
    configs = [json.loads(file.read_text())["scalars"].get("config") for file in files]
    for config in filter(None, configs):
        size = (2, 2 * config["frame_seqlen"])
        read = ModelConfig.from_upstream(config, latent_size=size)
        assert read.frame_seqlen == config["frame_seqlen"]
        assert read.hidden_size == config["hidden_size"]
