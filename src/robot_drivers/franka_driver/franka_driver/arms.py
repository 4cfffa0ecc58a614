"""What each of the two Franka arms can do: a pose legal on one may be illegal on the other.

Positions, velocities: ``franka_description``, ``robots/fer/joint_limits.yaml`` and
``robots/fr3/joint_limits.yaml``. Accelerations and jerks: the two sets in franky ``src/robot.cpp``
(v2.0.0). They are libfranka's values of the FER and of the FR3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_policy.types import Float

_TOLERANCE = 1e-6
"""How far beyond its range a command may be by rounding [rad]."""


@dataclass(frozen=True)
class ArmModel:
    """The hardware limits of one arm; every field [7], rad and s.

    Attributes:
        name: ``fer`` or ``fr3``, also the prefix of its joints' names in franka_description.
        lower, upper: positions.
        velocity, acceleration, jerk: largest magnitudes.
    """

    name: str
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    velocity: tuple[float, ...]
    acceleration: tuple[float, ...]
    jerk: tuple[float, ...]

    def check(self, names: tuple[str, ...], positions: Float) -> Float:
        """[7] positions that the arm can reach.

        Args:
            names: of the joints, for the message.
            positions: [7] rad, finite.

        Raises:
            ValueError: a position is outside the table of this arm.
        """
        for name, value, low, high in zip(names, positions, self.lower, self.upper, strict=True):
            if not low - _TOLERANCE <= value <= high + _TOLERANCE:
                raise ValueError(
                    f"{name}: command {value:.6g} is outside the range [{low}, {high}] of the "
                    f"{self.name}"
                )
        return np.clip(positions, self.lower, self.upper)


FER = ArmModel(
    name="fer",
    lower=(-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973),
    upper=(2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973),
    velocity=(2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61),
    acceleration=(15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0),
    jerk=(7500.0, 3750.0, 5000.0, 6250.0, 7500.0, 10000.0, 10000.0),
)

FR3 = ArmModel(
    name="fr3",
    lower=(-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159),
    upper=(2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159),
    velocity=(2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26),
    acceleration=(10.0,) * 7,
    jerk=(5000.0,) * 7,
)

ARMS = {arm.name: arm for arm in (FER, FR3)}
