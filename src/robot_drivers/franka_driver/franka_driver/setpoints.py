"""Commands that come now and then to set-points at a steady rate."""

from __future__ import annotations

import numpy as np

from dreamzero_policy.types import Float

RAMP_S = 0.04
"""How long a set-point takes to reach a new command [s].

A little longer than the controller's 30 Hz period, so that the set-point of a moving arm never
stops between two commands.
"""


class SetPoints:
    """Runs at constant speed towards the newest command and never faster than the joints may."""

    def __init__(self, velocity: Float, start: Float) -> None:
        """Starts at rest.

        Args:
            velocity: [7] largest speeds [rad/s].
            start: [7] where the joints are [rad].
        """
        self._fastest = np.asarray(velocity)
        self._target = np.array(start)
        self._speed = np.zeros_like(self._target)
        self.position = self._target.copy()

    def follow(self, target: Float) -> None:
        """Makes for ``target`` [7]."""
        self._target = np.array(target)
        self._speed = np.minimum(np.abs(self._target - self.position) / RAMP_S, self._fastest)

    def step(self, dt_s: float) -> Float:
        """[7] the set-point ``dt_s`` later."""
        far = self._speed * dt_s
        self.position = self.position + np.clip(self._target - self.position, -far, far)
        return self.position.copy()

    @property
    def resting(self) -> bool:
        """Whether the newest command is reached."""
        return bool((self.position == self._target).all())
