"""Follows one attempt at a task: how far it came, and whether it was done for long enough."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco

from sim_driver.models.description import SimRobot
from sim_driver.tasks.look import Look
from sim_driver.tasks.task import Attempt, Layout, Task

RATE_HZ = 50
"""Looks per second of simulated time."""

HELD_S = 0.5
"""How long everything must be as it should be [s]."""


@dataclass(frozen=True)
class Verdict:
    """What the judge says of an attempt.

    Attributes:
        progress: best stage so far, 0 to 1; 1 only with success.
        success: everything was as it should be for ``HELD_S``; stays true.
        elapsed_s: simulated time since the first command [s].
        time_limit_s: how long an attempt may take [s]; the judge goes on after it.
    """

    progress: float
    success: bool
    elapsed_s: float
    time_limit_s: float


class Judge:
    """Looks at a simulation now and then.

    Attributes:
        task: what is tried.
        seed: of the layout.
        layout: its objects.
        choice: what the instruction names.
        index: of the choice.
        instruction: in words.
    """

    def __init__(
        self, task: Task, robot: SimRobot, layout: Layout, seed: int, choice: int = -1
    ) -> None:
        """Begins an attempt.

        Args:
            task: what is tried.
            robot: who tries.
            layout: what ``task.lay`` drew from ``seed``.
            seed: of the layout.
            choice: index of the choice; negative for what the seed draws.

        Raises:
            ValueError: there is no such choice.
        """
        self.task, self.seed, self.layout = task, seed, layout
        self.choice = layout.choice(choice)
        self.index = layout.choices.index(self.choice)
        self._attempt = Attempt(layout, self.choice)
        self.instruction = task.sentence(self.choice)
        self._robot = robot
        self._limit_s = task.time_limit_s(robot)
        self._best, self._success = 0.0, False
        self._since: float | None = None
        self._elapsed_s = 0.0
        self._started: float | None = None

    def begin(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Takes the simulation that it looks at from now on."""
        self._look = Look(model, data, self._robot)
        self._data = data

    def start(self) -> None:
        """Begins to count the time; a second call changes nothing."""
        if self._started is None:
            self._started = self._data.time

    def look(self) -> None:
        """Judges the present instant."""
        now = self._data.time
        stage = self.task.stage(self._look, self._attempt)
        self._elapsed_s = 0.0 if self._started is None else now - self._started
        if stage < 1.0:
            self._since = None
            self._best = max(self._best, min(stage, 0.99)) if not self._success else 1.0
            return
        self._since = now if self._since is None else self._since
        if now - self._since >= HELD_S - 1e-9:
            self._success, self._best = True, 1.0

    @property
    def verdict(self) -> Verdict:
        """As of the last look."""
        return Verdict(self._best, self._success, self._elapsed_s, self._limit_s)
