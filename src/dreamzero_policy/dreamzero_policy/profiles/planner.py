"""Where a time-optimal jerk-limited profile goes next, by Ruckig (PyPI, MIT licence).

A suggestion only: ``limiter.py`` checks it like any other, so nothing rests on Ruckig being right.
"""

from __future__ import annotations

import numpy as np
import ruckig

from dreamzero_policy.profiles.braking import Brake
from dreamzero_policy.profiles.pieces import State
from dreamzero_policy.types import Float

_SHARE = 0.999
"""Share of the limits that a plan uses, so that its own brake at the end still fits inside them."""

_JERK_SHARE = 0.8
"""Share of the jerk limit that a plan uses: the pieces of a step switch at fixed times, and with
nothing to spare they can miss a near goal by the same bit step after step."""

_FRAME_SHARE = 0.9
"""Fastest frame as a share of the velocity limit; some is left to catch up with."""


class Planner:
    """Plans every joint for itself, in the frame that moves with its goal, where the goal rests.

    Args:
        acceleration: [A] largest acceleration.
        jerk: [A] largest jerk. The plan turns its acceleration over a period at the fastest, since
            the pieces of a step could not follow anything finer.
        period_s: time of one step [s].
    """

    def __init__(self, acceleration: Float, jerk: Float, period_s: float) -> None:
        self._acceleration = (acceleration * _SHARE).tolist()
        self._jerk = np.minimum(jerk * _JERK_SHARE, acceleration / period_s).tolist()
        self._period_s = period_s
        self._ruckig = ruckig.Ruckig(1)
        self._question, self._answer = ruckig.InputParameter(1), ruckig.Trajectory(1)

    def towards(self, now: Brake, goal: State, columns: np.ndarray, speeds: Float) -> State:
        """The state one period from now on the way to a moving goal.

        Args:
            now: the present state.
            goal: where the goal will be one period from now; finite.
            columns: which joints to plan.
            speeds: [2, A] how fast a joint may go downwards and upwards from where it is.

        Returns:
            The state; for joints that are not planned, or have no plan, the goal itself.
        """
        position, velocity, acceleration = (values.copy() for values in goal)
        question, period = self._question, self._period_s
        for column in columns.tolist():
            down, up = (float(speeds[way, column]) * _SHARE for way in (0, 1))
            speed = min(max(float(goal[1][column]), -_FRAME_SHARE * down), _FRAME_SHARE * up)
            origin = float(goal[0][column])
            # The frame's origin is where the goal was one period ago.
            question.current_position = [float(now.position[column]) - origin + speed * period]
            question.current_velocity = [float(now.velocity[column]) - speed]
            question.current_acceleration = [float(now.acceleration[column])]
            question.max_velocity, question.min_velocity = [up - speed], [-down - speed]
            question.max_acceleration = [self._acceleration[column]]
            question.max_jerk = [self._jerk[column]]
            try:
                outcome = self._ruckig.calculate(question, self._answer)
            except RuntimeError:  # Ruckig refuses the question; the brake is always there
                continue
            if outcome in (ruckig.Result.Working, ruckig.Result.Finished):
                gap, relative, push = self._answer.at_time(period)
                position[column] = origin + gap[0]
                velocity[column] = speed + relative[0]
                acceleration[column] = push[0]
        return position, velocity, acceleration
