"""What is scored: anything that answers observations with chunks, attempt by attempt.

A checkpoint, a server somewhere else, recorded actions, a scripted expert and "hold" are all asked
the same way, so that their figures stand beside each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import ActionChunk, Float, Image, Int, Observation

Predicted = tuple[Int, Image]


def _nothing() -> Predicted | None:
    return None


@dataclass(frozen=True)
class Answer:
    """What a policy said to one observation.

    Attributes:
        chunk: absolute targets with due times.
        predicted: decodes what the policy expects to see: stamps [T] ns and pictures
            [T, H, W, 3] uint8; gives None where it expects nothing.
        divergence: how far what it expected of the block before was from what came, and how far a
            still picture would have been; None where it does not say.
        boundary: whether the answer stands at a boundary of the policy's context.
        reset: why its context restarted; empty where it did not.
    """

    chunk: ActionChunk
    predicted: Callable[[], Predicted | None] = _nothing
    divergence: tuple[float, float] | None = None
    boundary: bool = True
    reset: str = ""


class Attempt(Protocol):
    """One episode of a policy."""

    def saw(self, stamp_ns: int, pictures: Mapping[str, Image]) -> None:
        """Notes the views that a canvas was made of, each [H, W, 3] uint8 RGB, before it comes."""

    def due(self, observation: Observation, replan_frames: int) -> bool:
        """Whether a caller that replans every so many canvases should ask now."""

    def answer(self, observation: Observation) -> Answer:
        """Answers an observation.

        Raises:
            ValueError: the observation does not fit, or no answer came.
        """

    def published(self, chunk: ActionChunk, now_ns: int) -> None:
        """Notes that a chunk has reached the controller."""


class Policy(Protocol):
    """What can be asked.

    Attributes:
        description: one line for people.
        untrained: whether its weights are random.
        embodiment: the robot as it sees it: size of a view, time base.
        canvases_per_frame: canvases that it takes in the time of one frame.
    """

    description: str
    untrained: bool
    embodiment: Embodiment
    canvases_per_frame: int

    def begin(self, started_ns: int, scene: object = None) -> Attempt:
        """An attempt.

        Args:
            started_ns: when it begins; grows from attempt to attempt.
            scene: the simulated scene, for policies that are told what no camera sees; None on
                recordings.

        Raises:
            ValueError: the policy cannot try this.
        """


class Paced:
    """When a policy without a context of its own is asked: at its first canvas, then on a beat.

    Args:
        embodiment: as the policy sees it.
        canvases_per_frame: as of the policy.
    """

    def __init__(self, embodiment: Embodiment, canvases_per_frame: int = 1) -> None:
        self._canvas_ns = embodiment.time_base.frame_ns / canvases_per_frame
        self._most = embodiment.time_base.frames_per_chunk * canvases_per_frame
        self._first_ns: int | None = None
        self._last = 0
        self._sequence = 0

    def saw(self, stamp_ns: int, pictures: Mapping[str, Image]) -> None:
        """Changes nothing."""

    def due(self, observation: Observation, replan_frames: int) -> bool:
        """As ``Attempt.due``: every ``replan_frames`` canvases, every chunk at the latest."""
        if self._first_ns is None:
            return True
        every = min(replan_frames, self._most)
        return self._index(observation) // every > self._last // every

    def published(self, chunk: ActionChunk, now_ns: int) -> None:
        """Changes nothing."""

    def answered(self, observation: Observation) -> int:
        """Notes that an observation was answered; the chunk's number."""
        if self._first_ns is None:
            self._first_ns = observation.newest_ns
        self._last = self._index(observation)
        self._sequence += 1
        return self._sequence - 1

    def _index(self, observation: Observation) -> int:
        return round((observation.newest_ns - self._first_ns) / self._canvas_ns)


def pose_of(embodiment: Embodiment, state: Float) -> Float:
    """[A] a measured state [S] in the order of commands; bases stand still."""
    known = dict(zip(embodiment.state_joints, state.tolist(), strict=True))
    return np.array([known.get(name, 0.0) for name in embodiment.action_joints])


def chunk_of(
    embodiment: Embodiment, observation: Observation, rows: Float, session: int, sequence: int
) -> ActionChunk:
    """Rows [H, A] that are due from an observation on."""
    return ActionChunk(
        observation_ns=observation.newest_ns,
        start_ns=observation.newest_ns,
        step_ns=embodiment.time_base.row_ns,
        rows=rows,
        names=embodiment.action_joints,
        session=session,
        sequence=sequence,
    )


class Hold:
    """Stays where it is: the least that a policy has to beat.

    Args:
        embodiment: the robot.
    """

    description, untrained, canvases_per_frame = "hold: stays where it is", False, 1

    def __init__(self, embodiment: Embodiment) -> None:
        self.embodiment = embodiment

    def begin(self, started_ns: int, scene: object = None) -> _Holding:
        """As ``Policy.begin``."""
        return _Holding(self.embodiment, started_ns)


class _Holding(Paced):
    def __init__(self, embodiment: Embodiment, session: int) -> None:
        super().__init__(embodiment)
        self._embodiment, self._session = embodiment, session

    def answer(self, observation: Observation) -> Answer:
        """The measured pose, all along."""
        pose = pose_of(self._embodiment, observation.state)
        rows = np.tile(pose, (self._embodiment.time_base.rows_per_chunk, 1))
        number = self.answered(observation)
        return Answer(chunk_of(self._embodiment, observation, rows, self._session, number))
