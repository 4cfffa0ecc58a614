"""What a new chunk goes on from: the part of the chunk before that its own rows overlap.

Row k of a chunk is due at its observation plus k steps, so the chunk before says, for the first
rows of the new one, where the robot is being led at the very same instants. The rows due until the
new chunk arrives are *committed*: the robot executes them whatever the new chunk says. The arrival
is expected one estimated delay after the observation, and the motion is on its way to the next row
then, which is committed too: ``ceil(delay / row) + 1`` rows. The committed part is at most the
overlap; what is left of it is soft (``sampling/prefix.py``). Rows between two observations, the
execution horizon, are followed once and have no successor.

All of this is true only while the robot moves as the chunks say, on the clock. It does not

* before anything was published in the session, or while there is no estimate of the delay;
* where chunks end before their successor arrives: the robot then holds, or the controller plays
  rows slower than they are due, and no row is where its stamp says;
* where the measured pose is away from the chunk before: motion is not enabled, or was held.

In the first case nothing is said; the others give a ``Loose`` with the reason in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.inference.session import Plan, ResetReason, Session
from dreamzero_policy.sampling.prefix import Decay, prefix_weights
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float, Observation

_ON_A_ROW = 100
"""One part in so many of a row: instants are rounded to a nanosecond, more than that is between."""

_AWAY = {"revolute": 0.2, "prismatic": 0.05}
"""A joint further than this from the chunk before is not following it [rad or m]: what a robot lags
behind at some 1 rad/s. Grippers are stopped by what they hold, and bases are not measured."""


@dataclass(frozen=True)
class Continuation:
    """Where the chunk before leads during the new one.

    Attributes:
        rows: [overlap, A] absolute targets in model units at the new chunk's first instants.
        weights: [H] how firmly each row of the new chunk is held, 1 for the committed ones.
        committed: how many those are, at least 1.
    """

    rows: Float
    weights: Float
    committed: int


@dataclass(frozen=True)
class Loose:
    """Why a chunk is not held to the one before although it could have been.

    Attributes:
        reason: ``too_slow``, ``not_covered`` or ``not_followed``.
        text: the same for a person, with numbers.
    """

    reason: str
    text: str


def continuation(
    session: Session,
    plan: Plan,
    observation: Observation,
    embodiment: Embodiment,
    decay: Decay = "exponential",
) -> Continuation | Loose | None:
    """What a call's chunk goes on from.

    The committed part does not depend on why the window restarts: under another instruction, too,
    those rows will have been executed, and a chunk that ignored them would begin where the robot is
    not. The soft part is another matter: it is what the old chunk wanted. It goes with a change of
    the instruction, after a failure and after a gap in what was seen, and stays where the window
    merely was full.

    Args:
        session: before the call, with the chunk published last and the estimates.
        plan: what the call does to the context.
        observation: what it answers.
        embodiment: the robot, with the checkpoint's time base.
        decay: how the soft part falls.

    Returns:
        The continuation; a reason why there is none; None where nothing was to be expected.
    """
    before, delay = session.published, session.delay.seconds
    if before is None or delay is None:
        return None
    row_ns, now_ns = embodiment.time_base.row_ns, observation.newest_ns
    interval = (now_ns - before.observation_ns) / NS_PER_S
    slow = _too_slow(before, max(interval, session.interval.seconds or 0.0), delay)
    if slow is not None:
        return slow
    rows = rows_at(before, now_ns, row_ns)
    if not len(rows):
        return Loose("not_covered", f"the chunk before does not cover {interval:.2f} s after it")
    away = _away(observation.state, rows[0], embodiment)
    if away is not None:
        return away
    committed = min(math.ceil(delay * NS_PER_S / row_ns) + 1, len(rows))
    soft = decay if plan.reset in (None, ResetReason.WINDOW_FULL) else "none"
    weights = prefix_weights(embodiment.time_base.rows_per_chunk, committed, len(rows), soft)
    return Continuation(rows, weights, committed)


def rows_at(chunk: ActionChunk, start_ns: int, step_ns: int) -> Float:
    """Reads a chunk at evenly spaced instants, straight between its rows.

    Observations stand on the frame grid, whose step is a whole number of rows, so instants fall on
    rows and nothing is lost between them; only a time base changed under way would tell.

    Args:
        chunk: what to read.
        start_ns: first instant.
        step_ns: from one to the next.

    Returns:
        [n, A] the rows up to the chunk's last one, n at most its horizon; none where the first
        instant is outside the chunk. Nothing is extrapolated.
    """
    slack = chunk.step_ns // _ON_A_ROW
    count = (chunk.end_ns + slack - start_ns) // step_ns + 1
    if start_ns < chunk.start_ns - slack or count < 1:
        return np.empty((0, chunk.rows.shape[1]))
    instants = start_ns - chunk.start_ns + step_ns * np.arange(min(count, chunk.horizon))
    at = np.clip(instants / chunk.step_ns, 0, chunk.horizon - 1)
    on_a_row = np.abs(at - np.rint(at)) * _ON_A_ROW <= 1.0
    at = np.where(on_a_row, np.rint(at), at)
    low = np.minimum(at.astype(int), chunk.horizon - 2)
    share = (at - low)[:, None]
    return (1.0 - share) * chunk.rows[low] + share * chunk.rows[low + 1]


def _too_slow(chunk: ActionChunk, interval: float, delay: float) -> Loose | None:
    """Finds chunks that end before their successor comes."""
    span = (chunk.end_ns - chunk.observation_ns) / NS_PER_S
    if interval + delay <= span:
        return None
    return Loose(
        "too_slow",
        f"a chunk lasts {span:.2f} s, but the next one comes {interval + delay:.2f} s after its "
        f"observation ({interval:.2f} s between observations, {delay:.2f} s delay)",
    )


def _away(state: Float, row: Float, embodiment: Embodiment) -> Loose | None:
    """Finds a joint that is not where the chunk before led it."""
    led = dict(zip(embodiment.action_joints, row, strict=True))
    for name, measured in zip(embodiment.state_joints, state, strict=True):
        most = _AWAY.get(embodiment.joint(name).kind)
        if most is not None and abs(measured - led[name]) > most:
            return Loose(
                "not_followed",
                f"{name} is at {measured:.3f} where the chunk before led to {led[name]:.3f}; at "
                f"most {most} apart",
            )
    return None
