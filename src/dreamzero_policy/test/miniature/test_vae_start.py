"""Before a step is learned, the small VAE's latents tell the colour of small things."""

from dataclasses import replace

import pytest
import torch

from dreamzero_policy.miniature.vae_start import set_averages
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.model.vae import VideoVAE


@pytest.fixture
def vae():
    torch.manual_seed(0)
    made = VideoVAE(TINY.vae).eval()
    assert set_averages(made)
    return made


def table(frames=1):
    """[1, 3, T, 48, 64] a plain table in [-1, 1]."""
    return torch.tensor([0.6, 0.5, 0.3]).reshape(1, 3, 1, 1, 1).expand(1, 3, frames, 48, 64).clone()


def quarters(vae, video):
    """[F, 4, 3, h, w] of the latents' first twelve channels."""
    with torch.no_grad():
        latents = vae.net.encode(video).latent_dist.mean[0, :12]
    return latents.transpose(0, 1).unflatten(1, (4, 3))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_thing_of_four_pixels_changes_its_own_quarter_by_its_colour(vae, row, column):
    video, top, left = table(), 16 + 4 * row, 24 + 4 * column
    video[0, :, 0, top : top + 4, left : left + 4] = torch.tensor([0.6, -0.5, 0.3])[:, None, None]
    change = (quarters(vae, video) - quarters(vae, table()))[0, :, :, 2, 3]
    mine = 2 * row + column
    assert change[mine, 1] < -0.5  # less green
    others = torch.arange(4) != mine
    assert change[others].abs().max() < 0.1 * change[mine, 1].abs()
    assert change[mine, [0, 2]].abs().max() < 0.5 * change[mine, 1].abs()


def test_a_latent_frame_shows_the_newest_of_its_frames(vae):
    still, moved = table(9), table(9)
    moved[:, :, 8] = -0.5
    before, after = quarters(vae, still), quarters(vae, moved)
    assert torch.equal(before[:2], after[:2])
    assert (after[2] - before[2]).mean() < -0.3


def test_the_decoder_draws_the_colours_again(vae):
    video = table()
    video[:, :, :, 8:32, 16:48] = torch.tensor([-0.6, 0.2, 0.7]).reshape(1, 3, 1, 1, 1)
    with torch.no_grad():
        mean = vae.net.encode(video).latent_dist.mean
        drawn = vae.net.decode(mean, return_dict=False)[0]
        torch.manual_seed(0)
        other = VideoVAE(TINY.vae)
        random = other.net.decode(other.net.encode(video).latent_dist.mean, return_dict=False)[0]
    assert (drawn - video).abs().mean() < 0.5 * (random - video).abs().mean()


def test_sizes_that_it_was_not_made_for_are_left_alone():
    small = VideoVAE(replace(TINY.vae, z_dim=8, latents_mean=(0.0,) * 8, latents_std=(1.0,) * 8))
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    assert not set_averages(small)
    assert all(torch.equal(before[name], x) for name, x in small.state_dict().items())
