"""How a stain is wiped away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim_driver.experts.kinematics import Grip
from sim_driver.experts.motion import Motion
from sim_driver.experts.site import TRIES, Site

_ROOM_M, _BEYOND_M = 0.012, 0.012
_PRESS_M = 0.001


def wipe(site: Site) -> Iterator[Motion]:
    """Grip the sponge across its short side, set it down beside the stain, sweep to and fro."""
    sponge, stain = site.thing, site.place
    yield site.hands.ready((site.arm,))
    for _ in range(TRIES):
        across = site.look.yaw(sponge.name) + np.pi / 2
        apart = sponge.half[1] + _ROOM_M
        turn = site.square(across, quarter=False)
        yield from site.take(turn, sponge.half[2] + 0.002, apart)
        grip = site.hands.grip(site.arm).place
        held = site.look.place(sponge.name) - grip
        if np.hypot(*held[:2]) > sponge.half[0]:
            continue
        yaw = site.square(np.pi / 2, quarter=False)
        reach = stain.half[1] - sponge.half[1] + _BEYOND_M
        side = 1.0 if site.rng.random() < 0.5 else -1.0
        height = sponge.half[2] - held[2] - _PRESS_M
        ends = [
            np.array([stain.x - held[0], stain.y + way * reach, height]) for way in (side, -side)
        ]
        yield site.carry(ends[0], yaw)
        for end in (ends[1], ends[0]):
            yield site.hands.move({site.arm: [Grip(end, yaw)]})
        yield from site.let_go(apart)
        break
    yield site.hands.home((site.arm,))
