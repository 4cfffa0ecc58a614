"""What an open-loop evaluation leaves: figures, plots, a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dreamzero_bringup import machine
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.evaluation.open_loop import BASELINES, Scores
from dreamzero_policy.types import Float

PAGE, SUMMARY = "index.html", "open_loop.json"
_MARKS_S = (0.2, 0.5, 1.0, 1.5)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right }
td:nth-child(-n+2), th:nth-child(-n+2) { text-align: left }
img { max-width: 100% } video { width: 40rem; max-width: 100% }
.note { background: #fff4d6; padding: .6rem 1rem }
"""


def write(
    folder: Path,
    robot: Embodiment,
    dataset: str,
    scores: Mapping[str, Scores],
    policies: Mapping[str, str],
    untrained: Sequence[str],
    films: Sequence[str],
) -> Path:
    """Writes ``open_loop.json``, plots and ``index.html``.

    Args:
        folder: of the evaluation.
        robot: the layout, with the time base of the policies.
        dataset: what was shown.
        scores: by policy.
        policies: what each label stands for.
        untrained: labels of those with random weights.
        films: beside the page.

    Returns:
        The page.
    """
    seconds = np.arange(robot.time_base.rows_per_chunk) / robot.time_base.control_hz
    summary = {
        "robot": robot.name,
        "dataset": dataset,
        "policies": dict(policies),
        "untrained": list(untrained),
        "row_seconds": seconds.round(4).tolist(),
        "scores": {label: _plain(one) for label, one in scores.items()},
        "versions": machine.versions(),
        "commit": machine.commit(),
    }
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")
    _draw_errors(scores, seconds, folder / "rmse.png")
    pictured = {label: one for label, one in scores.items() if one.pictures.any()}
    if pictured:
        _draw_pictures(pictured, robot, folder / "psnr.png")
    page = folder / PAGE
    page.write_text(
        "\n".join(_page(robot, dataset, scores, policies, untrained, films, seconds)) + "\n"
    )
    return page


def row_seconds(folder: Path) -> list[float]:
    """When each row of a chunk is due after its observation, of an evaluation that was written."""
    return json.loads((folder / SUMMARY).read_text())["row_seconds"]


def heads(seconds: Float) -> tuple[str, ...]:
    """Column heads of ``lines``."""
    return ("policy", "action key", *(f"{seconds[k]:.1f} s" for k in _rows(seconds)), "all rows")


def lines(scores: Mapping[str, Scores], seconds: Float) -> list[tuple[str, ...]]:
    """RMSE by policy, its baselines and action key, in model units."""
    found = []
    for label, one in scores.items():
        for name in ("policy", *BASELINES):
            errors, overall = one.rmse(name), one.overall(name)
            shown = label if name == "policy" else f"{label}: {_BASELINE[name]}"
            for number, key in enumerate(one.keys):
                marks = (_text(errors[number, k]) for k in _rows(seconds))
                found.append((shown, key, *marks, _text(overall[number])))
    return found


_BASELINE = {"hold": "hold instead", "previous": "its previous chunk, shifted"}


def picture_lines(scores: Mapping[str, Scores]) -> list[tuple[str, ...]]:
    """What is known of predicted pictures, by policy."""
    found = []
    for label, one in scores.items():
        count = one.pictures.sum()
        if count:
            values = (one.psnr.sum() / count, one.still_psnr.sum() / count)
            found.append((label, "PSNR of predicted pictures [dB]", *map("{:.1f}".format, values)))
        if one.divergence[2]:
            values = one.divergence[:2] / one.divergence[2]
            found.append((label, "divergence of predicted latents", *map("{:.3f}".format, values)))
    return found


def _rows(seconds: Float) -> list[int]:
    return [int(np.abs(seconds - mark).argmin()) for mark in _MARKS_S if mark <= seconds[-1] + 0.1]


