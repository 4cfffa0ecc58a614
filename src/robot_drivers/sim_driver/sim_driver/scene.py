"""The world around a robot: floor, table, coloured blocks and light, all of them from one seed."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import mujoco
import numpy as np

from sim_driver.models.description import SimRobot, Table
from sim_driver.models.shapes import SCENE, SEEN_ONLY, box, finish
from sim_driver.tasks import objects
from sim_driver.tasks.task import COLOURS, Item

TIMESTEP_S = 0.002
"""Physics step [s]."""

CAMERA_OFF_M, CAMERA_OFF_RAD = 0.004, 0.01
"""How far a camera may be off its place and its direction, along and about every axis."""

_BLOCK_DENSITY = 500.0  # kg/m^3, soft wood


def build(robot: SimRobot, seed: int, items: Sequence[Item] | None = None) -> mujoco.MjModel:
    """Builds the scene of ``robot``; the same seed and items give the same scene.

    The seed chooses the table's tone, the direction and strength of the light, and how far the
    cameras are off their places, as they are on any robot. Without items it also lays one block of
    every colour, each somewhere, turned somehow, of a size and shade of its own; which colours
    there are does not change, so an instruction such as "pick up the red block" always makes sense.

    Args:
        robot: what stands in it.
        seed: 0 or more.
        items: a task's objects.
    """
    rng = np.random.default_rng(seed)
    spec = mujoco.MjSpec()
    spec.modelname = robot.name
    spec.compiler.degree = False
    option = spec.option
    option.timestep = TIMESTEP_S
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC  # with impratio: a gripped block does not creep
    option.impratio = 10.0
    _add_look(spec, robot)
    _add_room(spec, robot.table, rng)
    _add_light(spec, rng)
    robot.add_to(spec)
    if items is None:
        _add_blocks(spec, robot.table, rng)
    for item in items or ():
        objects.add(spec, item)
    _move_cameras(spec, rng)
    return spec.compile()


def block_names() -> tuple[str, ...]:
    """Names of the blocks' bodies, one per colour."""
    return tuple(f"{colour}_block" for colour in COLOURS)


def _add_look(spec: mujoco.MjSpec, robot: SimRobot) -> None:
    """Leaves out shadow map and multisampling: in software they triple the cost of a picture."""
    visual = spec.visual
    visual.quality.shadowsize = 0
    visual.quality.offsamples = 0
    visual.quality.numslices = 14
    visual.quality.numstacks = 7
    visual.global_.offwidth = max(view.width for view in robot.views)
    visual.global_.offheight = max(view.height for view in robot.views)
    visual.map.znear = 0.01
    visual.map.zfar = 20.0
    spec.stat.extent = 1.0
    spec.stat.center = [0.3, 0, 0.2]


def _add_room(spec: mujoco.MjSpec, place: Table, rng: np.random.Generator) -> None:
    """Adds sky, floor and the table, whose top is at z = 0."""
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.86, 0.89, 0.92],
        rgb2=[0.62, 0.66, 0.70],
        width=64,
        height=64,
    )
    finish(spec, "floor", (0.58, 0.60, 0.62), shine=0.0)
    shade = rng.uniform(0.94, 1.04)
    finish(spec, "table", np.clip(np.multiply((0.80, 0.71, 0.59), shade), 0, 1), shine=0.1)
    finish(spec, "table_edge", np.clip(np.multiply((0.60, 0.50, 0.39), shade), 0, 1), shine=0.1)
    world = spec.worldbody
    world.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[6, 6, 0.1],
        pos=[0, 0, -place.height],
        material="floor",
        **SCENE,
    )
    (left, right), (near, far) = place.x, place.y
    x, y, wide, deep = (left + right) / 2, (near + far) / 2, (right - left) / 2, (far - near) / 2
    top = {"friction": [0.8, 0.01, 0.001]} | SCENE
    box(world, "table", (x, y, -0.02), (wide, deep, 0.02), **top)
    box(world, "table_edge", (x, y, -0.065), (wide - 0.02, deep - 0.02, 0.025), **SEEN_ONLY)
    half = (place.height - 0.09) / 2
    for leg_x in (left + 0.06, right - 0.06):
        for leg_y in (near + 0.08, far - 0.08):
            box(world, "table_edge", (leg_x, leg_y, -0.09 - half), (0.03, 0.03, half), **SEEN_ONLY)


def _add_light(spec: mujoco.MjSpec, rng: np.random.Generator) -> None:
    """Adds one lamp above the table and a soft fill from the viewer's side."""
    spec.visual.headlight.ambient = [0.38] * 3
    spec.visual.headlight.diffuse = [0.22] * 3
    spec.visual.headlight.specular = [0.05] * 3
    position = np.array([0.6, 0.0, 2.2]) + rng.uniform(-1, 1, 3) * (0.5, 0.9, 0.2)
    warmth = rng.uniform(-0.04, 0.04)
    light = spec.worldbody.add_light(name="lamp", pos=position)
    light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    light.dir = np.array([0.3, 0.0, 0.1]) - position
    light.diffuse = rng.uniform(0.48, 0.62) * np.array([1 + warmth, 1.0, 1 - warmth])
    light.specular = [0.25] * 3
    light.castshadow = False


def _add_blocks(spec: mujoco.MjSpec, place: Table, rng: np.random.Generator) -> None:
    """Lays one block of each colour on the table, apart from one another."""
    places = _scatter(place, len(COLOURS), 0.105, rng)
    for (colour, hue), (x, y) in zip(COLOURS.items(), places, strict=True):
        half = rng.uniform(0.021, 0.026)
        angle = rng.uniform(-np.pi / 4, np.pi / 4)
        rgb = colorsys.hsv_to_rgb(
            (hue + rng.uniform(-0.012, 0.012)) % 1.0,
            rng.uniform(0.78, 0.9),
            rng.uniform(0.78, 0.95),
        )
        finish(spec, colour, rgb, shine=0.2)
        body = spec.worldbody.add_body(
            name=f"{colour}_block",
            pos=[x, y, half],
            quat=[np.cos(angle / 2), 0, 0, np.sin(angle / 2)],
        )
        body.add_freejoint(name=f"{colour}_block")
        box(
            body,
            colour,
            (0, 0, 0),
            (half, half, half),
            mass=_BLOCK_DENSITY * (2 * half) ** 3,
            condim=4,
            friction=[1.0, 0.01, 0.0005],
            **SCENE,
        )


def _scatter(
    place: Table, count: int, apart_m: float, rng: np.random.Generator
) -> list[np.ndarray]:
    """``count`` points [x, y] where blocks lie, each at least ``apart_m`` from the others."""
    low, high = np.transpose([place.blocks_x, place.blocks_y])
    while True:
        places: list[np.ndarray] = []
        for _ in range(40 * count):
            point = rng.uniform(low, high)
            if all(np.linalg.norm(point - other) >= apart_m for other in places):
                places.append(point)
            if len(places) == count:
                return places


def _move_cameras(spec: mujoco.MjSpec, rng: np.random.Generator) -> None:
    """Shifts and turns every camera a little."""
    for camera in spec.cameras:
        camera.pos = camera.pos + rng.uniform(-CAMERA_OFF_M, CAMERA_OFF_M, 3)
        turn = rng.uniform(-CAMERA_OFF_RAD, CAMERA_OFF_RAD, 3)
        quaternion = camera.quat.copy()
        mujoco.mju_quatIntegrate(quaternion, turn, 1.0)
        camera.quat = quaternion
