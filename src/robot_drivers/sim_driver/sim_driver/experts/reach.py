"""How a hand gets to a thing, or over it, and stays there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim_driver.experts.kinematics import Grip
from sim_driver.experts.motion import Motion
from sim_driver.experts.site import Site
from sim_driver.tasks.hover import HEIGHT_M

_OVER_M = (0.012, 0.02)  # finger ends over the thing's top
_ABOUT_M = (HEIGHT_M - 0.01, HEIGHT_M + 0.01)  # the same, for who hovers
_UP_M = (0.04, 0.08)
_STAY_S = 1.2


def reach(site: Site, over_m: tuple[float, float] = _OVER_M) -> Iterator[Motion]:
    """From above, fingers closing on the way; it stays, so that only the thing says where to end.

    It sets out at once: a policy that has learned to wait, and is asked again before the wait is
    over, waits for ever.

    Args:
        site: where it is done.
        over_m: from and to how high the finger ends are over the thing's top [m].
    """
    thing, arm = site.thing, site.arm
    corners = []
    if site.hands.closed(arm):  # it has reached for something else before
        now = site.hands.grip(arm)
        corners = [Grip(now.place + (0, 0, site.rng.uniform(*_UP_M)), now.yaw)]
    elif not site.hands.at_ease(arm):
        yield site.hands.ready((arm,))
    top = site.look.place(thing.name)[2] + thing.half[2]
    height = top + site.hands.tip(arm) + site.rng.uniform(*over_m)
    place = np.array([*site.look.place(thing.name)[:2], height])
    turn = site.hands.yaw(arm)
    corners += [Grip(place + (0, 0, site.rng.uniform(*_UP_M)), turn), Grip(place, turn)]
    yield site.hands.move({arm: corners}, _STAY_S + site.wait(), apart=0.0)


def hover(site: Site) -> Iterator[Motion]:
    """The same, but that it stays higher up."""
    yield from reach(site, _ABOUT_M)
