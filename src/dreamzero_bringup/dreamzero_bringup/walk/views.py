"""Whether the camera on an arm's hand sees that arm move, and not the other one: swapped cameras.

A cheap difference of two pictures, one at rest and one far out; nothing here knows ROS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from dreamzero_bringup.walk.plan import side
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float
from dreamzero_policy.types import Image as Pixels

Seen = Literal["own", "other", "unclear"]

_WORDS = {"wrist", "hand"}  # of a view that is on a hand
_CLEAR, _LEAST = 2.0, 1.0  # times as much as the other view; grey levels
_CELLS = 48


def hand_views(robot: Embodiment) -> dict[str, str]:
    """View on the hand of each arm, by side; the side of a single arm is nothing.

    Empty where names do not say which view is on which hand.
    """
    views = [view.name for view in robot.views]
    found = {arm: [name for name in views if side(name) == arm] for arm in ("left", "right")}
    if all(len(names) == 1 for names in found.values()) and _arms(robot) >= {"left", "right"}:
        return {arm: names[0] for arm, names in found.items()}
    single = [name for name in views if _WORDS & set(name.split("_"))]
    if len(single) == 1 and len(views) > 1 and not _arms(robot) & {"left", "right"}:
        return {"": single[0]}
    return {}


def others(robot: Embodiment, arm: str) -> tuple[str, ...]:
    """Views that must change less than an arm's own: the other hand's, or all that stand."""
    hands = hand_views(robot)
    if len(hands) > 1:
        return tuple(view for of, view in hands.items() if of != arm)
    return tuple(view.name for view in robot.views if view.name not in hands.values())


def small(pixels: Pixels) -> Float:
    """[h, w] grey levels of an image [H, W, 3], averaged over cells of some pixels."""
    height, width = pixels.shape[:2]
    step = max(1, min(height, width) // _CELLS)
    grey = pixels[: height // step * step, : width // step * step].mean(axis=2)
    return grey.reshape(height // step, step, width // step, step).mean(axis=(1, 3))


def difference(before: Float, after: Float) -> float:
    """Mean absolute difference of two small pictures [grey levels]; of other sizes infinite."""
    return float(np.abs(after - before).mean()) if before.shape == after.shape else float("inf")


def judge(changes: Mapping[str, float], own: str, other: tuple[str, ...]) -> Seen:
    """Which view saw the arm move.

    Args:
        changes: difference by view.
        own: the view on the hand that moved.
        other: views that must change less.
    """
    rest = [changes[view] for view in other if view in changes]
    if own not in changes or not rest:
        return "unclear"
    if changes[own] > max(_LEAST, _CLEAR * max(rest)):
        return "own"
    return "other" if max(rest) > max(_LEAST, _CLEAR * changes[own]) else "unclear"


def _arms(robot: Embodiment) -> set[str]:
    return {side(joint.name) for joint in robot.joints} - {""}
