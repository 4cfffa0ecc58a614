"""Hover over a thing that is named by colour and shape: the scenes of ``reach``, from higher up."""

from __future__ import annotations

import numpy as np

from sim_driver.tasks.look import Look
from sim_driver.tasks.reach import FAR_M, OVER_M, Reach
from sim_driver.tasks.task import Attempt

HEIGHT_M, BAND_M = 0.12, 0.04
"""How high the finger ends are over the thing's top, and how far from that they may be [m]."""


class Hover(Reach):
    """Two blocks and two discs painted on the table, as of ``Reach``: only the words differ.

    Done: the finger ends are over the named thing, at a distance.
    """

    name = "hover"
    verb = "hover over"

    def stage(self, look: Look, attempt: Attempt) -> float:
        """The share of the last 20 cm, up to 0.99; 1 done."""
        thing = attempt.choice.thing
        away = look.finger_ends(attempt.layout.arms[0]) - look.place(thing.name)
        away[2] -= thing.half[2] + HEIGHT_M
        if np.hypot(*away[:2]) < OVER_M and abs(away[2]) < BAND_M:
            return 1.0
        return float(np.clip(1.0 - np.linalg.norm(away) / FAR_M, 0.0, 0.99))
