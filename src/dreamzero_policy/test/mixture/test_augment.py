"""Crops and colours: inside the picture, the same for all, as the colour model says."""

import colorsys

import numpy as np
import pytest

from dreamzero_policy.mixture.augment import Augmentation
from dreamzero_policy.observation.views import crop_box


def picture(seed=0, size=(18, 32)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def test_none_is_the_robot_s_centre_crop():
    top, left, rows, columns = crop_box(18, 32)
    plain = Augmentation()
    np.testing.assert_array_equal(
        plain.crop(picture()), picture()[top : top + rows, left : left + columns]
    )
    assert plain.colour(picture()) is not None
    np.testing.assert_array_equal(plain.colour(picture()), picture())


def test_crops_lie_inside_and_everywhere():
    corners = set()
    for seed in range(200):
        drawn = Augmentation.draw(np.random.default_rng(seed), (18, 32))
        corners.add(drawn.corner)
        assert drawn.crop(picture()).shape == (17, 30, 3)
    assert corners == {(top, left) for top in range(2) for left in range(3)}
    names = {name for name, _ in drawn.changes}
    assert names == {"brightness", "contrast", "saturation", "hue"}


@pytest.mark.parametrize("turn", [0.07, -0.05, 0.0])
def test_hue_turns_as_in_the_colour_model(turn):
    tile = picture(1, (4, 4))
    turned = Augmentation(changes=(("hue", turn),)).colour(tile)
    for before, after in zip(tile.reshape(-1, 3) / 255, turned.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        expected = np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)) * 255
        assert np.abs(after - expected).max() <= 1.01  # levels are cut, not rounded


def test_factors_of_one_change_nothing_but_rounding():
    changes = tuple((name, 1.0) for name in ("brightness", "contrast", "saturation"))
    same = Augmentation(changes=changes).colour(picture())
    assert np.abs(same.astype(int) - picture()).max() <= 1
    dark = Augmentation(changes=(("brightness", 0.5),)).colour(picture())
    assert np.abs(dark.astype(int) - picture() // 2).max() <= 1
    grey = Augmentation(changes=(("saturation", 0.0),)).colour(picture())
    assert np.ptp(grey.astype(int), axis=-1).max() == 0
