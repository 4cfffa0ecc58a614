"""How a puck is pushed onto a goal."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from sim_driver.experts.kinematics import Grip
from sim_driver.experts.motion import Motion
from sim_driver.experts.site import TRIES, Site

_BEHIND_M, _BEFORE_LAST = 0.03, 0.7
_NEAR_M, _BACK_M = 0.02, 0.04


def push(site: Site) -> Iterator[Motion]:
    """Set closed fingers behind the puck, push most of the way, look again, push the rest."""
    puck, goal = site.thing, site.place
    arm = site.arm
    yield site.hands.ready((arm,))
    yield site.hands.fingers((arm,), 0.0, 0.0)  # open ones would clamp the puck
    for _ in range(TRIES):
        at = site.look.place(puck.name)
        way = np.array([goal.x, goal.y]) - at[:2]
        if np.hypot(*way) < _NEAR_M:
            break
        ahead = way / np.hypot(*way)
        turn = site.square(math.atan2(ahead[1], ahead[0]) + math.pi / 2, quarter=False)
        low = site.low(arm, puck.half[2] * 0.8)
        behind = np.array([*(at[:2] - ahead * (puck.half[0] + _BEHIND_M)), low])
        over = behind + (0, 0, 0.07)
        yield site.hands.move(
            {arm: [Grip(site.above(over, over[2]), turn), Grip(over, turn), Grip(behind, turn)]}
        )
        first = behind.copy()
        first[:2] += ahead * (_BEHIND_M + _BEFORE_LAST * (np.hypot(*way) - _BEHIND_M / 2))
        yield site.hands.move({arm: [Grip(first, turn)]}, 0.1)
        hand = site.hands.grip(arm).place
        left = np.array([goal.x, goal.y]) - site.look.place(puck.name)[:2]
        last = hand + (*left, 0.0)
        yield site.hands.move({arm: [Grip(last, turn)]}, site.wait())
        back = last.copy()
        back[:2] -= ahead * _BACK_M  # straight back first: pads that rise along it would lift it
        yield site.hands.move({arm: [Grip(back, turn)]})
        yield site.hands.move({arm: [Grip(back + (0, 0, 0.08), turn)]}, exact=False)
    yield site.hands.home((arm,))
