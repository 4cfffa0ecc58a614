"""A checkpoint, or random weights, as a policy: the engine and the sessions of the live node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from dreamzero_policy.acceleration import device as devices
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.evaluation.policy import Answer
from dreamzero_policy.inference.engine import Engine
from dreamzero_policy.inference.session import Session
from dreamzero_policy.types import ActionChunk, Image, Observation


class ModelPolicy:
    """As ``Policy``.

    Args:
        engine: of a loaded model.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.description, self.untrained = engine.description, engine.untrained
        self.embodiment = engine.embodiment
        self.canvases_per_frame = engine.options.canvases_per_frame

    @classmethod
    def load(
        cls,
        source: str | Path,
        embodiment: Embodiment,
        options: EngineOptions | None = None,
        device: str = "cpu",
    ) -> ModelPolicy:
        """Loads a checkpoint.

        Args:
            source: a directory, or ``random:PRESET``.
            embodiment: the robot.
            options: how to run it.
            device: where; ``auto`` for a GPU where there is one.

        Raises:
            ValueError: the checkpoint is not there or does not fit the robot.
        """
        loaded = load(source, embodiment, device=devices.find(device))
        return cls(Engine(loaded, loaded.embodiment, options))

    def begin(self, started_ns: int, scene: object = None) -> _Running:
        """As ``Policy.begin``."""
        return _Running(self.engine, self.engine.new_session(started_ns))


class _Running:
    """One session."""

    def __init__(self, engine: Engine, session: Session) -> None:
        self._engine, self._session = engine, session

    def saw(self, stamp_ns: int, pictures: Mapping[str, Image]) -> None:
        """As ``Attempt.saw``: canvases are enough."""

    def due(self, observation: Observation, replan_frames: int) -> bool:
        """As ``Attempt.due``: the session's rule."""
        return self._session.due(observation, replan_frames)

    def answer(self, observation: Observation) -> Answer:
        """As ``Attempt.answer``: a call of the engine."""
        inference = self._engine.infer(self._session, observation)
        return Answer(
            inference.chunk,
            lambda: self._engine.predicted_frames(self._session, inference),
            inference.divergence,
            inference.kind == "commit",
            str(inference.reset_reason or ""),
        )

    def published(self, chunk: ActionChunk, now_ns: int) -> None:
        """As ``Attempt.published``: the next chunk may go on from it."""
        self._session.note_published(chunk, now_ns)


def one_thread() -> None:
    """Leaves the other cores to other processes."""
    torch.set_num_threads(1)
