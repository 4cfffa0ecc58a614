"""Controller and simulated robot on a clock that only this moves.

One tick is one period of the live controller: the robot is measured, a human's target may be taken,
the controller decides, and its command moves the physics until the next tick.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from dreamzero_policy import embodiments
from dreamzero_policy.control.controller import Controller
from dreamzero_policy.control.report import DriverMode, Tick
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.observation.proprioception import Measured, StateAssembler
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.types import NS_PER_S, Float

_FIRST_TICKS = 3  # before enable: the controller has to know a pose and its own pace
_SESSION = 1  # of the driver


class Rig:
    """The robot's side of the graph in virtual time; use it in one thread.

    Args:
        robot: name of the embodiment, or the file of an own one.
        task: of the scene; empty for none.
        seed: of the scene.
        choice: which instruction; negative for what the seed draws.
        start_ns: where the clock begins; a whole second, so that ticks lie on the live grids.
        settings: of the controller.
        picture_size: (height, width) of pictures; None for the cameras' own.

    Attributes:
        robot: the layout.
        scene: the simulated robot and its task.
        controller: the gate.
        now_ns: the clock: the instant of the next tick.
        measured: the state at it.

    Raises:
        ValueError: no such robot, task or choice, or a start that is no whole second.
    """

    def __init__(
        self,
        robot: str,
        task: str = "",
        seed: int = 0,
        choice: int = -1,
        *,
        start_ns: int = NS_PER_S,
        settings: ControllerSettings | None = None,
        picture_size: tuple[int, int] | None = None,
    ) -> None:
        from sim_driver.virtual import VirtualRobot

        if start_ns % NS_PER_S:
            raise ValueError(f"start_ns: expected whole seconds, got {start_ns} ns")
        self.robot: Embodiment = embodiments.get(robot)
        self.controller = Controller(self.robot, settings)
        rate_hz = self.controller.settings.rate_hz
        self.scene = VirtualRobot(
            robot, task, seed, choice, rate_hz=rate_hz, picture_size=picture_size
        )
        self.grid = Grid(Fraction(rate_hz).limit_denominator(100))
        self._index, self._ticks = self.grid.index_at(start_ns), 0
        self._assembler = StateAssembler(self.robot, max_age_ns=NS_PER_S)
        self._targets = [joint.name for joint in self.robot.joints if joint.kind != "base"]
        self._columns = [self.robot.action_joints.index(name) for name in self._targets]
        self._measure()

    @property
    def period_ns(self) -> int:
        """Between two ticks."""
        return self.controller.settings.period_ns

    @property
    def state(self) -> Float:
        """[S] measured joints in model units."""
        return self.measured.positions

    @property
    def pose(self) -> Float:
        """[A] the same in the order of commands, 0 for a base."""
        known = dict(zip(self.robot.state_joints, self.state, strict=True))
        return np.array([known.get(name, 0.0) for name in self.robot.action_joints])

    def enable(self) -> None:
        """Allows motion, as an operator does, once the controller knows the pose.

        Raises:
            ValueError: the controller refuses, in its words.
        """
        while self._ticks < _FIRST_TICKS:
            self.tick()
        allowed, why = self.controller.enable(self.now_ns)
        if not allowed:
            raise ValueError(f"the simulated robot cannot be enabled: {why}")

    def tick(self, target: Float | None = None) -> Tick:
        """A control period.

        Args:
            target: [A] of a human who leads; None where nobody does.

        Returns:
            What the controller decided at ``now_ns``, which has gone on since.
        """
        controller, now_ns = self.controller, self.now_ns
        controller.on_state(now_ns, self.robot.state_joints, self.state)
        controller.on_driver(_SESSION, DriverMode.FOLLOWING, "", now_ns)
        if target is not None:
            controller.on_teleop(now_ns, self._targets, target[self._columns])
            controller.on_teleop_base(target)
        decided = controller.tick(now_ns)
        self.scene.step(decided.command)
        self._index += 1
        self._ticks += 1
        self._measure()
        return decided

    def close(self) -> None:
        """Frees what draws."""
        self.scene.close()

    def _measure(self) -> None:
        self.now_ns = self.grid.instant(self._index)
        names, reading = self.scene.joints
        self._assembler.update("joint_states", self.now_ns, names, reading.positions)
        state = self._assembler.at(self.now_ns)
        assert isinstance(state, Measured), state
        self.measured: Measured = state
