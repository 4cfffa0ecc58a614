"""One period of motion as three equal pieces of linear acceleration.

Three pieces are just enough to meet a position, a velocity and an acceleration at once; each knot
is clipped to the limits, so whatever is asked for, what comes out keeps them.
"""

from __future__ import annotations

import numpy as np

from dreamzero_policy.profiles.braking import Brake
from dreamzero_policy.types import Float

State = tuple[Float, Float, Float]
"""Position, velocity and acceleration, [A] each."""


def straight_to(
    now: Brake, goal: State, most: Float, jerk: Float, period_s: float
) -> tuple[State, np.ndarray]:
    """The state one period from now, as near a goal as the pieces get.

    Args:
        now: the present state.
        goal: where it is to be after the period; finite.
        most: [A] largest acceleration.
        jerk: [A] largest jerk.
        period_s: length of the period [s].

    Returns:
        The state, and [A] whether it is the goal itself (no piece was clipped).
    """
    position, velocity, acceleration = goal
    third, start = period_s / 3.0, now.acceleration
    change = jerk * third
    in_sum = (velocity - now.velocity) / third - (start + acceleration) / 2.0
    weighted = (position - now.position) / third - 3.0 * now.velocity
    weighted = weighted / third - 4.0 / 3.0 * start - acceleration / 6.0
    wanted = (weighted - in_sum, 2.0 * in_sum - weighted, acceleration)
    previous, exact, knots = start, np.ones(len(start), dtype=bool), []
    for value in wanted:
        knot = np.clip(
            value, np.maximum(previous - change, -most), np.minimum(previous + change, most)
        )
        exact &= knot == value
        knots.append(knot)
        previous = knot
    one, two, three = knots
    moved = 4.0 / 3.0 * start + 2.0 * one + two + three / 6.0
    end = (
        now.position + third * (3.0 * now.velocity + third * moved),
        now.velocity + third * ((start + three) / 2.0 + one + two),
        three,
    )
    return end, exact
