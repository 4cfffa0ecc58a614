"""The loss against the golden numbers and its definition."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dreamzero_policy.training.loss import (
    Levels,
    NoiseTable,
    draw_levels,
    flow_matching_loss,
    indices_of_ratios,
    levels_of_draws,
)


@pytest.fixture
def golden(golden_dir):
    return load_file(golden_dir / "samplers.safetensors")


def test_the_table(golden):
    table = NoiseTable.make()
    assert torch.equal(table.sigmas, golden["train/sigmas"])
    assert torch.equal(table.timesteps, golden["train/timesteps"])
    torch.testing.assert_close(table.weights, golden["train/weights"], rtol=1e-5, atol=1e-6)
    assert table.weights[0] == 0
    assert float(table.weights.mean()) == pytest.approx(1)


def test_even_weights_count_where_a_robot_decides():
    bell, even = NoiseTable.make(), NoiseTable.make(weighting="even")
    assert torch.equal(even.sigmas, bell.sigmas)
    assert even.weights.unique().tolist() == [1.0]
    decided = even.sigmas > 0.9
    assert float(bell.weights[decided].mean()) < 0.5


def test_noise_and_weight_by_nearest_entry(golden):
    table = NoiseTable.make()
    clean, noise = golden["train/clean"], golden["train/noise"]
    for name, key in (("", "t"), ("_off_table", "t_off_table")):
        t = golden[f"train/{key}"]
        noisy = table.add_noise(clean, noise, t)
        torch.testing.assert_close(noisy, golden[f"train/noisy{name}"], rtol=1e-6, atol=1e-6)
        weight = table.weights[table.nearest(t)]
        expected = golden["train/weight_t" if not name else "train/weight_off_table"]
        torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-6)
    assert table.nearest(golden["train/t"]).tolist() == golden["train/index"].tolist()


def test_a_block_shares_the_level_of_its_first_frame():
    levels = levels_of_draws(torch.tensor([[9, 1, 2, 3, 4]]), None, 2, 3)
    assert levels.video.tolist() == [[9, 1, 1, 3, 3]]
    assert levels.actions.tolist() == [[1, 1, 1, 3, 3, 3]]


def test_ratios_near_one_are_noise():
    assert indices_of_ratios(torch.tensor([1.0, 0.9, 0.0])).tolist() == [0, 100, 999]


@pytest.mark.parametrize("mode", ["standard", "high_noise", "decoupled"])
def test_drawn_levels_have_the_mode_s_shape(mode):
    rng = np.random.default_rng(0)
    drawn = [draw_levels(mode, 9, 2, 24, rng) for _ in range(64)]
    levels = Levels(*(torch.cat(parts) for parts in zip(*drawn)))
    assert levels.video.shape == (64, 9)
    assert levels.actions.shape == (64, 96)
    coupled = torch.equal(levels.actions[:, ::24], levels.video[:, 1::2])
    assert coupled == (mode != "decoupled")
    mean = float(levels.video[:, 0].double().mean())
    assert (mean < 350) == (mode != "standard")
    if mode == "decoupled":
        assert 480 < float(levels.actions.double().mean()) < 520


def test_masked_columns_and_unreal_actions_do_not_count():
    table = NoiseTable.make()
    levels = Levels(torch.full((2, 3), 500), torch.full((2, 4), 500))
    video, actions = torch.zeros(2, 1, 3, 2, 2), torch.ones(2, 4, 2)
    mask = torch.tensor([True, False]).expand(2, 4, 2)
    losses = flow_matching_loss(
        *(table, levels, video, video, actions, torch.zeros_like(actions)),
        *(mask, torch.tensor([True, False])),
    )
    # Half of the samples, half of the padded width, squared error 1.
    assert float(losses.actions) == pytest.approx(float(table.weights[500]) / 4)
    assert float(losses.video) == 0
    assert float(losses.total) == float(losses.actions)


def test_without_video_the_video_is_noise_and_actions_are_not():
    rng = np.random.default_rng(0)
    drawn = [draw_levels("no_video", 9, 2, 24, rng) for _ in range(256)]
    levels = Levels(*(torch.cat(parts) for parts in zip(*drawn)))
    assert float(NoiseTable.make().sigmas[levels.video].min()) > 0.998
    blocks = levels.actions.reshape(256, 4, 24)
    assert torch.equal(blocks, blocks[:, :, :1].expand(-1, -1, 24))  # a block shares its level
    assert 470 < float(blocks.double().mean()) < 530


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw_levels("other", 9, 2, 24, np.random.default_rng()), "mode"),
        (lambda: levels_of_draws(torch.zeros(1, 4), None, 2, 3), "whole blocks"),
        (lambda: levels_of_draws(torch.zeros(1, 5), torch.zeros(1, 5), 2, 3), "6 per window"),
    ],
)
def test_nonsense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
