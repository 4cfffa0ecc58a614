"""The picture of the seam benchmark: strategies side by side over the inference delay."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

COLOURS = {
    "cross_fade": "#0072b2",
    "temporal_ensemble": "#d55e00",
    "real_time_chunking": "#009e73",
}
ASIDE_S = {"cross_fade": -0.012, "temporal_ensemble": 0.0, "real_time_chunking": 0.012}
"""Points of equal height would hide one another."""

MARKERS = {"cross_fade": "o", "temporal_ensemble": "s", "real_time_chunking": "^"}
WAYS = {"hold": "#999999", "slow_playback": "#cc79a7"}


def plot(result: dict, file: Path) -> None:
    """Draws tracking error, peak jerk, seam size, and what slow inference leads to.

    Args:
        result: as `benchmarks/seams.py` makes it.
        file: where to.
    """
    figure, axes = plt.subplots(2, 3, figsize=(15, 8.2), layout="constrained")
    over = (
        ("error_p99", 100.0, "distance from the path, 99th percentile", "% of range"),
        ("jerk", 1.0, "peak jerk of the commands", "rad/s³"),
        ("seam_velocity", 1000.0, "velocity step at a seam, largest", "mrad/s per tick"),
    )
    for axis, (measure, factor, title, unit) in zip(axes[0], over, strict=True):
        _over_delay(axis, result, measure, factor)
        axis.set(title=title, ylabel=unit, xlabel="inference delay, median [s]", ylim=(0, None))
    axes[0, 0].legend(fontsize=9, title="solid: 1 mrad of row noise\ndashed: 10 mrad")
    own = np.mean([cell["path_velocity"] for cell in result["usual"]])
    axes[0, 2].axhline(1000.0 * own, color="black", linestyle=":", linewidth=1)
    axes[0, 2].text(0.1, 970.0 * own, "largest on the path itself", ha="left", va="top")
    _goal(axes[1, 0], result)
    for axis, measure, factor, title, unit in (
        (axes[1, 1], "holding", 100.0, "slow inference: time held", "% of time"),
        (axes[1, 2], "jerk", 1.0, "slow inference: peak jerk", "rad/s³"),
    ):
        _slow(axis, result["slow"], measure, factor)
        axis.set(title=title, ylabel=unit, xlabel="inference delay, median [s]")
    axes[1, 1].legend(fontsize=9)
    figure.suptitle(
        "Chunks through the controller: delay jitter 20 %, 10 % of chunks lost, bias 5 mrad, "
        "drift 20 mrad, two minds 60 mrad apart; mean of two paths"
    )
    figure.savefig(file, dpi=110)
    plt.close(figure)
    print(f"wrote benchmarks/results/{file.name}")


def _over_delay(axis: Axes, result: dict, measure: str, factor: float) -> None:
    """One line per strategy, for little and for much noise."""
    noises = (0.001, max(result["noises_rad"]))
    for noise, style in zip(noises, ("-", "--"), strict=True):
        for seam, colour in COLOURS.items():
            points = _mean(result["usual"], measure, seam=seam, noise_rad=noise)
            axis.plot(
                [delay + ASIDE_S[seam] for delay in points],
                [factor * value for value in points.values()],
                style,
                color=colour,
                marker=MARKERS[seam],
                markersize=5,
                alpha=1.0 if style == "-" else 0.6,
                label=seam if style == "-" else None,
            )
    axis.set_xticks(result["delays_s"])
    axis.grid(alpha=0.3)


def _goal(axis: Axes, result: dict) -> None:
    """Peak jerk of a policy without errors against the path's own."""
    for seam, colour in COLOURS.items():
        points = _mean(result["sound"], "jerk_ratio", seam=seam)
        axis.plot(
            [delay + ASIDE_S[seam] for delay in points],
            list(points.values()),
            color=colour,
            marker=MARKERS[seam],
            label=seam,
        )
    axis.axhline(1.2, color="black", linestyle=":", linewidth=1)
    axis.text(1.5, 1.22, "goal at 0.3 s: at most 1.2", ha="right", va="bottom")
    axis.set(
        title="policy without errors: peak jerk",
        ylabel="times the path's own",
        xlabel="inference delay [s]",
        ylim=(0, 1.4),
        xticks=result["delays_s"],
    )
    axis.grid(alpha=0.3)


def _slow(axis: Axes, cells: list[dict], measure: str, factor: float) -> None:
    """Bars for each way to deal with slow inference."""
    width = 0.38
    for place, (way, colour) in enumerate(WAYS.items()):
        points = _mean(cells, measure, slow_inference=way)
        at = np.arange(len(points)) + (place - 0.5) * width
        bars = axis.bar(at, [factor * v for v in points.values()], width, color=colour, label=way)
        axis.bar_label(bars, fmt="%.0f", fontsize=9, padding=1)
        axis.margins(y=0.12)
        axis.set_xticks(np.arange(len(points)), [f"{delay:g}" for delay in points])
    axis.grid(alpha=0.3, axis="y")


def _mean(cells: list[dict], measure: str, **where: object) -> dict[float, float]:
    """Delay to the mean of a figure over the cells that match."""
    found: dict[float, list[float]] = {}
    for cell in cells:
        if all(cell[key] == value for key, value in where.items()):
            found.setdefault(cell["delay_s"], []).append(cell[measure])
    return {delay: float(np.mean(values)) for delay, values in found.items()}
