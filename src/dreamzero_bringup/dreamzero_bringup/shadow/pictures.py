"""The pictures of a shadow run: the human and the policy over time, and the error by horizon."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from dreamzero_bringup.demo.report import unit
from dreamzero_bringup.shadow.log import ShadowRun
from dreamzero_bringup.shadow.score import Score
from dreamzero_policy.types import NS_PER_S

_HUMAN, _PLANNED, _CHUNK, _HOLD = "#111111", "#1f4fd8", "#e08a3c", "#8a8a8a"
_BEFORE_NS = 2 * NS_PER_S


def timeline(run: ShadowRun, result: Score, path: Path, title: str, who: str = "the human") -> None:
    """Writes one panel per joint: what the human did, what the policy would have done.

    Args:
        run: the log.
        result: its score, whose reference is drawn.
        path: where to, a ``.png``.
        title: one line above all panels.
        who: moved the robot.
    """
    stamps, poses = run.human if result.reference == "commands" else run.states
    origin = min(chunk.observation_ns for _, chunk in run.chunks)
    end = max(chunk.end_ns for _, chunk in run.chunks)
    kept = (stamps >= origin - _BEFORE_NS) & (stamps <= end)
    stamps, poses = stamps[kept], poses[kept]
    joints = run.embodiment.joints
    figure, axes = plt.subplots(
        len(joints),
        1,
        figsize=(16, 2.1 * len(joints) + 1.4),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for column, (axis, joint) in enumerate(zip(axes[:, 0], joints, strict=True)):
        for _, chunk in run.chunks:
            due = chunk.start_ns + np.arange(chunk.horizon) * chunk.step_ns
            seconds = (due - origin) / NS_PER_S
            axis.plot(seconds, chunk.rows[:, column], color=_CHUNK, lw=0.8, alpha=0.6)
        if len(run.planned[0]):
            seconds = (run.planned[0] - origin) / NS_PER_S
            axis.plot(seconds, run.planned[1][:, column], color=_PLANNED, lw=1.2, alpha=0.9)
        axis.plot((stamps - origin) / NS_PER_S, poses[:, column], color=_HUMAN, lw=1.6)
        axis.set_ylabel(f"{joint.name}\n[{unit(joint.kind)}]", fontsize=9)
        axis.grid(True, lw=0.3)
    axes[-1, 0].set_xlabel("time after the first observation [s]")
    figure.suptitle(title, fontsize=13)
    handles = [
        Line2D([], [], color=_HUMAN, lw=1.6, label=f"{who} ({result.reference})"),
        Line2D([], [], color=_CHUNK, lw=1, label="rows of every chunk"),
    ]
    if len(run.planned[0]):
        label = "the chunk in force, tick by tick"
        handles.append(Line2D([], [], color=_PLANNED, lw=1.2, label=label))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=3,
        frameon=False,
    )
    figure.savefig(path, dpi=90)
    plt.close(figure)


def horizon(run: ShadowRun, result: Score, path: Path, title: str) -> None:
    """Writes one panel per joint: error by time after the observation, beside that of holding.

    Args:
        run: the log.
        result: its score.
        path: where to, a ``.png``.
        title: one line above all panels.
    """
    joints = run.embodiment.joints
    across = min(4, len(joints))
    down = -(-len(joints) // across)
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(4.2 * across, 2.6 * down + 1.2),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat[len(joints) :]:
        axis.set_visible(False)
    for column, (axis, joint) in enumerate(zip(axes.flat, joints, strict=False)):
        axis.plot(result.horizon_s, result.hold_rmse[:, column], color=_HOLD, lw=1.4, ls="--")
        axis.plot(result.horizon_s, result.rmse[:, column], color=_PLANNED, lw=1.6)
        axis.set_title(f"{joint.name} [{unit(joint.kind)}]", fontsize=10)
        axis.set_ylim(bottom=0.0)
        axis.grid(True, lw=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("after the observation [s]")
    for axis in axes[:, 0]:
        axis.set_ylabel("root mean square error")
    figure.suptitle(title, fontsize=13)
    figure.legend(
        handles=[
            Line2D([], [], color=_PLANNED, lw=1.6, label="the policy's rows"),
            Line2D([], [], color=_HOLD, lw=1.4, ls="--", label="hold the observed pose"),
        ],
        loc="outside lower center",
        ncols=2,
        frameon=False,
    )
    figure.savefig(path, dpi=100)
    plt.close(figure)
