"""Commands to set-points: interpolation between commands, speed limits, and the hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamzero_policy.types import Float
from sim_driver.models.description import SimJoint

RAMP_S = 0.04
"""How long a set-point takes to reach a new command [s].

A little longer than the controller's 30 Hz period, so that the set-point of a moving arm never
stops between two commands; interpolating like this is what a real arm's driver does too.
"""

_TOLERANCE = 1e-6
"""How far beyond its range a command may be by rounding, in wire units."""


class Servo:
    """Set-points of all joints, from checked commands; knows no physics and no clock.

    Commands are in wire units, everything else is in MuJoCo's.

    Set-points run at constant speed towards the target, so that they arrive after ``RAMP_S``, or
    later where a joint's speed limit asks for it.
    """

    def __init__(self, joints: Sequence[SimJoint], start: Float) -> None:
        """Starts at ``start`` [J]."""
        self._index = {joint.name: index for index, joint in enumerate(joints)}
        commanded = np.array([(joint.commanded.zero, joint.commanded.one) for joint in joints])
        self._wire_zero, self._wire_span = commanded[:, 0], commanded[:, 1] - commanded[:, 0]
        self._lower = np.array([joint.lower for joint in joints])
        self._upper = np.array([joint.upper for joint in joints])
        ends = self._wire_zero + self._wire_span * np.stack([self._lower, self._upper])
        self._least, self._most = ends.min(axis=0), ends.max(axis=0)
        self._fastest = np.array([joint.velocity for joint in joints])
        self._grips = np.array([joint.grips for joint in joints])
        self._lead = np.array([joint.lead_s for joint in joints])
        self._setpoint = np.array(start, dtype=np.float64)
        self._target = self._setpoint.copy()
        self._speed = self._fastest.copy()

    @property
    def target(self) -> Float:
        """[J] where the joints are going, MuJoCo's units."""
        return self._target.copy()

    def check(self, names: Sequence[str], positions: Sequence[float]) -> Float:
        """[J] ``positions``, in wire units, in the robot's order and in MuJoCo's units.

        Raises:
            ValueError: a name is unknown, missing or there twice, the counts differ, or a position
                is not finite or is outside its joint's range. The message names joint, expected
                and got.
        """
        if len(names) != len(positions):
            raise ValueError(f"command has {len(names)} names but {len(positions)} positions")
        twice = sorted({name for name in names if list(names).count(name) > 1})
        if twice:
            raise ValueError(f"command names {', '.join(twice)} twice")
        unknown = [name for name in names if name not in self._index]
        missing = [name for name in self._index if name not in set(names)]
        if unknown or missing:
            raise ValueError(
                f"command must name every joint of the robot and no other; unknown: "
                f"{', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}; "
                f"expected: {', '.join(self._index)}"
            )
        ordered = np.empty(len(self._index))
        ordered[[self._index[name] for name in names]] = positions
        for name, value, least, most in zip(
            self._index, ordered, self._least, self._most, strict=True
        ):
            if not np.isfinite(value):
                raise ValueError(f"{name}: command is {value}, expected a finite number")
            if not least - _TOLERANCE <= value <= most + _TOLERANCE:
                raise ValueError(
                    f"{name}: command {value:.6g} is outside the joint's range "
                    f"[{least:.6g}, {most:.6g}]"
                )
        return np.clip((ordered - self._wire_zero) / self._wire_span, self._lower, self._upper)

    def follow(self, target: Float) -> None:
        """Makes for ``target`` [J], which ``check`` returned."""
        self._target = target.copy()
        self._speed = np.minimum(np.abs(target - self._setpoint) / RAMP_S, self._fastest)

    def hold(self, measured: Float) -> None:
        """Stays at the pose ``measured`` [J]; a gripper keeps its target and so what it holds."""
        self.follow(self._held(measured))

    def take_up(self, measured: Float) -> None:
        """Holds a robot that was moved by hand: set-points start at ``measured`` [J], at once."""
        self._setpoint = self._held(measured)
        self.follow(self._setpoint)

    def _held(self, measured: Float) -> Float:
        return np.where(self._grips, self._target, np.clip(measured, self._lower, self._upper))

    def step(self, dt_s: float) -> Float:
        """[J] input of the position servos for the next ``dt_s`` seconds.

        The set-point plus its velocity times the servo's lead: with that the servo's damping acts
        on the velocity error, so a joint does not trail a set-point that moves steadily.
        """
        far = self._speed * dt_s
        moved = np.minimum(np.maximum(self._target - self._setpoint, -far), far)
        self._setpoint += moved
        return self._setpoint + self._lead * (moved / dt_s)
