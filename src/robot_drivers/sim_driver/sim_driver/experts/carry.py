"""How two hands carry a bar."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim_driver.experts.kinematics import Grip
from sim_driver.experts.motion import Motion
from sim_driver.experts.site import TRIES, Site
from sim_driver.tasks.objects import POST, handle

_APART_M, _OVER_M = 0.03, 0.07
_SIDEWAYS = np.pi / 2  # both hands grip their handle along the bar


def carry(site: Site) -> Iterator[Motion]:
    """Grip both handles, lift, carry over the mat, set down, let go with both hands at once."""
    bar, mat = site.thing, site.place
    yield site.hands.ready(site.arms)
    yield site.hands.fingers(site.arms, _APART_M, 0.0)
    for _ in range(TRIES):
        ends = _ends(site)
        height = max(site.low(arm, 2 * bar.half[2] + POST[2]) for arm in site.arms)
        at = {arm: np.array([*end, height]) for arm, end in ends.items()}
        yield _move(site, at, [_OVER_M + 0.03, _OVER_M, 0.0])
        yield site.hands.fingers(site.arms, 0.0, site.wait() + 0.2)
        way = np.array([mat.x, mat.y]) - site.look.place(bar.name)[:2]
        high = float(site.rng.uniform(0.095, 0.115))
        now = {arm: site.hands.grip(arm).place for arm in site.arms}
        yield _lift(site, now, way, high)
        yield site.hands.fingers(site.arms, _APART_M, site.wait())
        now = {arm: site.hands.grip(arm).place for arm in site.arms}
        yield _move(site, now, [0.05, 0.09], exact=False)
        off = site.look.place(bar.name)[:2] - (mat.x, mat.y)
        if np.abs(off).max() < 0.02:
            break
    yield site.hands.home(site.arms)


def _ends(site: Site) -> dict[int, np.ndarray]:
    """[2] where each hand's handle is."""
    place, axes = site.look.place(site.thing.name), site.look.axes(site.thing.name)
    out = axes[:2, 1] * handle(site.thing)
    out = out if out[1] > 0 else -out
    return {0: place[:2] + out, 1: place[:2] - out}


def _move(
    site: Site, at: dict[int, np.ndarray], rises: list[float], *, exact: bool = True
) -> Motion:
    """Both hands over ``at`` and down or up through ``rises``."""
    return site.hands.move(
        {
            arm: [Grip(point + (0, 0, rise), _SIDEWAYS) for rise in rises]
            for arm, point in at.items()
        },
        exact=exact,
    )


def _lift(site: Site, at: dict[int, np.ndarray], way: np.ndarray, high: float) -> Motion:
    """Both hands up, over and down again, side by side."""
    steps = [(0.0, 0.0, high), (*(way / 2), high), (*way, high), (*way, 0.03), (*way, 0.001)]
    return site.hands.move(
        {arm: [Grip(point + step, _SIDEWAYS) for step in steps] for arm, point in at.items()},
        0.1,
    )
