"""The timeline of a run, a panel per joint: what was planned, commanded and measured."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dreamzero_bringup.demo.recording import Recording
from dreamzero_bringup.demo.report import unit
from dreamzero_policy.embodiments.embodiment import Joint
from dreamzero_policy.types import NS_PER_S

_CHUNKS = ("#e08a3c", "#3ca37a")  # two colours in turn, so that a seam can be seen
_COMMAND, _MEASURED, _ARRIVAL, _LIMIT = "#1f4fd8", "#111111", "#777777", "#c22f2f"
_FAINT = {"lw": 0.6, "alpha": 0.45}
_DETAIL_S = 5.0
_LEAST_SPAN = {"revolute": 0.05, "prismatic": 0.01, "gripper": 0.2, "base": 0.1}


def draw(recording: Recording, path: Path, title: str) -> None:
    """Writes one picture with a row per joint: the whole run, and a few seconds of it in detail.

    Args:
        recording: of the run.
        path: where to, a ``.png``.
        title: one line above all panels.
    """
    joints = recording.embodiment.joints
    start, end = recording.window()
    seconds = max((end - start) / NS_PER_S, 1.0)
    middle = max(seconds / 2, _DETAIL_S / 2)
    spans = ((-0.5, seconds + 0.5), (middle - _DETAIL_S / 2, middle + _DETAIL_S / 2))
    figure, axes = plt.subplots(
        len(joints),
        2,
        figsize=(22, 2.6 * len(joints) + 1.2),
        sharex="col",
        squeeze=False,
        layout="constrained",
        width_ratios=(3, 2),
    )
    for column, (pair, joint) in enumerate(zip(axes, joints, strict=True)):
        for axis, span, detail in zip(pair, spans, (False, True), strict=True):
            _panel(axis, recording, joint, column, span, detail)
        pair[0].set_ylabel(f"{joint.name} [{unit(joint.kind)}]")
    axes[0, 0].set_title("whole run", fontsize=11)
    axes[0, 1].set_title(f"{_DETAIL_S:g} s of it: each dot is a row of a chunk", fontsize=11)
    for axis in axes[-1]:
        axis.set_xlabel("time after the first command [s]")
    figure.suptitle(title, fontsize=13)
    figure.legend(
        handles=[
            Line2D([], [], color=_CHUNKS[0], lw=1, label="rows of a chunk"),
            Line2D([], [], color=_CHUNKS[1], lw=1, label="rows of the next chunk"),
            Line2D([], [], color=_COMMAND, lw=1.6, label="command (interpolated, limited)"),
            Line2D([], [], color=_MEASURED, lw=1.2, ls="--", label="measured"),
            Line2D([], [], color=_ARRIVAL, lw=1, ls=":", label="a chunk arrives (seam)"),
            Line2D([], [], color=_LIMIT, lw=1, label="position limit"),
        ],
        loc="outside lower center",
        ncols=6,
        frameon=False,
    )
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _panel(
    axis: Axes,
    recording: Recording,
    joint: Joint,
    column: int,
    span: tuple[float, float],
    detail: bool,
) -> None:
    """One joint over ``span`` [s]: chunks, command, measurement, arrivals, limits."""
    origin, end = recording.window()
    shown: list[np.ndarray] = [np.zeros(0)]

    def line(times_ns: np.ndarray, values: np.ndarray, **style: object) -> None:
        seconds = (times_ns - origin) / NS_PER_S
        axis.plot(seconds, values, **style)
        shown.append(values[(seconds >= span[0]) & (seconds <= span[1])])

    for index, received in enumerate(recording.chunks):
        chunk = received.chunk
        if received.received_ns > end:
            continue
        arrival = (received.received_ns - origin) / NS_PER_S
        axis.axvline(arrival, color=_ARRIVAL, lw=1.2 if detail else 0.6, ls=":", zorder=1)
        if joint.name in chunk.names:
            due = chunk.start_ns + np.arange(chunk.horizon) * chunk.step_ns
            values = chunk.rows[:, chunk.names.index(joint.name)]
            style = {"lw": 1.0, "alpha": 0.9, "marker": ".", "ms": 4} if detail else _FAINT
            line(due, values, color=_CHUNKS[index % 2], zorder=2, **style)
    times, commands = recording.commands_in_window()
    line(times, commands[:, column], color=_COMMAND, lw=1.8, zorder=3)
    if joint.name in recording.embodiment.state_joints:
        times, states = recording.states_in_window()
        measured = states[:, recording.embodiment.state_joints.index(joint.name)]
        line(times, measured, color=_MEASURED, lw=1.2, ls="--", zorder=4)
    _bounds(axis, joint, np.concatenate(shown))
    axis.set_xlim(*span)
    axis.grid(True, lw=0.3)


def _bounds(axis: Axes, joint: Joint, values: np.ndarray) -> None:
    """Vertical range: all that is drawn, not less than a span in which noise stays small."""
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (joint.lower, joint.upper)
    span = max(high - low, _LEAST_SPAN[joint.kind]) * 1.12
    middle = (low + high) / 2
    axis.set_ylim(middle - span / 2, middle + span / 2)
    for limit in (joint.lower, joint.upper):
        axis.axhline(limit, color=_LIMIT, lw=1, zorder=1)
