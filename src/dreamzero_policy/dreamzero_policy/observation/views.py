"""Camera images to the canvas that the model sees: crop, resize, tile.

The crop discards the outer 2.5 % of each side. The resize is bilinear with a triangle filter, as
wide as the scale where it shrinks (antialias), pixel centres at half coordinates, aspect ratio not
kept. Its float32 result is cut, not rounded, to whole levels. All of this is what the checkpoints
were trained on (design: data.md 4.1, 4.2); a plain bilinear sampler differs by up to 6 levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Image

_CROP = 0.95

_BAND = 4
"""Target pixels that are made by one matrix product."""

_PRODUCT = 2**17
"""Multiplications in one. OpenBLAS shares twice as many among threads, which wait for one another:
on a busy machine a picture took two hundred times as long."""

_UNITS = 2.0**22
"""Weights of the exact products are whole multiples of 1 / _UNITS: after two passes over levels of
8 bits, sums have 8 + 22 + 22 bits, which float64 holds."""

_Band = tuple[slice, slice, NDArray[np.float64]]
_Tap = tuple[NDArray[np.intp], NDArray[np.float64]]


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
def _taps(source: int, target: int, channels: int = 1) -> tuple[_Tap, _Tap]:
    """``_weights`` of an axis that is not shrunk, where two pixels at most make one.

    Args:
        source: pixels along the axis.
        target: pixels wanted, ``source`` at least.
        channels: values per pixel that lie side by side along the axis.

    Returns:
        Of each of target * channels values the earlier and the later source value, each as
        (index, weight). Where one pixel alone makes the value, the later one weighs 0.
    """
    weights, row = _weights(source, target), np.arange(target)
    first = (weights > 0).argmax(axis=1)
    second = np.minimum(first + 1, source - 1)
    shares = weights[row, first], np.where(second > first, weights[row, second], 0)
    one, other = (
        ((index[:, None] * channels + np.arange(channels)).reshape(-1),
         np.repeat(share.astype(np.float64), channels))
        for index, share in zip((first, second), shares, strict=True)
    )  # fmt: skip
    return one, other


def _blend(values: NDArray[np.float64], taps: tuple[_Tap, _Tap], axis: int) -> NDArray[np.float64]:
    """Two source values per target value, as the reference's kernels add them up.

    These round the first product to float32 and fuse the second one with the sum. A product of two
    float32 is whole in float64, so the same comes of it here on every processor.
    """
    (first, weight), (second, other) = taps
    shape = (1, -1) if axis else (-1, 1)
    total = (values.take(first, axis) * weight.reshape(shape)).astype(np.float32)
    total = values.take(second, axis) * other.reshape(shape) + total
    return total.astype(np.float32).astype(np.float64)


@lru_cache(maxsize=64)
def _bands(source: int, target: int, channels: int = 1) -> tuple[_Band, ...]:
    """``_weights`` cut into bands: which target values, from which source values, by what matrix.

    The weights are rounded to whole multiples of 1 / _UNITS that add up to 1.

    Args:
        source: pixels along the axis.
        target: pixels wanted.
        channels: values per pixel that lie side by side along the axis.
    """
    weights = np.rint(_weights(source, target) * _UNITS)
    weights[np.arange(target), weights.argmax(axis=1)] += _UNITS - weights.sum(axis=1)
    weights, bands = weights / _UNITS, []
    for start in range(0, target, _BAND):
        stop = min(start + _BAND, target)
        (used,) = weights[start:stop].any(axis=0).nonzero()
        first, last = int(used[0]), int(used[-1]) + 1
        matrix = np.kron(weights[start:stop, first:last], np.eye(channels))
        to, of = slice(start * channels, stop * channels), slice(first * channels, last * channels)
        bands.append((to, of, matrix))
    return tuple(bands)


def _parts(length: int, matrix: NDArray[np.float64]) -> Iterator[slice]:
    """Slices of the other axis, as many of its values as make a product of the size wanted."""
    step = max(1, _PRODUCT // matrix.size)
    return (slice(first, first + step) for first in range(0, length, step))


def _exact(image: Image, size: tuple[int, int]) -> NDArray[np.float64]:
    """The filter along y, then along x: [H, W, 3] uint8 to [height, width * 3] levels.

    Libraries add the terms of a product in an order of their own, which differs between processors
    and numbers of threads. No sum is rounded here, so their order is of no consequence, nor is that
    of the axes: rows first, whose values lie side by side, takes half the time of a large camera.
    """
    height, width = image.shape[:2]
    rows = image.reshape(height, -1)
    narrow = np.empty((size[0], width * 3))
    for to, of, matrix in _bands(height, size[0]):
        for part in _parts(width * 3, matrix):
            narrow[to, part] = matrix @ rows[of, part].astype(np.float64)
    result = np.empty((size[0], size[1] * 3))
    for to, of, matrix in _bands(width, size[1], 3):
        for part in _parts(size[0], matrix):
            result[part, to] = narrow[part, of] @ matrix.T
    return result


def resize(image: Image, size: tuple[int, int]) -> Image:
    """Resizes an RGB image as in training, levels cut to whole ones.

    The same on every processor. Equal to the reference bit by bit where both sides grow or stay;
    within one level elsewhere (there the reference's sums are rounded in an order of its own).

    Args:
        image: [H, W, 3] uint8.
        size: (height, width) of the result.

    Returns:
        [height, width, 3] uint8.
    """
    height, width = image.shape[:2]
    if height > size[0] or width > size[1]:
        return _exact(image, size).astype(np.uint8).reshape(*size, 3)
    levels = np.divide(image.reshape(height, -1), np.float32(255), dtype=np.float32)
    values = _blend(levels.astype(np.float64), _taps(width, size[1], 3), 1)
    values = _blend(values, _taps(height, size[0]), 0).astype(np.float32)
    values *= np.float32(255)
    return values.astype(np.uint8).reshape(*size, 3)


def to_native(image: Image, size: tuple[int, int]) -> Image:
    """Resizes a camera's image to the size of the training data: the same filter, levels rounded.

    Args:
        image: [H, W, 3] uint8.
        size: (height, width) of the result.

    Returns:
        [height, width, 3] uint8, the same on every processor.
    """
    levels = _exact(image, size)
    return np.rint(levels, out=levels).astype(np.uint8).reshape(*size, 3)


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
