"""The shapes of task objects: how an ``Item`` becomes bodies that collide and are seen."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from sim_driver.models.shapes import SCENE, SEEN_ONLY, box, cylinder, finish
from sim_driver.tasks.task import Item

_WOOD, _FOAM, _SMOOTH = 500.0, 120.0, 1000.0  # kg/m^3
_GRIPPY = {"condim": 4, "friction": [1.0, 0.01, 0.0005]}
_THICK = 0.0006  # m, of what is painted on the table

BOWL_WALLS, BOWL_WALL = 10, 0.004
"""Sides of a bowl, and half their thickness [m]."""

STAIN = (4, 3)
"""Cells of a stain along its y and x; each is wiped away by itself."""

POST = (0.012, 0.012, 0.022)
"""Half sizes of the handle at either end of a bar [m]."""


def add(spec: mujoco.MjSpec, item: Item) -> None:
    """Adds one object to a model being built."""
    _SHAPES[item.kind](spec, item)


def _body(spec: mujoco.MjSpec, item: Item, height: float, *, free: bool) -> mujoco.MjsBody:
    """The object's body, its origin ``height`` over the table."""
    finish(spec, item.name, item.rgb, shine=0.2)
    body = spec.worldbody.add_body(
        name=item.name,
        pos=[item.x, item.y, height],
        quat=[math.cos(item.yaw / 2), 0, 0, math.sin(item.yaw / 2)],
    )
    if free:
        body.add_freejoint(name=item.name)
    return body


def _block(spec: mujoco.MjSpec, item: Item) -> None:
    mass = _WOOD * 8 * math.prod(item.half)
    body = _body(spec, item, item.half[2], free=True)
    box(body, item.name, (0, 0, 0), item.half, mass=mass, **(_GRIPPY | SCENE))


def _sponge(spec: mujoco.MjSpec, item: Item) -> None:
    mass = _FOAM * 8 * math.prod(item.half)
    body = _body(spec, item, item.half[2], free=True)
    soft = {"solref": [0.04, 1.0], "condim": 4, "friction": [0.6, 0.01, 0.0005]}
    box(body, item.name, (0, 0, 0), item.half, mass=mass, **(soft | SCENE))


def _puck(spec: mujoco.MjSpec, item: Item) -> None:
    radius, _, half = item.half
    mass = _SMOOTH * math.pi * radius**2 * 2 * half
    body = _body(spec, item, half, free=True)
    # Smooth to fingers too, whose grip would tip it over: the higher priority decides.
    slow = {"condim": 4, "friction": [0.3, 0.01, 0.001], "priority": 2}
    cylinder(body, item.name, (0, 0, -half), (0, 0, half), radius, mass=mass, **(slow | SCENE))


def _bar(spec: mujoco.MjSpec, item: Item) -> None:
    """A beam along y with an upright handle at either end."""
    body = _body(spec, item, item.half[2], free=True)
    mass = 0.6 * _WOOD * 8 * math.prod(item.half)
    box(body, item.name, (0, 0, 0), item.half, mass=mass, **(_GRIPPY | SCENE))
    for side in (1.0, -1.0):
        at = (0, side * handle(item), item.half[2] + POST[2])
        box(body, item.name, at, POST, mass=0.02, **(_GRIPPY | SCENE))


def handle(item: Item) -> float:
    """How far a bar's handles are from its middle [m]."""
    return item.half[1] - POST[1] - 0.006


def _bowl(spec: mujoco.MjSpec, item: Item) -> None:
    """A round bowl that stays where it is: a floor and a ring of walls."""
    radius, _, half = item.half
    body = _body(spec, item, 0.0, free=False)
    cylinder(body, item.name, (0, 0, 0), (0, 0, 0.004), radius, **(_GRIPPY | SCENE))
    wide = radius * math.tan(math.pi / BOWL_WALLS) + BOWL_WALL
    for angle in np.arange(BOWL_WALLS) * 2 * math.pi / BOWL_WALLS:
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            material=item.name,
            pos=[radius * math.cos(angle), radius * math.sin(angle), half],
            quat=[math.cos(angle / 2), 0, 0, math.sin(angle / 2)],
            size=[BOWL_WALL, wide, half],
            **SCENE,
        )


def _goal(spec: mujoco.MjSpec, item: Item) -> None:
    """A disc that is painted on the table."""
    body = _body(spec, item, 0.0, free=False)
    cylinder(body, item.name, (0, 0, 0), (0, 0, _THICK), item.half[0], **SEEN_ONLY)


def _mat(spec: mujoco.MjSpec, item: Item) -> None:
    """A rectangle that is painted on the table."""
    body = _body(spec, item, 0.0, free=False)
    box(body, item.name, (0, 0, 0), (*item.half[:2], _THICK), **SEEN_ONLY)


def stain_cells(item: Item) -> list[tuple[str, tuple[float, float]]]:
    """Name and centre [x, y] of every cell of a stain."""
    along, across = STAIN
    xs = item.x + item.half[0] * (2 * (np.arange(across) + 0.5) / across - 1)
    ys = item.y + item.half[1] * (2 * (np.arange(along) + 0.5) / along - 1)
    return [
        (f"{item.name}_{row}_{column}", (float(x), float(y)))
        for row, y in enumerate(ys)
        for column, x in enumerate(xs)
    ]


def _stain(spec: mujoco.MjSpec, item: Item) -> None:
    """Painted cells that touch nothing; wiping makes them invisible, one by one."""
    along, across = STAIN
    body = _body(spec, item, 0.0, free=False)
    half = (item.half[0] / across, item.half[1] / along, _THICK)
    for name, (x, y) in stain_cells(item):
        body.add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[x - item.x, y - item.y, 0],
            size=half,
            rgba=[*item.rgb, 1.0],
            **SEEN_ONLY,
        )


_SHAPES = {
    "block": _block,
    "bowl": _bowl,
    "sponge": _sponge,
    "stain": _stain,
    "puck": _puck,
    "goal": _goal,
    "bar": _bar,
    "mat": _mat,
}
