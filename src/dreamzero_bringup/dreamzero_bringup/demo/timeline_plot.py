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
_COMMAND, _MEASURED, _ARRIVAL, _LIMIT = "#1f4fd8", "#111111", "#999999", "#c22f2f"
_LEAST_SPAN = {"revolute": 0.05, "prismatic": 0.01, "gripper": 0.2, "base": 0.1}


def draw(recording: Recording, path: Path, title: str) -> None:
    """Writes one picture with a panel per joint; time is in seconds after the first command.

    Args:
        recording: of the run.
        path: where to, a ``.png``.
        title: one line above all panels.
    """
    joints = recording.embodiment.joints
    columns = 1 if len(joints) <= 4 else 2
    rows = -(-len(joints) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(11 * columns, 3.1 * rows + 1.2),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    panels = axes.T.ravel()
    for column, (axis, joint) in enumerate(zip(panels, joints, strict=False)):
        _panel(axis, recording, joint, column)
    for axis in panels[len(joints) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("time after the first command [s]")
    figure.suptitle(title, fontsize=13)
    figure.legend(
        handles=[
            Line2D([], [], color=_CHUNKS[0], lw=1, label="rows of a chunk"),
            Line2D([], [], color=_CHUNKS[1], lw=1, label="rows of the next chunk"),
            Line2D([], [], color=_COMMAND, lw=1.6, label="command (interpolated, limited)"),
            Line2D([], [], color=_MEASURED, lw=1.2, ls="--", label="measured"),
            Line2D([], [], color=_ARRIVAL, lw=0.8, ls=":", label="a chunk arrives (seam)"),
            Line2D([], [], color=_LIMIT, lw=1, label="position limit"),
        ],
        loc="outside lower center",
        ncols=6,
        frameon=False,
    )
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _panel(axis: Axes, recording: Recording, joint: Joint, column: int) -> None:
    """One joint: chunks, command, measurement, arrivals, limits."""
    origin, end = recording.window()
    shown: list[np.ndarray] = []
    for index, received in enumerate(recording.chunks):
        chunk = received.chunk
        if received.received_ns > end:
            continue
        arrival = (received.received_ns - origin) / NS_PER_S
        axis.axvline(arrival, color=_ARRIVAL, lw=0.8, ls=":", zorder=1)
        if joint.name in chunk.names:
            due = chunk.start_ns + np.arange(chunk.horizon) * chunk.step_ns
            values = chunk.rows[:, chunk.names.index(joint.name)]
            colour = _CHUNKS[index % 2]
            seconds = (due - origin) / NS_PER_S
            axis.plot(seconds, values, color=colour, lw=0.9, alpha=0.8, zorder=2)
            axis.plot(seconds[:1], values[:1], ".", color=colour, ms=4, zorder=2)
            shown.append(values)
    times, commands = recording.commands_in_window()
    if len(times):
        seconds = (times - origin) / NS_PER_S
        axis.plot(seconds, commands[:, column], color=_COMMAND, lw=1.6, zorder=3)
        shown.append(commands[:, column])
    times, states = recording.states_in_window()
    if len(times) and joint.name in recording.embodiment.state_joints:
        measured = states[:, recording.embodiment.state_joints.index(joint.name)]
        seconds = (times - origin) / NS_PER_S
        axis.plot(seconds, measured, color=_MEASURED, lw=1.2, ls="--", zorder=4)
        shown.append(measured)
    _bounds(axis, joint, np.concatenate(shown) if shown else np.zeros(1))
    axis.set_xlim(-0.5, max((end - origin) / NS_PER_S, 1.0) + 0.5)
    axis.set_ylabel(f"{joint.name} [{unit(joint.kind)}]")
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
