"""Pictures of a prediction beside the truth: frames in two rows, actions as curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamzero_policy.types import Float, Image

_SHOWN = 8  # frames of a strip


def video_strip(true: Image, predicted: Image) -> Image:
    """[2H, nW, 3]: frames of a clip over those that were predicted for the same instants.

    Args:
        true: [T, H, W, 3].
        predicted: the same.
    """
    rows = np.unique(np.linspace(0, len(true) - 1, _SHOWN).round().astype(int))
    return np.concatenate([np.concatenate(list(clip[rows]), axis=1) for clip in (true, predicted)])


def action_plot(true: Float, predicted: Float, names: Sequence[str], chunk_rows: int) -> Image:
    """[H, W, 3]: a panel per joint with what was done and what was predicted.

    Args:
        true: [A, joints] normalised.
        predicted: the same.
        names: of the joints.
        chunk_rows: rows of a chunk; a line stands where the next begins.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(4, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(3.2 * columns, 1.9 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for at, name in enumerate(names):
        axes[at].plot(true[:, at], color="0.3", label="true")
        axes[at].plot(predicted[:, at], color="tab:blue", label="predicted")
        for start in range(chunk_rows, len(true), chunk_rows):
            axes[at].axvline(start, color="0.85", linewidth=0.8)
        axes[at].set_title(name, fontsize=8)
        axes[at].set_ylim(-1.15, 1.15)
    axes[0].legend(fontsize=7)
    for unused in axes[len(names) :]:
        unused.set_axis_off()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
