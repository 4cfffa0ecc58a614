"""What training does to pictures and a robot does not: another crop, other colours.

One crop and one set of colours per window, shared by all views and frames (design: data.md 4.1):
the crop keeps 95 % of height and width at a random place, then brightness, contrast, saturation and
hue change in a random order. Variant 0 of a window is what the robot sees: the centre crop, colours
as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamzero_policy.observation.views import crop_box
from dreamzero_policy.types import Image

BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.3, 0.4, 0.5, 0.08
"""How far each factor is drawn from 1; hue in turns from 0."""

_GREY = np.array([0.299, 0.587, 0.114], np.float32)

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """What is done to every picture of a window.

    Attributes:
        corner: (top, left) of the crop; None for the centre.
        changes: colours, in this order: a name and a factor.
    """

    corner: tuple[int, int] | None = None
    changes: Sequence[tuple[str, float]] = ()

    @classmethod
    def draw(cls, rng: np.random.Generator, native_size: tuple[int, int]) -> Augmentation:
        """A random one for pictures of (height, width)."""
        height, width = native_size
        _, _, rows, columns = crop_box(height, width)
        corner = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        factors = [
            ("brightness", rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS)),
            ("contrast", rng.uniform(1 - CONTRAST, 1 + CONTRAST)),
            ("saturation", rng.uniform(1 - SATURATION, 1 + SATURATION)),
            ("hue", rng.uniform(-HUE, HUE)),
        ]
        return cls(corner, tuple(factors[at] for at in rng.permutation(len(factors))))

    def crop(self, picture: Image) -> Image:
        """What is kept of a picture at its native size."""
        top, left, rows, columns = crop_box(*picture.shape[:2])
        top, left = self.corner or (top, left)
        return picture[top : top + rows, left : left + columns]

    def colour(self, tile: Image) -> Image:
        """A picture [h, w, 3] in other colours, levels cut to whole ones."""
        if not self.changes:
            return tile
        pixels = tile.astype(np.float32) / np.float32(255)
        for name, factor in self.changes:
            pixels = _CHANGES[name](pixels, np.float32(factor))
        return (pixels * np.float32(255)).astype(np.uint8)


def _blend(pixels: Pixels, other: Pixels, factor: np.float32) -> Pixels:
    """From ``other`` (0) over ``pixels`` (1) and beyond."""
    return np.clip(factor * pixels + (1 - factor) * other, 0, 1)


def _brightness(pixels: Pixels, factor: np.float32) -> Pixels:
    return _blend(pixels, np.zeros_like(pixels), factor)


def _contrast(pixels: Pixels, factor: np.float32) -> Pixels:
    return _blend(pixels, (pixels @ _GREY).mean(keepdims=True), factor)


def _saturation(pixels: Pixels, factor: np.float32) -> Pixels:
    return _blend(pixels, (pixels @ _GREY)[..., None], factor)


def _hue(pixels: Pixels, turns: np.float32) -> Pixels:
    """Turns every colour around the grey axis of hue, saturation and value."""
    value, least = pixels.max(axis=-1), pixels.min(axis=-1)
    span = value - least
    safe = np.where(span == 0, 1, span)
    red, green, blue = np.moveaxis(pixels, -1, 0)
    hue = np.select(
        [value == red, value == green],
        [(green - blue) / safe, 2 + (blue - red) / safe],
        4 + (red - green) / safe,
    )
    hue = np.where(span == 0, 0, hue / 6 + turns) % 1
    offsets = np.array([5, 3, 1], np.float32)
    k = (offsets + 6 * hue[..., None]) % 6
    ramp = np.clip(np.minimum(k, 4 - k), 0, 1)
    return (value[..., None] - span[..., None] * ramp).astype(np.float32)


_CHANGES: dict[str, Callable[[Pixels, np.float32], Pixels]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "hue": _hue,
}
