"""A picture per joint: what was commanded and what was measured."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from dreamzero_bringup.demo.report import unit
from dreamzero_bringup.walk.plan import STILL, Move
from dreamzero_bringup.walk.trace import Trace
from dreamzero_policy.embodiments.embodiment import Embodiment

_COMMAND, _MEASURED, _OTHER, _BAND = "#1f4fd8", "#111111", "#c22f2f", "#dddddd"


def draw(robot: Embodiment, move: Move, trace: Trace, path: Path, title: str) -> None:
    """Writes the moved joint above, all others below, each against what it may move.

    Args:
        robot: its layout.
        move: what was meant.
        trace: what happened.
        path: where to, a ``.png``.
        title: one line.
    """
    figure, (own, rest) = plt.subplots(
        2, 1, figsize=(9, 5), sharex=True, layout="constrained", height_ratios=(2, 1)
    )
    start = trace.rest if trace.rest is not None else trace.idle
    for column, name in enumerate(trace.names):
        joint = robot.joint(name)
        if name == move.joint.name:
            own.plot(trace.commanded_at, trace.commanded[:, column], color=_COMMAND, lw=1.8,
                     label="commanded")  # fmt: skip
            own.plot(trace.measured_at, trace.measured[:, column], color=_MEASURED, lw=1.3, ls="--",
                     label="measured")  # fmt: skip
        elif start is not None:
            away = (trace.measured[:, column] - start[column]) / STILL[joint.kind]
            far = len(away) and abs(away).max() > 1.0
            rest.plot(trace.measured_at, away, lw=1.4 if far else 0.7,
                      color=_OTHER if far else "#888888", label=name if far else None)  # fmt: skip
    if move.joint.name in trace.names:
        own.legend(loc="upper right")
    own.set_ylabel(f"{move.joint.name} [{unit(move.joint.kind)}]")
    rest.axhspan(-1.0, 1.0, color=_BAND, zorder=0)
    rest.set_ylabel("other joints\n[of what they may]")
    rest.set_xlabel("time after the motion began [s]")
    if rest.get_legend_handles_labels()[0]:
        rest.legend(loc="upper right", fontsize=8)
    for axis in (own, rest):
        axis.axvline(trace.enabled, color="#3ca37a", lw=1.0, ls=":")
        if trace.ended is not None:
            axis.axvline(trace.ended, color=_OTHER, lw=1.2)
        axis.grid(True, lw=0.3)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=90)
    plt.close(figure)
