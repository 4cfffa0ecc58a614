"""Plays a task's script: looks at the scene, plans the next motion, and says where joints go."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import mujoco
import numpy as np

from dreamzero_policy import embodiments
from dreamzero_policy.types import Float
from sim_driver.commands import Commands
from sim_driver.experts.carry import carry
from sim_driver.experts.hands import Hands
from sim_driver.experts.motion import Motion
from sim_driver.experts.pick_place import pick_place
from sim_driver.experts.push import push
from sim_driver.experts.reach import hover, reach
from sim_driver.experts.site import Site
from sim_driver.experts.stack import stack
from sim_driver.experts.wipe import wipe
from sim_driver.models.description import SimRobot
from sim_driver.tasks.judge import Judge
from sim_driver.tasks.look import Look

_SCRIPTS: dict[str, Callable[[Site], Iterator[Motion]]] = {
    "reach": reach,
    "hover": hover,
    "pick_place": pick_place,
    "stack": stack,
    "wipe": wipe,
    "push": push,
    "carry": carry,
}


class Expert:
    """Does a task as a person at a leader arm would, a little differently for every seed.

    It keeps the embodiment's ranges and rates. Between motions it looks at the scene again, so it
    goes after what was knocked away; what it cannot reach ends the attempt.

    Args:
        model: of the scene, or of one with the same robot, task and seed.
        robot: whose joints it moves.
        judge: of the attempt; only what the instruction names is taken from it.
        seed: of its habits: pace, heights, curves.
        lag_s: how far the robot is behind what it is told; it rests so much longer after every
            motion before it looks [s].

    Attributes:
        finished: its script is over, done or not.
        trouble: why it gave up; empty where it did not.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        robot: SimRobot,
        judge: Judge,
        seed: int = 0,
        lag_s: float = 0.05,
    ) -> None:
        rng = np.random.default_rng([judge.seed, judge.index, seed])
        embodiment = embodiments.get(robot.name)
        self._model, self._data = model, mujoco.MjData(model)
        start = judge.task.start(robot, judge.layout)
        self._hands = Hands(model, robot, embodiment, start, rng, lag_s)
        self._vector = Commands(robot, embodiment)
        site = Site(Look(model, self._data, robot), self._hands, judge, rng)
        self._script = _SCRIPTS[judge.task.name](site)
        self._motion: Motion | None = None
        self._began = 0.0
        self._told = self._hands.target
        self.finished, self.trouble = False, ""

    def go_on_from(self, before: Expert) -> None:
        """Begins with the joints where another expert told them to be last, be it on its way."""
        self._told = self._hands.target = before._told.copy()

    def act(self, scene_state: Float, seconds: float) -> Float:
        """[A] the command for this instant, the embodiment's vector in model units.

        Args:
            scene_state: [nq] what ``SimulatedRobot.scene_state`` gives.
            seconds: since the attempt began; never less than before.
        """
        if self._motion is None or seconds - self._began >= self._motion.seconds:
            self._plan(scene_state, seconds)
        self._told = self._at(seconds)
        return self._vector.of(self._told)

    def ahead(self, seconds: float) -> Float:
        """[A] the command for an instant to come, as far as the present motion goes.

        Beyond it the robot stays where the motion ends, since what follows depends on what the
        scene is like then. Nothing is planned.

        Args:
            seconds: since the attempt began; not before the last ``act``.
        """
        return self._vector.of(self._at(seconds))

    def _at(self, seconds: float) -> Float:
        """[J] where the present motion has the joints at an instant."""
        if self._motion is None:
            return self._hands.target
        return self._motion.at(seconds - self._began)

    def _plan(self, scene_state: Float, seconds: float) -> None:
        """Takes the script's next motion."""
        ended = self._began + self._motion.seconds if self._motion else seconds
        self._motion, self._began = None, ended if seconds - ended < 0.1 else seconds
        if self.finished:
            return
        self._data.qpos[:] = scene_state
        mujoco.mj_kinematics(self._model, self._data)
        self._hands.refresh(scene_state)
        try:
            self._motion = next(self._script)
        except StopIteration:
            self.finished = True
        except ValueError as error:
            self.finished, self.trouble = True, str(error)
