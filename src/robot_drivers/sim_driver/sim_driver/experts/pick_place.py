"""How a block gets into a bowl."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim_driver.experts.motion import Motion
from sim_driver.experts.site import TRIES, Site

_ROOM_M = 0.014


def pick_place(site: Site) -> Iterator[Motion]:
    """Grip the block, carry it over the bowl, let it fall in."""
    thing, bowl = site.thing, site.place
    yield site.hands.ready((site.arm,))
    for _ in range(TRIES):
        apart = thing.half[0] + _ROOM_M
        yield from site.take(site.square(site.look.yaw(thing.name)), thing.half[2], apart)
        held = site.hands.grip(site.arm)
        drop = np.array([bowl.x, bowl.y, held.place[2] + 2 * bowl.half[2] + 0.012])
        yield site.carry(drop, site.square(held.yaw))
        yield from site.let_go(apart)
        at = site.look.place(thing.name)
        if np.hypot(at[0] - bowl.x, at[1] - bowl.y) < bowl.half[0]:
            break
    yield site.hands.home((site.arm,))
