"""Camera images to the canvas that the model sees: crop, resize, tile.

The crop discards the outer 2.5 % of each side. The resize is bilinear with a triangle filter, as
wide as the scale where it shrinks (antialias), pixel centres at half coordinates, aspect ratio not
kept. Its float32 result is cut, not rounded, to whole levels. All of this is what the checkpoints
were trained on (design: data.md 4.1, 4.2); a plain bilinear sampler differs by up to 6 levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Image

_CROP = 0.95

_BAND = 8
"""Target pixels that are made by one matrix product."""

_Band = tuple[slice, slice, NDArray[np.float32]]


def crop_box(height: int, width: int) -> tuple[int, int, int, int]:
    """The centre crop of an image as (top, left, height, width) in pixels."""
    rows, columns = int(height * _CROP), int(width * _CROP)
    return round((height - rows) / 2), round((width - columns) / 2), rows, columns


def _weights(source: int, target: int) -> NDArray[np.float32]:
    """[target, source] how much of each source pixel is in each target pixel along one axis.

    They are computed in float32 step by step as PyTorch computes them, since one last bit decides
    on which side of a level a flat area falls. Every row adds up to 1.
    """
    one, half = np.float32(1), np.float32(0.5)
    scale = np.float32(source) / np.float32(target)
    support = max(scale, one)
    centre = scale * (np.arange(target, dtype=np.float32) + half)
    first = np.maximum((centre - support + half).astype(int), 0)
    last = np.minimum((centre + support + half).astype(int), source)
    index = first[:, None] + np.arange((last - first).max())
    distance = (index.astype(np.float32) - centre[:, None] + half) * (one / support)
    weight = np.maximum(one - np.abs(distance), np.float32(0))
    weight[index >= last[:, None]] = 0
    total = np.zeros(target, np.float32)
    for column in weight.T:
        total += column
    weight /= total[:, None]
    weights = np.zeros((target, source), np.float32)
    used = index < last[:, None]
    weights[np.nonzero(used)[0], index[used]] = weight[used]
    return weights


@lru_cache(maxsize=64)
def _bands(source: int, target: int, channels: int = 1) -> tuple[_Band, ...]:
    """``_weights`` cut into bands: which target values, from which source values, by what matrix.

    Args:
        source: pixels along the axis.
        target: pixels wanted.
        channels: values per pixel that lie side by side along the axis.
    """
    weights, bands = _weights(source, target), []
    for start in range(0, target, _BAND):
        stop = min(start + _BAND, target)
        (used,) = weights[start:stop].any(axis=0).nonzero()
        first, last = int(used[0]), int(used[-1]) + 1
        matrix = np.kron(weights[start:stop, first:last], np.eye(channels, dtype=np.float32))
        to, of = slice(start * channels, stop * channels), slice(first * channels, last * channels)
        bands.append((to, of, matrix))
    return tuple(bands)


def _resample(rows: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """The filter along x, then along y: [H, W * 3] to [height, width * 3].

    A product of matrices adds its terms in their order and, where the processor can, rounds once
    per term; so do the reference's kernels. Terms of weight 0 change nothing. It takes an eighth
    of the time of gathering the terms one by one.
    """
    height, width = rows.shape[0], rows.shape[1] // 3
    wide = np.empty((height, size[1] * 3), np.float32)
    for to, of, matrix in _bands(width, size[1], 3):
        wide[:, to] = rows[:, of] @ matrix.T
    result = np.empty((size[0], size[1] * 3), np.float32)
    for to, of, matrix in _bands(height, size[0]):
        result[to] = matrix @ wide[of]
    return result


def resize(image: Image, size: tuple[int, int]) -> Image:
    """Resizes an RGB image as in training, levels cut to whole ones.

    Equal to the reference bit by bit where it enlarges; within one level where it shrinks (there
    the reference sums in another order).

    Args:
        image: [H, W, 3] uint8.
        size: (height, width) of the result.

    Returns:
        [height, width, 3] uint8.
    """
    rows = np.divide(image.reshape(len(image), -1), np.float32(255), dtype=np.float32)
    rows = _resample(rows, size)
    rows *= np.float32(255)
    return rows.astype(np.uint8).reshape(*size, 3)


def to_native(image: Image, size: tuple[int, int]) -> Image:
    """Resizes a camera's image to the size of the training data: the same filter, levels rounded.

    Args:
        image: [H, W, 3] uint8.
        size: (height, width) of the result.

    Returns:
        [height, width, 3] uint8.
    """
    rows = _resample(image.reshape(len(image), -1).astype(np.float32), size)
    return np.rint(rows, out=rows).astype(np.uint8).reshape(*size, 3)


class Tiler:
    """One robot's way from camera images to the canvas."""

    def __init__(self, embodiment: Embodiment) -> None:
        """Takes sizes and places from ``embodiment``."""
        self._embodiment = embodiment
        self._views = {view.name: view for view in embodiment.views}

    def native(self, image: Image, name: str = "image") -> Image:
        """One camera image at the size of the training data.

        Args:
            image: [H, W, 3] uint8 RGB. A size other than the native one but of its aspect ratio is
                resized to it.
            name: the view's name, for the message.

        Returns:
            [H, W, 3] uint8, ``embodiment.native_size``.

        Raises:
            ValueError: dtype, channels or aspect ratio are not those of the training data.
        """
        native = self._embodiment.native_size
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f"{name}: expected uint8 RGB [H, W, 3], got {image.dtype} {list(image.shape)}"
            )
        height, width = image.shape[:2]
        if not height or height * native[1] != width * native[0]:
            raise ValueError(
                f"{name}: expected {native[1]}x{native[0]} pixels or the same aspect ratio, "
                f"got {width}x{height}"
            )
        return image if (height, width) == native else to_native(image, native)

    def view(self, image: Image, name: str = "image") -> Image:
        """One camera image, cropped and resized to its tile.

        Args:
            image: [H, W, 3] uint8 RGB, as ``native`` takes it.
            name: the view's name, for the message.

        Returns:
            [h, w, 3] uint8, ``embodiment.view_size``.

        Raises:
            ValueError: as ``native``.
        """
        image = self.native(image, name)
        top, left, rows, columns = crop_box(*self._embodiment.native_size)
        return resize(image[top : top + rows, left : left + columns], self._embodiment.view_size)

    def compose(self, tiles: Mapping[str, Image]) -> Image:
        """Tiles put together: every view's [h, w, 3] uint8 by name to [2h, 2w, 3] uint8.

        A quarter without a view is black. With a single view the canvas is that view.

        Raises:
            ValueError: a view is missing, unknown or not of the tile size.
        """
        height, width = size = self._embodiment.view_size
        if set(tiles) != set(self._views):
            raise ValueError(f"views: expected {sorted(self._views)}, got {sorted(tiles)}")
        for name, tile in tiles.items():
            if tile.shape != (*size, 3) or tile.dtype != np.uint8:
                raise ValueError(
                    f"tile {name}: expected uint8 {[*size, 3]}, got {tile.dtype} {list(tile.shape)}"
                )
        if len(tiles) == 1:
            return next(iter(tiles.values())).copy()
        canvas = np.zeros((*self._embodiment.canvas_size, 3), np.uint8)
        for name, tile in tiles.items():
            view = self._views[name]
            rows = canvas[view.row * height : (view.row + 1) * height]
            if view.full_width:
                rows[:, 0::2], rows[:, 1::2] = tile, tile
            else:
                rows[:, view.column * width : (view.column + 1) * width] = tile
        return canvas

    def canvas(self, images: Mapping[str, Image]) -> Image:
        """``compose`` of every image's ``view``: camera images by view name to the canvas.

        Raises:
            ValueError: as ``view`` and ``compose`` raise.
        """
        return self.compose({name: self.view(image, name) for name, image in images.items()})
