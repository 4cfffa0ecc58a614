"""A task scene in virtual time: commands in, states and pictures out, as fast as the machine goes.

The same simulated robot as behind the driver, without ROS and without a clock: for making
demonstrations and for judging policies by the thousand::

    scene = VirtualRobot("yam", "stack", seed=3)
    expert = scene.expert()
    while not expert.finished:
        pictures, state = scene.see(), scene.state
        scene.step(expert.act(scene.scene_state, scene.seconds))
    print(scene.judge.instruction, scene.verdict)
"""

from __future__ import annotations

import numpy as np

from dreamzero_policy import embodiments
from dreamzero_policy.observation.proprioception import StateAssembler
from dreamzero_policy.types import NS_PER_S, Float, Image
from sim_driver import tasks
from sim_driver.cameras import Cameras
from sim_driver.commands import Commands
from sim_driver.experts.expert import Expert
from sim_driver.hardware import Reading, SimulatedRobot
from sim_driver.models import robots
from sim_driver.models.description import SimView
from sim_driver.tasks.judge import Judge, Verdict


class VirtualRobot:
    """One attempt at a task by one robot; vectors are the embodiment's, in model units.

    Args:
        robot: name of the embodiment.
        task: name of the task; empty for a scene without one.
        seed: of the scene.
        choice: which instruction; negative for what the seed draws.
        rate_hz: commands per second.
        picture_size: (height, width) of pictures; None for the cameras' own.

    Attributes:
        embodiment: of the robot.

    Raises:
        ValueError: an unknown robot, task or choice, a negative seed.
    """

    def __init__(
        self,
        robot: str,
        task: str,
        seed: int,
        choice: int = -1,
        *,
        rate_hz: float = 30.0,
        picture_size: tuple[int, int] | None = None,
    ) -> None:
        described = robots.get(robot)
        self.embodiment = embodiments.get(robot)
        self._robot = SimulatedRobot(
            described, seed, 0, task=tasks.get(task, described) if task else None, choice=choice
        )
        self._rate_hz, self._ticks = rate_hz, 0
        self._commands = Commands(described, self.embodiment)
        self._state = StateAssembler(self.embodiment, max_age_ns=NS_PER_S)
        height, width = picture_size or self.embodiment.native_size
        self._views = tuple(SimView(view.name, width, height) for view in described.views)
        self._cameras: Cameras | None = None

    @property
    def seconds(self) -> float:
        """Virtual time since the attempt began [s]."""
        return self._ticks / self._rate_hz

    @property
    def judge(self) -> Judge | None:
        """Of the present instruction; None without a task."""
        return self._robot.judge

    @property
    def verdict(self) -> Verdict:
        """How far the attempt came."""
        return self.judge.verdict

    @property
    def joints(self) -> tuple[tuple[str, ...], Reading]:
        """Names and measurements of the joints, as the driver reports them."""
        return self._robot.joint_names, self._robot.read()

    @property
    def state(self) -> Float:
        """[S] the measured state vector, through the conversion that the live nodes use."""
        names, positions = self._robot.joint_names, self._robot.read().positions
        now = self._now_ns() + 1
        self._state.update("joint_states", now, names, positions)
        return self._state.at(now).positions

    @property
    def scene_state(self) -> Float:
        """[nq] positions of everything in the scene, for ``Expert.act``."""
        return self._robot.scene_state()

    def ask(self, choice: int) -> None:
        """Another instruction in the scene as it is now.

        Raises:
            ValueError: a scene without a task, or there is no such choice.
        """
        self._robot.ask(choice)

    def expert(self, seed: int = 0, lag_s: float = 0.05, *, after: Expert | None = None) -> Expert:
        """A scripted expert for the present instruction.

        Args:
            seed: of its habits.
            lag_s: how far the robot is behind what it is told [s].
            after: who moved the robot before it; it goes on from where that one ended.
        """
        expert = Expert(self._robot.model, self._robot.robot, self.judge, seed, lag_s)
        if after is not None:
            expert.go_on_from(after)
        return expert

    def step(self, action: Float | None) -> None:
        """Commands [A], or nothing, and lets one period of the rate go by.

        Raises:
            ValueError: not one value per joint, or one that is not finite or out of range; nothing
                moved then.
        """
        if action is not None:
            self._command(action)
        self._ticks += 1
        self._robot.advance(self._now_ns())

    def _command(self, action: Float) -> None:
        wire = self._commands.wire(action)
        now = self._now_ns()
        self._robot.command(self._robot.joint_names, wire, now)
        if self._commands.base.size:
            self._robot.drive(*np.asarray(action)[self._commands.base].tolist(), now)

    def _now_ns(self) -> int:
        return round(self._ticks * NS_PER_S / self._rate_hz)

    def see(self) -> dict[str, Image]:
        """[H, W, 3] uint8 RGB per view, as of now; only in the thread that calls it first."""
        if self._cameras is None:
            self._cameras = Cameras(self._robot.model, self._views)
        self._cameras.see(self._robot.scene_state())
        return {view.name: self._cameras.render(view.name) for view in self._views}

    def close(self) -> None:
        """Frees what draws."""
        if self._cameras is not None:
            self._cameras.close()
            self._cameras = None
