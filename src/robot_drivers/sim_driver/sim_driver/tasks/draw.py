"""Colours and places drawn from a seed: rows of slots, so that everything is in reach and apart."""

from __future__ import annotations

import colorsys

import numpy as np

from sim_driver.models.description import SimArm
from sim_driver.tasks.task import COLOURS, Item, Kind

_ASIDE_M = 0.02
Half = tuple[float, float, float]


def colours(count: int, rng: np.random.Generator) -> list[str]:
    """``count`` different colours."""
    return rng.permutation(list(COLOURS))[:count].tolist()


def rgb_of(colour: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """A shade of a colour, near enough to it that nobody would call it another."""
    hue = (COLOURS[colour] + rng.uniform(-0.012, 0.012)) % 1.0
    return colorsys.hsv_to_rgb(hue, rng.uniform(0.78, 0.9), rng.uniform(0.78, 0.95))


def item(
    kind: Kind,
    colour: str,
    at: tuple[float, float],
    half: Half,
    rng: np.random.Generator,
    yaw: float = 0.0,
) -> Item:
    """One object of a drawn shade."""
    x, y = at
    return Item(f"{colour}_{kind}", kind, colour, rgb_of(colour, rng), x, y, yaw, half)  # fmt: skip


def row(
    arm: SimArm, share: float, count: int, wide: float, jitter: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """``count`` points in a row from the arm's right to its left, in a drawn order.

    Args:
        arm: in whose part of the table they lie.
        share: how far out, 0 at the near edge of that part and 1 at the far one.
        count: of points, each somewhere in its own slot.
        wide: what lies there [m]; it stays inside its slot.
        jitter: largest offset from the row [m].
        rng: draws order and offsets.
    """
    x = arm.x[0] + share * (arm.x[1] - arm.x[0])
    slot = (arm.y[1] - arm.y[0]) / count
    ys = arm.y[0] + slot * (np.arange(count) + 0.5)
    room = min(max(slot - wide, 0.0) / 2, _ASIDE_M)
    offsets = rng.uniform(-1, 1, (count, 2)) * (jitter, room)
    points = np.stack([np.full(count, x), ys], axis=1) + offsets
    return [tuple(point) for point in rng.permutation(points).tolist()]


def two_rows(rng: np.random.Generator, near: float, far: float) -> tuple[float, float]:
    """The two shares in a drawn order: things in front of places, or behind them."""
    return (near, far) if rng.random() < 0.5 else (far, near)
