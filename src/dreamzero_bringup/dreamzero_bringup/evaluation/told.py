"""Policies that are told what no camera sees: a scripted expert, and recorded actions of the scene.

They bound what the loop itself allows: what the expert cannot do through it, no policy can.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dreamzero_bringup.shadow.score import look_up
from dreamzero_policy.conversion.resample import resample
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.episode_store import EpisodeStore
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.evaluation.policy import Answer, Paced, chunk_of
from dreamzero_policy.types import NS_PER_S, Float, Int, Observation

_LAG_S = 0.6
"""Chunk latency, replan interval and gate together: the expert waits that long before it looks."""


class ExpertPolicy:
    """A scripted expert that looks at the scene at every canvas.

    Args:
        embodiment: the robot.
    """

    description = "expert: a script that is told where everything is"
    untrained, canvases_per_frame = False, 1

    def __init__(self, embodiment: Embodiment) -> None:
        self.embodiment = embodiment

    def begin(self, started_ns: int, scene: object = None) -> _Doing:
        """As ``Policy.begin``."""
        if scene is None:
            raise ValueError("the expert needs a simulated scene: it cannot be scored on a dataset")
        return _Doing(self.embodiment, started_ns, scene)


class _Doing(Paced):
    def __init__(self, embodiment: Embodiment, started_ns: int, scene: object) -> None:
        super().__init__(embodiment)
        self._embodiment, self._started_ns, self._scene = embodiment, started_ns, scene
        self._expert = scene.expert(scene.judge.seed, _LAG_S)

    def due(self, observation: Observation, replan_frames: int) -> bool:
        """At every canvas: its plans do not go beyond the present motion."""
        return True

    def answer(self, observation: Observation) -> Answer:
        """The rest of the present motion."""
        seconds = (observation.newest_ns - self._started_ns) / NS_PER_S
        first = self._expert.act(self._scene.scene_state, seconds)
        base = self._embodiment.time_base
        later = range(1, base.rows_per_chunk)
        rows = [first, *(self._expert.ahead(seconds + k / base.control_hz) for k in later)]
        number = self.answered(observation)
        return Answer(
            chunk_of(self._embodiment, observation, np.stack(rows), self._started_ns, number)
        )


class RecordedPolicy:
    """The actions of recordings, each in the scene that it was recorded in.

    Args:
        folder: of recordings that ``dreamzero demonstrate`` made.
        embodiment: the robot.

    Raises:
        ValueError: no such folder, or no recording of a simulated scene in it.
    """

    untrained, canvases_per_frame = False, 1

    def __init__(self, folder: Path, embodiment: Embodiment) -> None:
        self.embodiment, self._folder = embodiment, folder
        self.description = f"replay: the recorded actions of {folder}"
        if not folder.is_dir():
            raise ValueError(f"{folder}: expected a folder of recordings, got none")
        self._found: dict[tuple[str, int, int], Path] = {}
        for entry in EpisodeStore(folder).entries():
            if entry.state != "complete":
                continue
            with Episode(entry.folder) as episode:
                facts = episode.facts
                if facts.robot == embodiment.name and "seed" in facts.extra:
                    key = (facts.task, int(facts.extra["seed"]), int(facts.extra["choice"]))
                    self._found.setdefault(key, entry.folder)
        if not self._found:
            raise ValueError(
                f"{folder}: expected recordings of {embodiment.name} in simulated scenes, as "
                "`dreamzero demonstrate` makes them, got none"
            )

    def begin(self, started_ns: int, scene: object = None) -> _Replaying:
        """As ``Policy.begin``."""
        if scene is None:
            raise ValueError("recorded actions are played in simulated scenes, not on a dataset")
        judge = scene.judge
        key = (judge.task.name, judge.seed, judge.index)
        if key not in self._found:
            raise ValueError(
                f"{self._folder}: expected a recording of {key[0]}, seed {key[1]}, choice {key[2]}"
            )
        with Episode(self._found[key]) as episode:
            rows = resample(episode, ConversionSettings(robot=self.embodiment.name))
        known = np.isfinite(rows.actions).all(axis=1)
        return _Replaying(self.embodiment, started_ns, rows.instants_ns[known], rows.actions[known])


class _Replaying(Paced):
    def __init__(
        self, embodiment: Embodiment, started_ns: int, instants_ns: Int, actions: Float
    ) -> None:
        super().__init__(embodiment)
        self._embodiment, self._started_ns = embodiment, started_ns
        self._instants_ns, self._actions = instants_ns, actions
        self._stepped = np.array([j.kind in ("gripper", "base") for j in embodiment.joints])

    def answer(self, observation: Observation) -> Answer:
        """What was commanded from as long after the beginning on; the last command at the end."""
        base = self._embodiment.time_base
        after_ns = observation.newest_ns - self._started_ns
        due = self._instants_ns[0] + after_ns + np.arange(base.rows_per_chunk) * base.row_ns
        due = np.minimum(due, self._instants_ns[-1])
        rows = look_up(self._instants_ns, self._actions, due, self._stepped)
        number = self.answered(observation)
        return Answer(chunk_of(self._embodiment, observation, rows, self._started_ns, number))
