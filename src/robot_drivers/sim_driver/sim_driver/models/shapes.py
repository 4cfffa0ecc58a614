"""Primitive shapes, materials and camera poses for a model being built with ``MjSpec``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

Vector = Sequence[float]

SEEN_ONLY: dict[str, Any] = {"contype": 0, "conaffinity": 0}
"""A geom that cameras see and nothing touches."""

MOVING: dict[str, Any] = {"contype": 2, "conaffinity": 1}
"""A part of a robot: it touches the scene, and not the robot's other parts."""

SCENE: dict[str, Any] = {"contype": 1, "conaffinity": 3}
"""A part of the scene: it touches everything."""


def finish(spec: mujoco.MjSpec, name: str, rgb: Vector, shine: float = 0.1) -> None:
    """Adds the material ``name``: a colour (0..1) and how shiny it is (0..1)."""
    material = spec.add_material(name=name, rgba=[*rgb, 1.0])
    material.specular = shine
    material.shininess = shine


def box(body: mujoco.MjsBody, material: str, pos: Vector, half: Vector, **more: Any) -> None:
    """Adds a box around ``pos`` with half sizes ``half`` [m]."""
    _add(body, mujoco.mjtGeom.mjGEOM_BOX, material, {"pos": pos, "size": half}, more)


def capsule(
    body: mujoco.MjsBody,
    material: str,
    start: Vector,
    end: Vector,
    radius: float,
    **more: Any,
) -> None:
    """Adds a capsule between two points [m]."""
    _add(body, mujoco.mjtGeom.mjGEOM_CAPSULE, material, _between(start, end, radius), more)


def cylinder(
    body: mujoco.MjsBody,
    material: str,
    start: Vector,
    end: Vector,
    radius: float,
    **more: Any,
) -> None:
    """Adds a cylinder between two points [m]."""
    _add(body, mujoco.mjtGeom.mjGEOM_CYLINDER, material, _between(start, end, radius), more)


def _between(start: Vector, end: Vector, radius: float) -> dict[str, Any]:
    """Where a round shape between two points is, as MuJoCo takes it."""
    return {"fromto": [*start, *end], "size": [radius, 0, 0]}


def _add(
    body: mujoco.MjsBody,
    kind: mujoco.mjtGeom,
    material: str,
    place: dict[str, Any],
    more: dict[str, Any],
) -> None:
    """Adds a geom; it weighs nothing unless told otherwise."""
    body.add_geom(type=kind, material=material, **place, **({"mass": 0.0} | more))


def facing(eye: Vector, target: Vector, up: Vector) -> list[float]:
    """Quaternion [w, x, y, z] of a camera at ``eye`` that looks at ``target`` with ``up`` upwards.

    A MuJoCo camera looks along its -z axis, with x to the right of the image and y upwards.
    """
    back = np.subtract(eye, target)
    back = back / np.linalg.norm(back)
    right = np.cross(up, back)
    right = right / np.linalg.norm(right)
    matrix = np.stack([right, np.cross(back, right), back], axis=1)
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, matrix.ravel())
    return quaternion.tolist()
