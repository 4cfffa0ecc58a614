"""The page of an evaluation: tables, a picture, every rollout with its film; moved as a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dreamzero_bringup import machine
from dreamzero_bringup.evaluation.plan import Row, Wanted
from dreamzero_bringup.evaluation.table import ALL, HEADS, Cell, cells, lines

PAGE, SUMMARY, PICTURE = "index.html", "summary.json", "success.png"

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 74rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right }
td:nth-child(-n+3), th:nth-child(-n+3) { text-align: left }
td { font-variant-numeric: tabular-nums }
img { max-width: 100% } video { width: 20rem }
.note { background: #fff4d6; padding: .6rem 1rem }
.done { color: #1a6b2a } .failed { color: #a40000 }
.rollout { display: inline-block; vertical-align: top; margin: .5rem; max-width: 20rem;
  font-size: 13px }
summary { cursor: pointer; font-weight: 600; margin: .6rem 0 }
"""


def write(
    folder: Path,
    wanted: Wanted,
    rows: Sequence[Row],
    policies: Mapping[str, str],
    missing: int,
) -> list[Cell]:
    """Writes ``summary.json``, ``success.png`` and ``index.html``; earlier ones are replaced.

    Args:
        folder: of the evaluation.
        wanted: what was asked for.
        rows: every rollout there is.
        policies: what each label stands for.
        missing: rollouts that are still to come.

    Returns:
        The figures.
    """
    found = cells(rows)
    untrained = [label for label, what in policies.items() if what.startswith("untrained")]
    summary = {
        "robot": wanted.robot,
        "through": wanted.through,
        "latency_s": wanted.latency_s if wanted.through == "virtual" else None,
        "replan_frames": wanted.replan_frames,
        "first_seed": wanted.first_seed,
        "policies": dict(policies),
        "untrained": list(untrained),
        "missing_rollouts": missing,
        "cells": [cell.plain() for cell in found],
        "versions": machine.versions(),
        "commit": machine.commit(),
    }
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")
    if rows:
        _draw(found, folder / PICTURE)
    text = "\n".join(_page(wanted, rows, found, policies, untrained, missing))
    (folder / PAGE).write_text(text + "\n")
    return found


def _page(
    wanted: Wanted,
    rows: Sequence[Row],
    found: Sequence[Cell],
    policies: Mapping[str, str],
    untrained: Sequence[str],
    missing: int,
) -> list[str]:
    how = (
        f"in virtual time, chunks {wanted.latency_s:g} s after their observation"
        if wanted.through == "virtual"
        else "through the real nodes, on the wall clock"
    )
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Evaluation</title>',
        f"<style>{_STYLE}</style><h1>Evaluation: {escape(wanted.robot)}</h1>",
        f"<p>{len(rows)} rollouts in simulation, {how}. Every policy had the same scenes. "
        "<i>Seen</i> instructions are of the combinations that demonstrations show, <i>unseen</i> "
        "ones are held out. Progress is the best stage of the task that was reached. ± is one "
        "standard error; the interval is Wilson's.</p>",
    ]
    if missing:
        parts.append(f'<p class="note">{missing} rollouts are still to come.</p>')
    for label in untrained:
        parts.append(f'<p class="note"><b>{escape(label)}</b> has untrained, random weights.</p>')
    parts.append(_table(("label", "policy"), sorted(policies.items())))
    parts.append(_table(HEADS, lines(found)))
    if rows:
        parts.append(f'<img src="{PICTURE}" alt="success and progress by policy">')
    parts.append("<h2>Every rollout</h2>")
    for cell in found:
        if cell.task == ALL:
            continue
        members = [
            row
            for row in rows
            if (row.policy, row.split, row.task) == (cell.policy, cell.split, cell.task)
        ]
        parts.append(
            f"<details><summary>{escape(cell.policy)}: {escape(cell.task)}, {cell.split}: "
            f"{cell.success.successes} of {cell.success.of}</summary>"
        )
        parts += [_rollout(row) for row in members]
        parts.append("</details>")
    parts.append("</html>")
    return parts


def _rollout(row: Row) -> str:
    state = ("done", f"done after {row.seconds:.1f} s") if row.success else ("failed", "not done")
    film = (
        f'<video controls preload="none" src="{escape(row.film)}"></video><br>' if row.film else ""
    )
    trouble = f" {escape(row.trouble)}." if row.trouble else ""
    figures = ", ".join(f"{name} {value:g}" for name, value in sorted(row.figures.items()))
    return (
        f'<div class="rollout">{film}<b class="{state[0]}">{state[1]}</b>, progress '
        f"{row.progress:.2f}. {escape(row.instruction)}; seed {row.seed}.{trouble}<br>"
        f"<small>{escape(figures)}</small></div>"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _draw(found: Sequence[Cell], path: Path) -> None:
    """A bar per cell: success with its interval, progress as a mark."""
    figure = Figure(figsize=(9, 1.2 + 0.34 * len(found)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    at = np.arange(len(found))
    values = np.array([cell.success.value for cell in found])
    ends = np.array([(cell.success.low, cell.success.high) for cell in found])
    errors = np.abs(ends.T - values)
    colours = ["#4878a8" if cell.split != "unseen" else "#d08c3c" for cell in found]
    axes.barh(at, values, color=colours, height=0.6)
    axes.errorbar(values, at, xerr=errors, fmt="none", ecolor="0.25", capsize=2, lw=1)
    axes.plot([cell.progress.value for cell in found], at, "k|", ms=11, mew=2, label="progress")
    axes.set_yticks(at, [f"{cell.policy}: {cell.task}, {cell.split}" for cell in found])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("share done, with Wilson's 95 % interval; mark: mean progress")
    axes.grid(True, axis="x", lw=0.3)
    figure.savefig(path, dpi=100, metadata={"Software": None})
