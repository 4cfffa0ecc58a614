"""The simulated robot behind the driver, without ROS: physics on the wall clock.

Time comes in as nanoseconds of a clock that only goes forward. Every method may be called from any
thread.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from dreamzero_policy.types import NS_PER_S, Float, frozen
from sim_driver import scene
from sim_driver.models.base import Base
from sim_driver.models.description import SimRobot
from sim_driver.servo import Servo
from sim_driver.tasks.judge import RATE_HZ, Judge
from sim_driver.tasks.task import Task

COMMAND_TIMEOUT_S = 0.4
"""Silence after which the robot holds its pose [s]."""

_LIMP_DAMPING = 0.05
"""Share of a servo's damping that a released joint keeps, so that it sinks and never falls."""

_CATCH_UP_S = 0.25
"""Most simulated time to make up for in one call; after a longer pause the rest is left out."""


@dataclass(frozen=True)
class Reading:
    """Joints at one instant, in wire units.

    Attributes:
        positions: [J] in the order of ``SimulatedRobot.joint_names``.
        velocities: [J], per second.
    """

    positions: Float
    velocities: Float


class SimulatedRobot:
    """A robot in its scene, stepped to wall-clock instants.

    It starts at its home pose, or where its task says, and stays there until a command comes.
    ``COMMAND_TIMEOUT_S`` after the last good command it holds the pose it then measures. Released,
    its arm is limp and carries no more than its own weight; it can be moved by hand, and its
    grippers keep what they hold.

    Attributes:
        robot: what is simulated.
        joint_names: in the driver's order.
        judge: of the attempt at the task; None in a scene without one.
        model: of the scene.
    """

    def __init__(
        self,
        robot: SimRobot,
        seed: int,
        now_ns: int,
        command_timeout_s: float = COMMAND_TIMEOUT_S,
        task: Task | None = None,
        choice: int = -1,
    ) -> None:
        """Builds the scene and lets its objects settle.

        Args:
            robot: what to simulate.
            seed: of the scene; the same seed and the same commands give the same motion.
            now_ns: the instant at which simulated time begins.
            command_timeout_s: silence after which the robot holds.
            task: whose objects lie on the table; None for a block of every colour.
            choice: which of the task's choices the instruction names; negative for what the seed
                draws.

        Raises:
            ValueError: a negative seed, a timeout that is not positive, a choice that is not there.
        """
        if seed < 0:
            raise ValueError(f"seed: expected 0 or more, got {seed}")
        if not command_timeout_s > 0:
            raise ValueError(f"command_timeout_s: expected more than 0, got {command_timeout_s}")
        self.robot = robot
        self.joint_names = tuple(joint.name for joint in robot.joints)
        layout = task and task.lay(robot, seed)
        self.judge: Judge | None = layout and Judge(task, robot, layout, seed, choice)
        self.model = scene.build(robot, seed, layout and layout.items)
        self._data = mujoco.MjData(self.model)
        home = np.array([joint.home for joint in robot.joints])
        start = home if task is None or layout is None else task.start(robot, layout)
        self._servo = Servo(robot.joints, start)
        self._timeout_ns = round(command_timeout_s * NS_PER_S)
        self._step_ns = round(self.model.opt.timestep * NS_PER_S)
        self._steps, self._look_steps = 0, round(1.0 / self.model.opt.timestep / RATE_HZ)
        self._lock = threading.Lock()
        self._command_ns: int | None = None
        self._hold_reason: str | None = "no command yet"
        joints = [self.model.joint(joint.measured) for joint in robot.joints]
        reported = np.array([(joint.reported.zero, joint.reported.one) for joint in robot.joints])
        self._wire_zero, self._wire_span = reported[:, 0], reported[:, 1] - reported[:, 0]
        self._positions = np.array([joint.qposadr[0] for joint in joints])
        self._velocities = np.array([joint.dofadr[0] for joint in joints])
        self._inputs = np.array([self.model.actuator(name).id for name in self.joint_names])
        self._base = robot.base and Base(robot.base)
        wheels = robot.base.place if robot.base else ()
        self._wheels = np.array([self.model.joint(name).qposadr[0] for name in wheels], int)
        self._wheel_inputs = np.array([self.model.actuator(name).id for name in wheels], int)
        self._released = False
        # What makes the arm's servos stiff: gain and bias of their actuators. Grippers stay so.
        self._arm = self._inputs[[not joint.grips for joint in robot.joints]]
        self._stiff = (self.model.actuator_gainprm.copy(), self.model.actuator_biasprm.copy())
        self._data.qpos[self._positions] = start
        self._settle()
        self._reached_ns = now_ns

    def _settle(self) -> None:
        """Runs until mimicking joints agree and blocks lie still, then sets the clock to zero."""
        self._data.ctrl[self._inputs] = self._servo.step(self.model.opt.timestep)
        mujoco.mj_step(self.model, self._data, round(0.5 / self.model.opt.timestep))
        self._data.time = 0.0
        if self.judge is not None:
            self.judge.begin(self.model, self._data)

    def ask(self, choice: int) -> None:
        """Another instruction in the scene as it is now; its attempt begins at once.

        Raises:
            ValueError: a scene without a task, or there is no such choice.
        """
        before = self.judge
        if before is None:
            raise ValueError("this scene has no task, so nothing can be asked for")
        judge = Judge(before.task, self.robot, before.layout, before.seed, choice)
        with self._lock:
            judge.begin(self.model, self._data)
            judge.start()
            self.judge = judge

    @property
    def hold_reason(self) -> str | None:
        """Why the robot holds its pose, or None while it follows commands."""
        with self._lock:
            return self._hold_reason

    @property
    def released(self) -> bool:
        """Whether the operator has let go of the robot."""
        with self._lock:
            return self._released

    @property
    def base_place(self) -> Float:
        """[3] where the base is: x, y [m] and turn [rad]; empty for a robot without wheels."""
        with self._lock:
            return frozen(self._data.qpos[self._wheels])

    @property
    def body_positions(self) -> dict[str, Float]:
        """World position [3] of every body [m], for judging a task."""
        with self._lock:
            positions = self._data.xpos.copy()
        return {self.model.body(index).name: row for index, row in enumerate(positions)}

    def advance(self, now_ns: int) -> None:
        """Steps the physics up to ``now_ns``; an instant that has passed already does nothing."""
        with self._lock:
            if now_ns - self._reached_ns > _CATCH_UP_S * NS_PER_S:
                self._reached_ns = now_ns - round(_CATCH_UP_S * NS_PER_S)
            timestep = self.model.opt.timestep
            while self._reached_ns + self._step_ns <= now_ns:
                self._reached_ns += self._step_ns
                self._watch(self._reached_ns)
                self._data.ctrl[self._inputs] = self._servo.step(timestep)
                if self._base is not None:
                    self._data.ctrl[self._wheel_inputs] = self._base.step(
                        timestep, self._reached_ns, self._data.qpos[self._wheels]
                    )
                mujoco.mj_step(self.model, self._data)
                self._steps += 1
                if self.judge is not None and self._steps % self._look_steps == 0:
                    self.judge.look()

    def _watch(self, now_ns: int) -> None:
        """Holds when commands have stopped coming."""
        if self._command_ns is not None and now_ns - self._command_ns > self._timeout_ns:
            self._hold(f"no command for {self._timeout_ns / NS_PER_S:g} s")

    def _hold(self, reason: str) -> None:
        if self._base is not None:
            self._base.stop()
        if self._released:
            return  # the operator's hands may be on it; only take_back ends that
        self._command_ns = None
        self._hold_reason = reason
        self._servo.hold(self._data.qpos[self._positions])

    def command(self, names: Sequence[str], positions: Sequence[float], now_ns: int) -> None:
        """Makes for ``positions``, given by joint name in wire units.

        Raises:
            ValueError: what ``Servo.check`` refuses, or the robot is released. Such a command
                changes nothing and does not feed the watchdog, so the robot goes on to its last
                good command and holds there.
        """
        target = self._servo.check(names, positions)
        with self._lock:
            if self._released:
                raise ValueError("the robot is released; take it back before commanding it")
            self._servo.follow(target)
            if self.judge is not None and self._command_ns is None:
                self.judge.start()
            self._command_ns = now_ns
            self._hold_reason = None

    def drive(self, forward: float, yaw: float, now_ns: int) -> None:
        """Rolls at ``forward`` [m/s] and turns at ``yaw`` [rad/s], for a short while.

        A velocity says nothing of who sends it, so the wheels turn only while joint commands are
        followed, which do.

        Raises:
            ValueError: the robot has no wheels, holds or is released, or ``Base.drive`` refuses.
        """
        with self._lock:
            if self._base is None:
                raise ValueError(f"{self.robot.name} has no wheels")
            if self._hold_reason is not None and (forward or yaw):
                raise ValueError(
                    f"the base stands still while the robot holds: {self._hold_reason}"
                )
            self._base.drive(forward, yaw, now_ns)

    def hold(self, reason: str) -> None:
        """Holds the measured pose now, until the next command; a released robot stays limp."""
        with self._lock:
            self._hold(reason)

    def release(self) -> None:
        """Lets go: the arm's servos lose their stiffness and most of their damping.

        Raises:
            ValueError: commands are being followed.
        """
        with self._lock:
            if self._hold_reason is None:
                raise ValueError(
                    "commands are being followed: end motion first, then let go of the robot"
                )
            self._hold("released by the operator")
            self._released = True
            arm = self._arm
            self.model.actuator_gainprm[arm, 0] = 0.0
            self.model.actuator_biasprm[arm, 1] = 0.0
            self.model.actuator_biasprm[arm, 2] = _LIMP_DAMPING * self._stiff[1][arm, 2]

    def take_back(self) -> None:
        """Holds a released robot again, at the pose it then has; otherwise changes nothing."""
        with self._lock:
            if not self._released:
                return
            self._released = False
            self.model.actuator_gainprm[:], self.model.actuator_biasprm[:] = self._stiff
            self._servo.take_up(self._data.qpos[self._positions])
            self._hold("taken back; no command since")

    def read(self) -> Reading:
        """Joint positions and velocities as of the last step."""
        with self._lock:
            positions = self._data.qpos[self._positions]
            velocities = self._data.qvel[self._velocities]
        span = self._wire_span
        return Reading(frozen(self._wire_zero + span * positions), frozen(span * velocities))

    def scene_state(self) -> Float:
        """[nq] positions of everything in the scene: what ``Cameras.see`` takes."""
        with self._lock:
            return frozen(self._data.qpos.copy())
