"""A policy made of a path: its chunks are late, biased, drifting, noisy, of two minds, or lost.

It sees where the robot is and how far along the path, and plans on from there. Everything random is
drawn from one seed in the order of the chunks, so that every strategy meets the same luck.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from dreamzero_policy.delay import DelayEstimate
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.sampling.prefix import prefix_weights
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float

_BIAS_KEPT, _MIND_KEPT = 0.8, 0.85
"""From chunk to chunk: correlation of the bias, probability that the mind stays."""

_BACK_S = 1.0
"""A robot that is off the path is led back to it over this long."""

_AWAY = 0.2
"""A robot further than this from the chunk before is not following it [rad]."""


class Path(Protocol):
    """Where the robot should be, by seconds along the path."""

    def at(self, seconds: Float) -> Float:
        """[N, A] positions at [N] times."""


class Sent(NamedTuple):
    """A chunk, the instant at which it is done and arrives, and whether it gets lost instead."""

    chunk: ActionChunk
    arrival_ns: int
    lost: bool


@dataclass(frozen=True)
class Conditions:
    """How well a policy and its network do.

    Attributes:
        delay_s: median from observation to chunk.
        jitter: standard deviation of the delay's logarithm.
        loss: share of chunks that never arrive.
        bias: standard deviation of an error that all rows of a chunk share [rad].
        drift: standard deviation of an error that grows to this at the last row, new with every
            chunk [rad].
        minds: at the last row, half of what lies between two ways to go on [rad].
        noise: standard deviation of every row's own error [rad].
        inpaints: chunks are held to the chunk before.
    """

    delay_s: float
    jitter: float = 0.0
    loss: float = 0.0
    bias: float = 0.0
    drift: float = 0.0
    minds: float = 0.0
    noise: float = 0.0
    inpaints: bool = False


class SyntheticPolicy:
    """Makes chunks of a path.

    Args:
        robot: joints and rows.
        path: what it wants.
        conditions: how well it does.
        seed: of all that is random.
    """

    def __init__(self, robot: Embodiment, path: Path, conditions: Conditions, seed: int) -> None:
        self._robot, self._path, self._conditions = robot, path, conditions
        self._rng = np.random.default_rng(seed)
        self._arm = np.array([joint.kind == "revolute" for joint in robot.joints])
        self._bias, self._mind = np.zeros(len(self._arm)), 1.0
        self._delay, self._interval = DelayEstimate(), DelayEstimate()
        self._last: ActionChunk | None = None
        self._sequence = 0

    def chunk(self, observation_ns: int, along_s: float, pose: Float) -> Sent:
        """A chunk and what becomes of it.

        Args:
            observation_ns: the clock.
            along_s: how far along the path the robot is then [s].
            pose: [A] where the robot is then.
        """
        time, given, rng = self._robot.time_base, self._conditions, self._rng
        grid = np.arange(time.rows_per_chunk) * time.row_ns / NS_PER_S
        share = (grid / grid[-1])[:, None]
        joints = len(self._arm)
        fresh = rng.normal(size=(4, joints))
        self._bias = _BIAS_KEPT * self._bias + np.sqrt(1.0 - _BIAS_KEPT**2) * fresh[0]
        self._mind *= 1.0 if rng.random() < _MIND_KEPT else -1.0
        way = np.where(np.arange(joints) % 2, -1.0, 1.0) * self._mind
        error = given.bias * self._bias + given.drift * fresh[1] * share**2
        error = error + given.minds * way * share * share * (3.0 - 2.0 * share)
        error = error + given.noise * rng.normal(size=(len(grid), joints))
        rows = self._path.at(along_s + grid)
        back = np.clip(1.0 - grid / _BACK_S, 0.0, 1.0)[:, None]
        error = error + (pose - rows[0]) * back * back * (3.0 - 2.0 * back)
        rows = rows + error * self._arm
        taken = given.delay_s * float(np.exp(given.jitter * rng.normal()))
        lost = rng.random() < given.loss
        rows, prefix_rows = self._held(rows, observation_ns, pose)
        chunk = ActionChunk(
            observation_ns,
            observation_ns,
            time.row_ns,
            rows,
            self._robot.action_joints,
            1,
            self._sequence,
            prefix_rows=prefix_rows,
        )
        if self._last is not None:
            self._interval.add((observation_ns - self._last.observation_ns) / NS_PER_S)
        self._last, self._sequence = chunk, self._sequence + 1
        self._delay.add(taken)
        return Sent(chunk, observation_ns + round(taken * NS_PER_S), lost)

    def _held(self, rows: Float, observation_ns: int, pose: Float) -> tuple[Float, int]:
        """The rows as inpainting gives them, and how many are the chunk before's.

        When rows are held at all is decided as in ``inference/continuation.py``.
        """
        before, delay = self._last, self._delay.seconds
        if not self._conditions.inpaints or before is None or delay is None:
            return rows, 0
        since = observation_ns - before.start_ns
        first, off = divmod(since, before.step_ns)
        span = (before.horizon - 1) * before.step_ns / NS_PER_S
        lasts = max(since / NS_PER_S, self._interval.seconds or 0.0) + delay <= span
        if min(off, before.step_ns - off) > before.step_ns // 100 or not lasts:
            return rows, 0
        known = before.rows[first + (off > before.step_ns // 2) :]
        if not len(known) or np.any(np.abs(known[0] - pose)[self._arm] > _AWAY):
            return rows, 0
        committed = min(int(np.ceil(delay * NS_PER_S / before.step_ns)) + 1, len(known))
        weights = prefix_weights(len(rows), committed, len(known))[: len(known), None]
        held = rows.copy()
        held[: len(known)] = weights * known + (1.0 - weights) * rows[: len(known)]
        return held, committed