def _plain(one: Scores) -> dict[str, object]:
    with np.errstate(divide="ignore", invalid="ignore"):
        pictures = {
            "psnr_by_frame": _list(one.psnr / one.pictures),
            "still_psnr_by_frame": _list(one.still_psnr / one.pictures),
        }
    said = one.divergence[2]
    return {
        "episodes": one.episodes,
        "rows": one.rows,
        "chunks": one.chunks,
        "rmse_by_row": {
            name: dict(zip(one.keys, map(_list, one.rmse(name)), strict=True))
            for name in ("policy", *BASELINES)
        },
        "rmse": {
            name: dict(zip(one.keys, _list(one.overall(name)), strict=True))
            for name in ("policy", *BASELINES)
        },
        **pictures,
        "divergence": round(one.divergence[0] / said, 5) if said else None,
        "still_divergence": round(one.divergence[1] / said, 5) if said else None,
    }


def _page(
    robot: Embodiment,
    dataset: str,
    scores: Mapping[str, Scores],
    policies: Mapping[str, str],
    untrained: Sequence[str],
    films: Sequence[str],
    seconds: Float,
) -> list[str]:
    first = next(iter(scores.values()))
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Open loop</title>',
        f"<style>{_STYLE}</style><h1>Open loop: {escape(robot.name)}</h1>",
        f"<p>{first.episodes} episodes of {escape(dataset)}, {first.rows} rows, {first.chunks} "
        "chunks: asked at every chunk boundary with the true frames up to there. Errors are in "
        "rad, m, or shares of a gripper.</p>",
    ]
    for label in untrained:
        parts.append(f'<p class="note"><b>{escape(label)}</b> has untrained, random weights.</p>')
    parts.append(_table(("label", "policy"), sorted(policies.items())))
    parts.append("<h2>Root mean square error of actions</h2>")
    parts.append(_table(heads(seconds), lines(scores, seconds)))
    parts.append('<img src="rmse.png" alt="error by horizon, one panel a key">')
    pictures = picture_lines(scores)
    if pictures:
        parts.append("<h2>Predicted pictures</h2>")
        parts.append(_table(("policy", "what", "predicted", "a still picture instead"), pictures))
        parts.append('<img src="psnr.png" alt="PSNR by frame"/>')
    for film in films:
        parts.append(f'<video controls preload="none" src="{escape(film)}"></video>')
    return [*parts, "</html>"]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _draw_errors(scores: Mapping[str, Scores], seconds: Float, path: Path) -> None:
    """A panel per key: policies, and the baselines of the first."""
    keys = next(iter(scores.values())).keys
    figure = Figure(figsize=(4.2 * min(3, len(keys)), 3 * -(-len(keys) // 3)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(-(-len(keys) // 3), min(3, len(keys)), squeeze=False, sharex=True)
    for axes in grid.flat[len(keys) :]:
        axes.set_visible(False)
    first = next(iter(scores.values()))
    for number, (axes, key) in enumerate(zip(grid.flat, keys, strict=False)):
        for label, one in scores.items():
            axes.plot(seconds, one.rmse("policy")[number], lw=1.6, label=label)
        for name, style in zip(BASELINES, ("k:", "k--"), strict=True):
            axes.plot(seconds, first.rmse(name)[number], style, lw=1, label=_BASELINE[name])
        axes.set_title(key, fontsize=9)
        axes.set_ylim(bottom=0)
        axes.grid(True, lw=0.3)
        axes.set_xlabel("s after the observation", fontsize=8)
    grid.flat[0].legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _draw_pictures(scores: Mapping[str, Scores], robot: Embodiment, path: Path) -> None:
    figure = Figure(figsize=(6, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for label, one in scores.items():
        seconds = (1 + np.arange(len(one.psnr))) / robot.time_base.frame_hz
        with np.errstate(divide="ignore", invalid="ignore"):
            axes.plot(seconds, one.psnr / one.pictures, "o-", ms=3, label=label)
            axes.plot(seconds, one.still_psnr / one.pictures, "k:", lw=1)
    axes.set_xlabel("s ahead; dotted: the last picture that was seen, instead")
    axes.set_ylabel("PSNR [dB]")
    axes.grid(True, lw=0.3)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _list(values: Float) -> list[float | None]:
    return [round(float(v), 6) if np.isfinite(v) else None for v in values]


def _text(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "-"
