"""What an expert does with its hands: reach along a curve, close, open, go back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import mujoco
import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float
from sim_driver.experts.kinematics import Arm, Grip
from sim_driver.experts.motion import Motion, Rates, rounded
from sim_driver.models.description import SimRobot

_SAMPLES = 14  # poses that are solved for along a curve
_ARRIVING_M, _PASSING_M = 2e-3, 0.03  # how far off a hand may be
_CAREFUL = 0.75  # share of acceleration and jerk that is used
_EASE = 1e-3  # how near a joint is to where it works with ease [rad or m]
_PACE = (0.45, 0.7)  # share of the speed, drawn per attempt


class Hands:
    """Motions of all joints that move some hands; the other joints stay where they are.

    Args:
        model: of the scene.
        robot: whose hands they are.
        embodiment: of the robot: its ranges and rates are kept.
        start: [J] where its joints are.
        rng: draws how fast.
        lag_s: added to the rest after every motion [s].

    Attributes:
        target: [J] where the joints were told to be at the end of the last motion.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        robot: SimRobot,
        embodiment: Embodiment,
        start: Float,
        rng: np.random.Generator,
        lag_s: float,
    ) -> None:
        self._lag_s = lag_s
        self._scratch = mujoco.MjData(model)
        self._index = {joint.name: index for index, joint in enumerate(robot.joints)}
        self._measured = np.array([model.joint(j.measured).qposadr[0] for j in robot.joints])
        self._home = np.array([joint.home for joint in robot.joints])
        self.target = np.array(start, dtype=np.float64)
        lower, upper, self._rates = _limits(robot, embodiment, float(rng.uniform(*_PACE)))
        self._open = upper
        self._columns = [[self._index[name] for name in arm.joints] for arm in robot.arms]
        self._fingers = [self._index[arm.gripper] for arm in robot.arms]
        self._arms = [
            Arm(model, arm, lower[columns], upper[columns])
            for arm, columns in zip(robot.arms, self._columns, strict=True)
        ]

    def refresh(self, scene_state: Float) -> None:
        """Takes the whole scene's state [nq]; joints are taken to be where they were told to be."""
        self._scratch.qpos[:] = scene_state
        self._scratch.qpos[self._measured] = self.target

    def grip(self, arm: int) -> Grip:
        """Where a hand was told to be."""
        return self._arms[arm].grip(self._scratch, self.target[self._columns[arm]])

    def yaw(self, arm: int) -> float:
        """How a hand is turned where its arm works with ease [rad]."""
        ready = np.array(self._arms[arm].arm.ready)
        return self._arms[arm].grip(self._scratch, ready).yaw

    def at_ease(self, arm: int) -> bool:
        """Whether an arm was told to be where it works with ease."""
        now = self.target[self._columns[arm]]
        return bool(np.allclose(now, self._arms[arm].arm.ready, atol=_EASE))

    def closed(self, arm: int) -> bool:
        """Whether a hand was told to close."""
        return bool(self.target[self._fingers[arm]] <= 0.0)

    def tip(self, arm: int) -> float:
        """From between the finger pads to their ends [m]."""
        return self._arms[arm].arm.tip

    def ready(self, arms: Sequence[int]) -> Motion:
        """To where the arms work with ease, straight through the joints; hands stay as they are."""
        goal = self.target.copy()
        for arm in arms:
            goal[self._columns[arm]] = self._arms[arm].arm.ready
        return self._straight(goal, 0.0)

    def home(self, arms: Sequence[int]) -> Motion:
        """To the robot's home."""
        goal = self.target.copy()
        for arm in arms:
            goal[self._columns[arm]] = self._home[self._columns[arm]]
            goal[self._fingers[arm]] = self._home[self._fingers[arm]]
        return self._straight(goal, 0.0)

    def fingers(self, arms: Sequence[int], apart: float, pause_s: float) -> Motion:
        """Opens or closes hands.

        Args:
            arms: which.
            apart: of a finger from the middle [m]; more than there is means wide open.
            pause_s: to wait for the fingers to arrive [s].
        """
        goal = self.target.copy()
        for arm in arms:
            goal[self._fingers[arm]] = self._parted(arm, apart)
        return self._straight(goal, pause_s)

    def move(
        self,
        ways: dict[int, Sequence[Grip]],
        pause_s: float = 0.0,
        *,
        exact: bool = True,
        apart: float | None = None,
    ) -> Motion:
        """Moves hands along rounded curves, all of them from now until the same instant.

        Args:
            ways: by arm, the corners of its curve after where it is now; the last is reached.
            pause_s: rest at the end [s].
            exact: whether the hands must arrive; on the way there, and otherwise, near is enough.
            apart: where fingers of these hands go on the way, as ``fingers`` says; None: nowhere.

        Raises:
            ValueError: a hand cannot get there.
        """
        samples = np.tile(self.target, (_SAMPLES, 1))
        for arm, corners in ways.items():
            now = self.grip(arm)
            yaws = [now.yaw]
            for corner in corners:  # half a turn is the same grip: take the nearer one
                turn = math.remainder(corner.yaw - yaws[-1], math.pi)
                yaws.append(yaws[-1] + turn)
            places = [now.place, *(corner.place for corner in corners)]
            curve = rounded(np.column_stack([places, yaws]), _SAMPLES)
            joints = self.target[self._columns[arm]]
            for number, (*place, yaw) in enumerate(curve[1:], start=1):
                near = _PASSING_M if number < _SAMPLES - 1 or not exact else _ARRIVING_M
                joints = self._arms[arm].solve(
                    self._scratch, Grip(np.array(place), yaw), joints, near
                )
                samples[number, self._columns[arm]] = joints
            if apart is not None:
                finger = self._fingers[arm]
                goal = self._parted(arm, apart)
                samples[:, finger] = np.linspace(self.target[finger], goal, _SAMPLES)
        return self._along(samples, pause_s)

    def _parted(self, arm: int, apart: float) -> float:
        """Where fingers are that are ``apart`` from the middle, or wide open."""
        return min(apart, float(self._open[self._fingers[arm]]))

    def _straight(self, goal: Float, pause_s: float) -> Motion:
        return self._along(np.stack([self.target, goal]), pause_s)

    def _along(self, samples: Float, pause_s: float) -> Motion:
        self.target = samples[-1].copy()
        return Motion(samples, self._rates, pause_s + self._lag_s)


def _limits(robot: SimRobot, embodiment: Embodiment, pace: float) -> tuple[Float, Float, Rates]:
    """Range and rates of the robot's joints in MuJoCo's units, from the embodiment's."""
    lower, upper, rates = [], [], []
    for joint in robot.joints:
        layout = embodiment.joint(joint.name)
        ends = sorted(
            joint.commanded.to_model(layout.command_wire.to_wire(end))
            for end in (layout.lower, layout.upper)
        )
        scale = (ends[1] - ends[0]) / (layout.upper - layout.lower)
        lower.append(max(ends[0], joint.lower))
        upper.append(min(ends[1], joint.upper))
        rates.append(
            (
                scale * pace * layout.velocity,
                scale * _CAREFUL * layout.acceleration,
                scale * _CAREFUL * layout.jerk,
            )
        )
    return np.array(lower), np.array(upper), Rates(*np.transpose(rates))
