"""The small image encoder's tokens tell the colours of their patch and where it is."""

from dataclasses import replace

import pytest
import torch

from dreamzero_policy.miniature.image_start import set_colours_and_places
from dreamzero_policy.model.image_encoder import ImageEncoder
from dreamzero_policy.model.presets import TINY

SIDE = TINY.image.image_size // TINY.image.patch_size


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    made = ImageEncoder(TINY.image).eval()
    assert set_colours_and_places(made)
    return made


def tokens(encoder, picture):
    """[SIDE, SIDE, dim] of a picture in the encoder's own size."""
    with torch.no_grad():
        found = encoder.encode(picture)[0]
    assert not found[0].any()  # the class token says nothing
    return found[1:].unflatten(0, (SIDE, SIDE))


def table():
    return torch.tensor([0.6, 0.5, 0.3]).reshape(1, 3, 1, 1).expand(1, 3, 112, 112).clone()


def test_a_thing_changes_its_own_patch_alone_and_mostly_its_colour(encoder):
    picture = table()
    picture[0, :, 2 * 14 : 2 * 14 + 7, 5 * 14 : 5 * 14 + 7] = torch.tensor([0.6, -0.5, 0.3])[
        :, None, None
    ]
    change = (tokens(encoder, picture) - tokens(encoder, table())).abs()
    outside = change.clone()
    outside[1:4, 4:7] = 0  # bicubic interpolation sees a pixel beyond
    assert outside.max() < 1e-4
    assert change[2, 5].argmax() == 1  # green of the first quarter


def test_the_same_patch_elsewhere_is_another_token(encoder):
    found = tokens(encoder, table()).flatten(0, 1)
    apart = torch.cdist(found, found) + 10 * torch.eye(len(found))
    assert apart.min() > 0.2


def test_places_can_be_read_whatever_lies_there(encoder):
    """A linear map from tokens to places, fitted on some pictures, holds for others."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.arange(SIDE).float()
    places = torch.cartesian_prod(steps, steps)

    def look(count):
        pictures = table() + 0.4 * torch.rand(
            count, 3, 16, 16, generator=generator
        ).repeat_interleave(7, dim=2).repeat_interleave(7, dim=3)
        with torch.no_grad():
            found = encoder.encode(pictures)[:, 1:].flatten(0, 1)
        return torch.cat([found, torch.ones(len(found), 1)], dim=1), places.repeat(count, 1)

    x, y = look(16)
    fit = torch.linalg.lstsq(x, y, driver="gelsd").solution
    x, y = look(4)
    assert (x @ fit - y).abs().mean() < 0.3


@pytest.mark.parametrize("change", [{"patch_size": 7}, {"dim": 16, "num_heads": 1}])
def test_others_are_left_alone(change):
    assert not set_colours_and_places(ImageEncoder(replace(TINY.image, **change)))
