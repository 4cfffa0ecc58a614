"""How a block gets onto another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim_driver.experts.motion import Motion
from sim_driver.experts.site import TRIES, Site

_ROOM_M = 0.012


def stack(site: Site) -> Iterator[Motion]:
    """Grip the block, carry it over the other one, square to it, set it down and let go."""
    thing, base = site.thing, site.place
    yield site.hands.ready((site.arm,))
    for _ in range(TRIES):
        apart = thing.half[0] + _ROOM_M
        yield from site.take(site.square(site.look.yaw(thing.name)), thing.half[2], apart)
        grip = site.hands.grip(site.arm).place
        below = site.look.place(thing.name) - grip
        on = site.look.place(base.name)
        on[:2] -= below[:2]
        on[2] = grip[2] + base.half[2] * 2 + 0.002
        yield site.carry(on, site.square(site.look.yaw(base.name)))
        yield from site.let_go(apart)
        off = site.look.place(thing.name) - site.look.place(base.name)
        if np.hypot(*off[:2]) < base.half[0] and off[2] > base.half[2]:
            break
    yield site.hands.home((site.arm,))
