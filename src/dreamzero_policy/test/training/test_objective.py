"""One training step against the golden numbers, and what a batch may not change."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dreamzero_policy.golden.network import image_tokens, network
from dreamzero_policy.golden.report import Case
from dreamzero_policy.mixture.batch import Batch
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.runs.distributed import recompute_activations
from dreamzero_policy.training.loss import NoiseTable, indices_of_ratios, levels_of_draws
from dreamzero_policy.training.objective import Noise, draw_noise, losses

CONFIG = replace(
    TINY, dim=24, ffn_dim=32, num_layers=2, hidden_size=16, freq_dim=32, text_dim=8, text=None,
    text_len=6, clip_dim=8, image=None, vae=None, latent_size=(4, 4), target_size=None,
    frame_seqlen=4,
)  # fmt: skip


@pytest.mark.parametrize("mode", ["standard", "high_noise", "decoupled"])
def test_losses_of_a_step_are_the_reference_s(golden_dir, mode):
    case = Case.read(golden_dir, "head_a_loss")
    dit = network(case, case["latents"])
    batch = Batch(
        *(case[name] for name in ("latents", "y", "context")),
        image_tokens(case),
        *(case[name] for name in ("state", "actions", "action_mask", "has_real_action")),
    )
    names = sorted(name for name in case.tensors if name.startswith(f"{mode}/draw"))
    draws = [case[n] if n.endswith("randint") else indices_of_ratios(case[n]) for n in names]
    levels = levels_of_draws(draws[0], draws[1] if len(draws) > 1 else None, 2, 24)
    noise = Noise(levels, case[f"{mode}/noise"], case[f"{mode}/noise_action"])
    found = losses(dit, NoiseTable.make(), batch, noise)
    expected = case.scalar("modes")[mode]
    for ours, theirs in zip(found, ("loss", "dynamics_loss", "action_loss"), strict=True):
        assert ours.item() == pytest.approx(expected[theirs], rel=1e-5)


@pytest.mark.parametrize("recomputed", [False, True])
def test_gradients_of_a_step_are_the_reference_s(golden_dir, recomputed):
    case = Case.read(golden_dir, "dit_a_train")
    dit = network(case, case["x"]).requires_grad_(True)
    if recomputed:
        recompute_activations(dit)
    inputs = ("x", "clean_x", "timestep", "action", "timestep_action", "state", "y", "context")
    video, actions = dit.forward_train(*(case[name] for name in inputs), image_tokens(case))
    loss = (video - case["target_video"]).square().mean()
    (loss + (actions - case["target_action"]).square().mean()).backward()
    parameters, compared = dict(dit.named_parameters()), 0
    for name in case.tensors:
        if name.startswith("grad/"):
            expected, got = case[name], parameters[name.removeprefix("grad/")].grad
            assert (got - expected).abs().max() <= 1e-4 * expected.abs().max(), name
            compared += 1
    assert compared > 20


def windows(count, seed=0):
    """Windows of robots of different widths, one of them of video alone."""
    rng = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=rng)  # noqa: E731
    mask = torch.zeros(count, 48, 32, dtype=torch.bool)
    for at in range(count):
        mask[at, :, : (8, 14, 22, 5)[at % 4]] = True
    real = torch.arange(count) % 4 != 2
    mask &= real.reshape(-1, 1, 1)
    text = draw(count, 6, 8)
    for at in range(count):
        text[at, 2 + at % 4 :] = 0  # prompts of different lengths
    return Batch(
        draw(count, 16, 5, 4, 4), draw(count, 20, 5, 4, 4), text, draw(count, 3, 8),
        draw(count, 2, 64) * real.reshape(-1, 1, 1), draw(count, 48, 32).clamp(-1, 1) * mask,
        mask, real,
    )  # fmt: skip


def trained(config=CONFIG):
    torch.manual_seed(1)
    dit = CausalDiT(config)
    dit.initialise(output_std=0.05)
    return dit


def rngs(count):
    return [np.random.default_rng((7, at)) for at in range(count)]


@pytest.mark.parametrize("mode", ["standard", "decoupled"])
def test_a_masked_batch_of_four_is_four_batches_of_one(mode):
    batch, dit, table = windows(4), trained(), NoiseTable.make()
    noise = draw_noise(CONFIG, batch, rngs(4), mode)
    whole = losses(dit, table, batch, noise)
    whole.total.backward()
    gradients = {name: p.grad.clone() for name, p in dit.named_parameters()}
    dit.zero_grad()
    each = []
    for at in range(4):
        one = batch.rows(slice(at, at + 1))
        found = losses(dit, table, one, draw_noise(CONFIG, one, rngs(4)[at : at + 1], mode))
        (found.total / 4).backward()
        each.append(torch.stack([*found]).detach())
    torch.testing.assert_close(torch.stack(each).mean(0), torch.stack([*whole]).detach())
    for name, parameter in dit.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-6)


def test_video_alone_trains_video_and_no_action():
    batch, dit = windows(4), trained()
    alone = batch.rows(slice(2, 3))
    found = losses(dit, NoiseTable.make(), alone, draw_noise(CONFIG, alone, rngs(1)))
    assert found.actions == 0 < found.video
    found.total.backward()
    assert not dit.action_decoder.layer2.W.grad.any()
    assert dit.head.head.weight.grad.any()


def test_actions_alone_have_the_loss_and_the_gradient():
    batch, dit, table = windows(4), trained(), NoiseTable.make()
    noise = draw_noise(CONFIG, batch, rngs(4))
    found = losses(dit, table, batch, noise, action_weight=2.0, predict_video=False)
    assert found.video == 0 < found.actions
    assert found.total == 2 * found.actions
    found.total.backward()
    assert dit.action_decoder.layer2.W.grad.any()
    assert dit.head.head.weight.grad is None


def test_actions_alone_do_not_look_at_the_last_chunk():
    """So the cache does not make its frames."""
    batch, dit, table = windows(4), trained(), NoiseTable.make()
    noise = draw_noise(CONFIG, batch, rngs(4))
    before = 1 + CONFIG.num_frame_per_block * (2 - 1)  # windows of two chunks
    assert batch.latents.shape[2] == before + CONFIG.num_frame_per_block
    expected = losses(dit, table, batch, noise, predict_video=False)
    batch.latents[:, :, before:] = batch.condition[:, :, before:] = math.nan
    found = losses(dit, table, batch, noise, predict_video=False)
    assert torch.equal(torch.stack([*found]), torch.stack([*expected]))
    batch.latents[:, :, before - 1] += 1.0
    assert losses(dit, table, batch, noise, predict_video=False).actions != expected.actions


def test_what_is_predicted_for_padded_columns_does_not_count():
    batch, dit, table = windows(4), trained(), NoiseTable.make()
    narrow = batch.rows(slice(0, 1))  # 8 columns are real
    noise = draw_noise(CONFIG, narrow, rngs(1))
    with torch.no_grad():
        before = losses(dit, table, narrow, noise)
        dit.action_decoder.layer2.W[..., 8:] += 3.0
        assert losses(dit, table, narrow, noise) == before
        dit.action_decoder.layer2.W[..., 7] += 3.0
        assert losses(dit, table, narrow, noise).actions != before.actions


def test_what_is_drawn_for_a_window_does_not_depend_on_its_neighbours():
    batch = windows(4)
    whole = draw_noise(CONFIG, batch, rngs(4), "decoupled")
    last = draw_noise(CONFIG, batch.rows(slice(3, 4)), rngs(4)[3:], "decoupled")
    assert torch.equal(whole.video[3:], last.video)
    assert torch.equal(whole.levels.actions[3:], last.levels.actions)


def test_windows_of_different_lengths_are_not_stacked():
    short = replace(windows(1), latents=torch.zeros(1, 16, 3, 4, 4))
    with pytest.raises(ValueError, match="windows of one length"):
        Batch.stack([windows(1), short])
