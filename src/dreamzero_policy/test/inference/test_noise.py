"""The noise of a block: the reference's, and one seed's kept."""

from dataclasses import replace

import torch
from safetensors.torch import load_file

from dreamzero_policy.inference.noise import Noise
from dreamzero_policy.model.block import PATCH
from dreamzero_policy.model.presets import preset


def test_it_is_the_reference_s(golden_dir):
    golden = load_file(golden_dir / "loop_a_nocfg_full.safetensors")
    video, actions = golden["call0/noise_video"], golden["call0/noise_action"]
    _, channels, frames, height, width = video.shape
    config = replace(
        preset("tiny"),
        out_dim=channels,
        num_frame_per_block=frames,
        latent_size=(height, width),
        frame_seqlen=(height // PATCH) * (width // PATCH),
        target_size=None,
        num_action_per_block=actions.shape[1],
        max_action_dim=actions.shape[2],
    )
    ours = Noise(config, torch.device("cpu"), torch.float32).of(1140)
    assert torch.equal(ours[0], video)
    assert torch.equal(ours[1], actions)


def test_it_is_drawn_in_the_model_s_precision_and_one_seed_is_kept():
    noise = Noise(preset("tiny"), torch.device("cpu"), torch.bfloat16)
    first = noise.of(3)
    assert noise.of(3) is first
    for one in first:
        assert one.dtype == torch.float32
        assert torch.equal(one, one.bfloat16().float())
    other = noise.of(4)
    assert not torch.equal(other[1], first[1])
    again = noise.of(3)
    assert again is not first
    assert torch.equal(again[0], first[0])
