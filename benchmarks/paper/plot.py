"""The picture of a study: every arm with its standard error, and the seeds behind it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from paper.report import NOT_RUN
from paper.study import MEASURES

COLOURS = {"seen": "#0072b2", "unseen": "#d55e00"}


def draw(found: Mapping[str, Any], file: Path) -> None:
    """Draws success and progress of every arm.

    Args:
        found: as ``report.result``.
        file: where to.
    """
    arms = list(dict.fromkeys(row["arm"] for row in found["rows"]))
    height = 1.6 + 0.55 * len(arms)
    figure, axes = plt.subplots(1, 2, figsize=(11, height), sharey=True, layout="constrained")
    for axis, measure in zip(axes, MEASURES, strict=True):
        _panel(axis, found, arms, measure)
    axes[0].set_yticks(range(len(arms)), arms)
    axes[0].set_ylim(len(arms) - 0.5, -0.5)  # the first one on top
    handles, labels = axes[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, title="instructions", fontsize=8, loc="outside right upper")
    setup, size = found["setup"], found["setup"]["size"]
    made = ", ".join(
        (
            *([f"base: {setup['policy'].partition(':')[0]}"] if "policy" in setup else []),
            *([f"{size['steps']} steps"] if "steps" in size else []),
            *([f"{size['own_minutes']:g} minutes"] if "own_minutes" in size else []),
        )
    )
    figure.suptitle(
        f"{found['title']}\n{setup['robot']}, {' and '.join(setup['tasks'])}, {made}: "
        "mean and one standard error; dots are seeds",
        fontsize=10,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _panel(axis: Axes, found: Mapping[str, Any], arms: list[str], measure: str) -> None:
    splits = list(dict.fromkeys(row["split"] for row in found["rows"]))
    told: set[str] = set()
    for row in found["rows"]:
        aside = 0.16 * (splits.index(row["split"]) - (len(splits) - 1) / 2)
        at, colour = arms.index(row["arm"]) + aside, COLOURS.get(row["split"], "#555555")
        if row["state"] == NOT_RUN:
            axis.text(50, at, f"{row['split']}: not run", ha="center", va="center", fontsize=8)
            continue
        known = row[measure]
        label = None if row["split"] in told else row["split"]
        told.add(row["split"])
        seeds = [100 * value for value in known["by_seed"].values()]
        axis.plot(seeds, [at] * len(seeds), ".", color=colour, alpha=0.35, markersize=5)
        axis.errorbar(
            *(100 * known["mean"], at),
            xerr=100 * known["error"],
            **{"fmt": "o", "color": colour, "capsize": 3, "markersize": 5, "label": label},
        )
    axis.set(xlim=(-3, 103), xlabel=f"{measure} [%]")
    axis.grid(alpha=0.3, axis="x")
