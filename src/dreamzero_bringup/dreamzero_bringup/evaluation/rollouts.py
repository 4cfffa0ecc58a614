"""Attempts in virtual time, in this process or in several: each gives a row and a film."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dreamzero_bringup.evaluation.plan import Row, Try, Wanted
from dreamzero_bringup.evaluation.specs import Spec, open_policy
from dreamzero_bringup.virtual import closed_loop
from dreamzero_bringup.virtual.closed_loop import LoopSettings, Rollout
from dreamzero_bringup.virtual.rig import Rig
from dreamzero_policy import embodiments
from dreamzero_policy.evaluation.film import Film
from dreamzero_policy.evaluation.policy import Answer, Policy
from dreamzero_policy.types import NS_PER_S, Image

FILMS = "films"


@dataclass(frozen=True)
class Job:
    """An attempt with all that a process needs for it.

    Attributes:
        one: the attempt.
        spec: who tries.
        wanted: how.
        folder: of the evaluation.
        film: whether to film it.
        predictions: whether to film what the policy expects to see, which takes time.
        alone: whether other processes work beside this one.
    """

    one: Try
    spec: Spec
    wanted: Wanted
    folder: Path
    film: bool = True
    predictions: bool = False
    alone: bool = True


def attempt(job: Job) -> Row:
    """Makes an attempt.

    Raises:
        ValueError: the policy cannot be used, or what it raises.
    """
    one, wanted = job.one, job.wanted
    policy = _policy(job.spec, wanted.robot, job.alone)
    height, width = policy.embodiment.native_size
    wide = wanted.picture_width
    rig = Rig(
        wanted.robot,
        one.task,
        one.seed,
        one.choice,
        start_ns=(1 + one.seed % 1000) * NS_PER_S,
        settings=wanted.controller_settings,
        picture_size=(wide * height // width, wide) if wide else None,
    )
    settings = LoopSettings(
        wanted.latency_s, wanted.replan_frames, wanted.time_limit_s or None
    )  # fmt: skip
    film = f"{FILMS}/{one.name}.mp4" if job.film else ""
    watcher = _Filming(job, policy, film) if film else None
    try:
        done = closed_loop.run(rig, policy, settings, watcher=watcher)
    finally:
        rig.close()
        if watcher is not None:
            watcher.film.close()
    return Row(
        *(one.policy, one.split, one.task, one.seed, one.choice, done.instruction),
        success=done.success,
        progress=round(done.progress, 4),
        seconds=round(done.seconds, 3),
        time_limit_s=done.time_limit_s,
        film=film,
        trouble=done.trouble,
        figures=_figures(done),
    )


def _figures(done: Rollout) -> dict[str, float]:
    figures = {
        "chunks": done.chunks,
        "refused": done.refused.total(),
        **{f"refused_{reason}": count for reason, count in sorted(done.refused.items())},
        "held_share": round(done.held.total() / max(1, done.ticks), 4),
        "limited_share": round(done.limited / max(1, done.ticks), 4),
        "call_s": round(done.call_s, 4),
        "resets": done.resets.total(),
    }
    if done.divergence is not None and all(map(math.isfinite, done.divergence)):
        figures["divergence"], figures["still_divergence"] = (
            round(value, 4) for value in done.divergence
        )
    return figures


@lru_cache(maxsize=2)
def _opened(label: str, source: str, options: tuple, device: str, robot: str) -> Policy:
    return open_policy(Spec(label, source, dict(options), device), embodiments.get(robot))


def _policy(spec: Spec, robot: str, alone: bool) -> Policy:
    """The policy, opened once in each process."""
    policy = _opened(spec.label, spec.source, tuple(spec.options.items()), spec.device, robot)
    if spec.kind == "model" and not alone:
        from dreamzero_policy.evaluation.model_policy import one_thread

        one_thread()
    return policy


class _Filming:
    """Films an attempt: as ``closed_loop.Watcher``."""

    def __init__(self, job: Job, policy: Policy, path: str) -> None:
        target = job.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        base = policy.embodiment.time_base
        self._predictions = job.predictions
        self.film = Film(target, base.frame_hz * policy.canvases_per_frame, self._predictions)
        self._label = job.one.policy + (" (untrained)" if policy.untrained else "")
        self._expected: dict[int, Image] = {}
        self._began_ns: int | None = None

    def saw(self, stamp_ns: int, canvas: Image, progress: float) -> None:
        """Adds a picture."""
        self._began_ns = stamp_ns if self._began_ns is None else self._began_ns
        seconds = (stamp_ns - self._began_ns) / NS_PER_S
        expected = self._expected.get(round(stamp_ns / 1_000_000))
        self.film.add(canvas, expected, f"{self._label}  {seconds:5.1f} s  progress {progress:.2f}")

    def expects(self, answer: Answer) -> None:
        """Keeps what the policy expects to see."""
        predicted = answer.predicted() if self._predictions else None
        if predicted is not None:
            stamps, pictures = predicted
            keys = (round(stamp / 1_000_000) for stamp in stamps.tolist())
            self._expected = dict(zip(keys, pictures, strict=True))
