"""A page about a conversion: every recording, what of it is in the dataset, what is not and why."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dreamzero_policy.conversion.part import PICTURE, Part
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.datasets.layout import ACTION, STATE, dead_columns
from dreamzero_policy.datasets.statistics import DatasetStatistics
from dreamzero_policy.embodiments.embodiment import Embodiment

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; color: #222 }
table { border-collapse: collapse; margin: .6rem 0 }
td { padding: .15rem .7rem; border-bottom: 1px solid #ddd }
.bad { color: #a40000 }
img { width: 100% }
details { margin: .7rem 0; border-top: 1px solid #ccc; padding-top: .5rem }
summary { cursor: pointer }
"""


def write(
    folder: Path,
    robot: Embodiment,
    settings: ConversionSettings,
    parts: Mapping[Path, Part],
    statistics: DatasetStatistics | None = None,
) -> Path:
    """Writes the page and its pictures.

    Args:
        folder: of the page; what is there is replaced.
        robot: the layout.
        settings: how it was converted.
        parts: by folder, in order.
        statistics: of the dataset; None where there is none.

    Returns:
        The page.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for place in parts:
        if (place / PICTURE).is_file():
            shutil.copyfile(place / PICTURE, folder / f"{place.name}.png")
    if statistics is not None:
        _draw_ranges(robot, statistics, folder / "ranges.png")
    page = folder / "index.html"
    page.write_text("\n".join(_page(folder, robot, settings, parts, statistics)) + "\n")
    return page


def _page(
    folder: Path,
    robot: Embodiment,
    settings: ConversionSettings,
    parts: Mapping[Path, Part],
    statistics: DatasetStatistics | None,
) -> Iterable[str]:
    kept = [part for part in parts.values() if part.pieces]
    rejected = [part for part in parts.values() if part.rejected]
    rows = sum(piece.rows for part in kept for piece in part.pieces)
    seconds = sum(part.seconds for part in parts.values())
    hz = robot.time_base.control_hz
    yield "<!doctype html><meta charset=utf-8><title>Conversion</title>"
    yield f"<style>{_STYLE}</style><h1>Recordings to a dataset: {escape(robot.name)}</h1>"
    yield _table(
        (
            ("recordings", len(parts)),
            ("of them used", len(kept)),
            ("rejected", len(rejected)),
            ("episodes of the dataset", sum(len(part.pieces) for part in kept)),
            ("recorded", f"{seconds / 60:.1f} min"),
            ("in the dataset", f"{rows / hz / 60:.1f} min, {rows} rows at {hz} Hz"),
            ("format", f"LeRobot {settings.format}"),
        )
    )
    yield "<p>An episode of the dataset ends where rows were left out: nothing is spliced.</p>"
    if rejected:
        yield "<h2>Rejected</h2>"
        yield _table(((part.name, part.kind, part.rejected) for part in rejected), "bad")
    yield "<h2>Left out, by reason</h2>"
    reasons: Counter[str] = Counter()
    for part in parts.values():
        for cut in part.cuts:
            reasons[cut["why"]] += cut["seconds"]
    yield _table(((why, f"{s:.1f} s") for why, s in reasons.most_common())) or "<p>Nothing.</p>"
    yield "<h2>Instructions</h2>"
    said = Counter(text for part in kept for piece in part.pieces for text in piece.instructions)
    yield _table((text, f"in {count} episodes") for text, count in said.most_common())
    if statistics is not None:
        yield "<h2>Ranges</h2><p>First to 99th percentile within the limits of each joint; a "
        yield "column that never moved carries no information.</p><img src=ranges.png>"
        for what, names in ((STATE, robot.state_joints), (ACTION, robot.action_joints)):
            dead = dead_columns(names, statistics.columns[what])
            if dead:
                yield f"<p class=bad>{what}: never moved: {escape(', '.join(dead))}</p>"
    yield "<h2>Every recording</h2>"
    for place, part in parts.items():
        yield from _part(folder, place.name, part, hz)


def _part(folder: Path, name: str, part: Part, hz: int) -> Iterable[str]:
    rows = sum(piece.rows for piece in part.pieces)
    what = f"{len(part.pieces)} episodes, {rows / hz:.1f} of {part.seconds:.1f} s"
    title = f"<b>{escape(part.name)}</b>: {escape(part.kind) if part.rejected else what}"
    yield f"<details><summary>{title}</summary>"
    if part.rejected:
        yield f"<p class=bad>{escape(part.rejected)}</p>"
    yield _table((key, value) for key, value in part.facts.items() if value)
    if (folder / f"{name}.png").is_file():
        yield f"<img loading=lazy src='{escape(name)}.png'>"
    if part.cuts:
        yield "<p>Left out:</p>"
        yield _table(
            (f"{c['first_s']:.2f} s", f"{c['seconds']:.2f} s", c["why"]) for c in part.cuts
        )
    if part.marks:
        yield "<p>Marked while it was recorded:</p>"
        yield _table((f"{m['first_s']:.2f} s", m["stream"], m["text"]) for m in part.marks)
    yield "</details>"


def _table(rows: Iterable[tuple], style: str = "") -> str:
    lines = [
        "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>"
        for row in rows
    ]
    return f"<table class='{style}'>{''.join(lines)}</table>" if lines else ""


def _draw_ranges(robot: Embodiment, statistics: DatasetStatistics, path: Path) -> None:
    """Where in its limits each joint was, and was told to be."""
    figure = Figure(figsize=(10, 1 + 0.28 * len(robot.joints)), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    state, action = statistics.columns[STATE], statistics.columns[ACTION]
    for at, joint in enumerate(robot.joints):
        low, span = joint.lower, joint.upper - joint.lower
        places = [(action, at, "C1", 0.15)]
        if joint.name in robot.state_joints:
            places.append((state, robot.state_joints.index(joint.name), "C0", -0.15))
        for values, column, colour, shift in places:
            ends = (np.array([values.q01[column], values.q99[column]]) - low) / span
            axes.plot(ends, [at + shift] * 2, colour, lw=4, solid_capstyle="butt")
    axes.set_yticks(range(len(robot.joints)), robot.action_joints)
    axes.invert_yaxis()
    axes.set_xlim(-0.05, 1.05)
    axes.set_xlabel("share of the range; blue measured, orange commanded")
    figure.savefig(path, metadata={"Software": None})
