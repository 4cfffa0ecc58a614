"""A wheeled base that obeys velocities: it rolls on while they come, and brakes when they do not.

It goes ahead and turns, but not sideways. Time comes in as nanoseconds of a clock that only goes
forward. Knows no physics: it says where the wheels should be, as ``servo.py`` does for joints.
"""

from __future__ import annotations

import math

import numpy as np

from dreamzero_policy.types import NS_PER_S, Float
from sim_driver.models.description import SimBase

_RAMP_S = 0.1
"""From standing still to full speed, and back [s]."""

_LAG = np.array([0.03, 0.03, 0.05])
"""How far the set-point runs ahead of wheels that are blocked [m, m, rad]."""

_TOLERANCE = 1e-6


class Base:
    """Set-points of the base's three joints: x, y [m] and the turn [rad]."""

    def __init__(self, base: SimBase) -> None:
        """Stands still at the origin."""
        self._most = np.array([base.forward, base.yaw])
        self._timeout_ns = round(base.timeout_s * NS_PER_S)
        self._lead_s = base.lead_s
        self._place = np.zeros(3)
        self._wanted, self._speed = np.zeros(2), np.zeros(2)
        self._command_ns = 0

    def drive(self, forward: float, yaw: float, now_ns: int) -> None:
        """Rolls at ``forward`` [m/s] and turns at ``yaw`` [rad/s], until ``timeout_s`` from now.

        Raises:
            ValueError: a velocity is not finite or more than the base may have.
        """
        wanted = np.array([forward, yaw])
        for name, value, most in zip(("forward", "yaw"), wanted, self._most, strict=True):
            if not abs(value) <= most + _TOLERANCE:  # also where it is not a number
                raise ValueError(
                    f"base {name}: command {value:.6g} is outside the range "
                    f"[{-most:.6g}, {most:.6g}]"
                )
        self._wanted, self._command_ns = wanted, now_ns

    def stop(self) -> None:
        """Brakes to a standstill, and stays there until the next command."""
        self._wanted = np.zeros(2)

    def step(self, dt_s: float, now_ns: int, measured: Float) -> Float:
        """[3] input of the base's servos for the next ``dt_s`` seconds.

        Args:
            dt_s: the physics step.
            now_ns: the instant that is stepped to.
            measured: [3] where the base is.
        """
        if now_ns - self._command_ns > self._timeout_ns:
            self.stop()
        most = self._most * dt_s / _RAMP_S
        self._speed += np.clip(self._wanted - self._speed, -most, most)
        forward, yaw = self._speed
        turn = self._place[2] + 0.5 * yaw * dt_s
        velocity = np.array([forward * math.cos(turn), forward * math.sin(turn), yaw])
        place = self._place + velocity * dt_s
        self._place = np.clip(place, measured - _LAG, measured + _LAG)
        return self._place + self._lead_s * velocity
