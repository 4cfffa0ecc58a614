"""How near the policy's chunks came to what the human did, and whether that beats doing nothing.

Row k of a chunk says where the robot should be at its due time; there the human is looked up. What
the human commanded counts where commands were seen, what was measured otherwise. The yardstick is
``hold``: to predict that the robot stays where it was at the chunk's observation. ``skill`` is
``1 - error / hold's error``: 1 is perfect, 0 no better than holding, below 0 worse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamzero_bringup.shadow.log import ShadowRun
from dreamzero_policy.types import NS_PER_S, Float

GAP_S = 0.25
"""The human's stream is looked up only between two samples no further apart [s]."""


@dataclass(frozen=True)
class Score:
    """Errors of a run, in model units.

    Attributes:
        reference: ``commands`` or ``measured``: what the human's motion was taken from.
        horizon_s: [H] time of each row after its chunk's observation.
        chunks: chunks with at least one row that could be compared.
        rmse, hold_rmse: [H, A] root mean square error by row and joint; NaN where nothing could be
            compared.
        joint_rmse, joint_hold_rmse: [A] over all rows.
        planned_rmse: [A] of what the controller would have followed, tick by tick.
        planned_ticks: ticks of that.
        moved: [A] range of the human's motion.
        gripper_agreement: [A] share of rows on the human's side of the middle; NaN for others.
    """

    reference: str
    horizon_s: Float
    chunks: int
    rmse: Float
    hold_rmse: Float
    joint_rmse: Float
    joint_hold_rmse: Float
    planned_rmse: Float
    planned_ticks: int
    moved: Float
    gripper_agreement: Float

    @property
    def skill(self) -> Float:
        """[A] share of hold's error that is gone; NaN for a joint that the human kept still."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(
                self.joint_hold_rmse > 1e-6, 1.0 - self.joint_rmse / self.joint_hold_rmse, np.nan
            )


def score(run: ShadowRun) -> Score:
    """Compares every chunk and every planned tick with the human.

    Raises:
        ValueError: no chunk, or no motion to compare with.
    """
    if not run.chunks:
        raise ValueError("shadow run: expected chunks of the policy, got none")
    commanded = len(run.human[0]) > 1
    stamps, poses = run.human if commanded else run.states
    if len(stamps) < 2:
        raise ValueError("shadow run: expected a human's motion, got neither commands nor states")
    steps = np.array([joint.kind == "gripper" for joint in run.embodiment.joints])
    rows = max(chunk.horizon for _, chunk in run.chunks)
    width = len(run.embodiment.joints)
    errors = np.full((len(run.chunks), rows, width), np.nan)
    still, agree = np.full_like(errors, np.nan), np.full_like(errors, np.nan)
    middle = np.array([(joint.lower + joint.upper) / 2 for joint in run.embodiment.joints])
    for index, (_, chunk) in enumerate(run.chunks):
        due = chunk.start_ns + np.arange(chunk.horizon, dtype=np.int64) * chunk.step_ns
        did = look_up(stamps, poses, due, steps)
        start = look_up(stamps, poses, np.array([chunk.observation_ns], dtype=np.int64), steps)
        errors[index, : chunk.horizon] = chunk.rows - did
        still[index, : chunk.horizon] = start - did
        same = (chunk.rows > middle) == (did > middle)
        agree[index, : chunk.horizon] = np.where(np.isfinite(did), same, np.nan)
    longest = max((chunk for _, chunk in run.chunks), key=lambda chunk: chunk.horizon)
    offset = longest.start_ns - longest.observation_ns
    ticks, followed = run.planned
    planned = followed.reshape(-1, width) - look_up(stamps, poses, ticks, steps)
    finite = np.isfinite(errors)
    return Score(
        reference="commands" if commanded else "measured",
        horizon_s=(offset + np.arange(rows) * longest.step_ns) / NS_PER_S,
        chunks=int(finite.any(axis=(1, 2)).sum()),
        rmse=_rms(errors, 0),
        hold_rmse=_rms(np.where(finite, still, np.nan), 0),
        joint_rmse=_rms(errors.reshape(-1, width), 0),
        joint_hold_rmse=_rms(np.where(finite, still, np.nan).reshape(-1, width), 0),
        planned_rmse=_rms(planned, 0),
        planned_ticks=int(np.isfinite(planned).any(axis=1).sum()),
        moved=np.array([_range(column) for column in poses.T]),
        gripper_agreement=np.where(steps, _mean(agree.reshape(-1, width)), np.nan),
    )


def look_up(stamps: np.ndarray, poses: Float, at_ns: np.ndarray, stepped: np.ndarray) -> Float:
    """A recorded motion at other instants.

    Args:
        stamps: [N] int64, increasing; equal ones are passed over.
        poses: [N, A].
        at_ns: [M] int64.
        stepped: [A] bool, columns that keep their last value (grippers); the others are linear.

    Returns:
        [M, A], NaN before the first, after the last sample, and in a gap.
    """
    found = np.full((len(at_ns), poses.shape[1]), np.nan)
    if len(stamps) < 2 or not len(at_ns):
        return found
    order = np.argsort(stamps, kind="stable")
    stamps, poses = stamps[order], poses[order]
    later = np.searchsorted(stamps, at_ns, side="right")
    later = np.where((at_ns == stamps[-1]) & (later == len(stamps)), len(stamps) - 1, later)
    inside = (later > 0) & (later < len(stamps))
    before, after = later[inside] - 1, later[inside]
    span = np.maximum(stamps[after] - stamps[before], 1)
    share = ((at_ns[inside] - stamps[before]) / span)[:, None]
    linear = poses[before] + share * (poses[after] - poses[before])
    last = np.where(share >= 1.0, poses[after], poses[before])
    values = np.where(stepped, last, linear)
    found[inside] = np.where((span <= GAP_S * NS_PER_S)[:, None], values, np.nan)
    return found


def _rms(errors: Float, axis: int) -> Float:
    return np.sqrt(_mean(errors**2, axis))


def _mean(values: Float, axis: int = 0) -> Float:
    """Mean over what is known; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _range(column: Float) -> float:
    known = column[np.isfinite(column)]
    return float(np.ptp(known)) if len(known) else float("nan")
