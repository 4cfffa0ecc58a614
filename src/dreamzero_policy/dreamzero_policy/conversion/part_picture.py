"""One picture per recording: what the model would see, joints and commands, what was left out."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dreamzero_policy.conversion.pieces import Piece
from dreamzero_policy.conversion.resample import camera_stream
from dreamzero_policy.conversion.rows import Cut, Rows
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.observation.views import Tiler
from dreamzero_policy.types import NS_PER_S, Image

_CANVASES = 6
_POINTS = 600
"""Points of a line; a longer recording is thinned."""
_LETTERS = 170
"""Of an instruction that is written over the whole width."""


def draw(
    episode: Episode,
    robot: Embodiment,
    rows: Rows,
    kept: list[Piece],
    cuts: list[Cut],
    path: Path,
) -> None:
    """Writes the picture.

    Args:
        episode: the recording.
        robot: its layout.
        rows: its rows.
        kept: what is kept of them.
        cuts: what is not.
        path: where to, a ``.png``.
    """
    figure = Figure(figsize=(11, 6.2), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    top, middle, bottom = figure.subplots(3, 1, height_ratios=(1.3, 2.2, 0.5))
    seconds = (rows.instants_ns - rows.instants_ns[0]) / NS_PER_S
    _show_canvases(top, episode, robot, rows)
    step = max(1, len(rows) // _POINTS)
    for index, joint in enumerate(robot.joints):
        low, span = joint.lower, joint.upper - joint.lower
        colour = f"C{index % 10}"
        middle.plot(
            seconds[::step], (rows.actions[::step, index] - low) / span, colour, lw=0.8, ls=":"
        )
        if joint.name in robot.state_joints:
            column = robot.state_joints.index(joint.name)
            share = (rows.states[::step, column] - low) / span
            middle.plot(seconds[::step], share, colour, lw=0.9)
    middle.set_ylabel("share of range\nstate -, command :")
    for cut in cuts:
        middle.axvspan(cut.first_s, cut.first_s + cut.seconds, color="0.82", lw=0)
    for one in (middle, bottom):
        one.set_xlim(0, max(float(seconds[-1]), 1e-3))
    _show_instructions(bottom, rows, seconds)
    bottom.set_xlabel(f"s; grey is left out; {len(kept)} pieces kept")
    figure.suptitle(episode.name, fontsize=10)
    figure.savefig(path, metadata={"Software": None})


def _show_canvases(axes: object, episode: Episode, robot: Embodiment, rows: Rows) -> None:
    """A strip of canvases, evenly spread over the recording."""
    whole = np.flatnonzero((rows.pictures >= 0).all(axis=1))
    axes.axis("off")
    if not len(whole):
        return
    chosen = whole[np.linspace(0, len(whole) - 1, _CANVASES).astype(int)]
    strip = np.concatenate([canvas_at(episode, robot, rows, int(row)) for row in chosen], axis=1)
    axes.imshow(strip[::2, ::2])


def canvas_at(episode: Episode, robot: Embodiment, rows: Rows, row: int) -> Image:
    """What the model sees at a row: [H, W, 3] uint8, by the code of the live node."""
    views = zip(robot.views, rows.pictures[row].tolist(), strict=True)
    return Tiler(robot).canvas(
        {view.name: camera_stream(episode, view.name).picture(index) for view, index in views}
    )


def _show_instructions(axes: object, rows: Rows, seconds: np.ndarray) -> None:
    """A band per instruction."""
    axes.set_yticks([])
    texts, first = rows.instructions, 0
    colours = {text: f"C{at % 10}" for at, text in enumerate(dict.fromkeys(texts))}
    for row in range(1, len(texts) + 1):
        if row < len(texts) and texts[row] == texts[first]:
            continue
        begin, end = float(seconds[first]), float(seconds[min(row, len(texts) - 1)])
        axes.axvspan(begin, end, color=colours[texts[first]], alpha=0.35, lw=0)
        room = max(8, int(_LETTERS * (end - begin) / max(float(seconds[-1]), 1e-3)))
        label = textwrap.shorten(texts[first], room, placeholder=" ...")
        axes.text(begin, 0.5, f" {label or 'no instruction'}", va="center", fontsize=7)
        first = row
