"""The folder that a shadow run leaves: figures for a machine, a page with pictures for a person."""

from __future__ import annotations

import html
import json
import math
from pathlib import Path

from dreamzero_bringup import machine
from dreamzero_bringup.demo.report import unit
from dreamzero_bringup.shadow import pictures
from dreamzero_bringup.shadow.log import FILE, ShadowRun, read
from dreamzero_bringup.shadow.score import Score, score

_MARKS_S = (0.2, 0.5, 1.0, 1.5)
"""Times after the observation at which the table shows errors [s]."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right }
td { font-variant-numeric: tabular-nums }
td:first-child, th:first-child { text-align: left }
img { max-width: 100%; border: 1px solid #ddd; margin: .5rem 0 }
.note { background: #fff4d6; padding: .6rem 1rem }
"""


def write_report(folder: Path) -> Score:
    """Scores the log in ``folder`` and writes ``shadow.json``, two pictures and ``index.html``.

    Args:
        folder: with a log; files of an earlier report are replaced.

    Raises:
        ValueError: no log, or nothing in it to compare.
    """
    run = read(folder / FILE)
    result = score(run)
    subject = f"{run.embodiment.name}: {run.instruction!r}"
    subject += " with UNTRAINED weights" if run.untrained else ""
    pictures.timeline(run, result, folder / "timeline.png", f"{subject}: the human and the policy")
    pictures.horizon(run, result, folder / "horizon.png", f"{subject}: error by horizon")
    summary = summarise(run, result)
    (folder / "shadow.json").write_text(json.dumps(summary, indent=2) + "\n")
    (folder / "index.html").write_text(_page(run, result, subject))
    return result


def summarise(run: ShadowRun, result: Score) -> dict[str, object]:
    """Every figure of a run; what could not be compared is null."""
    return {
        "robot": run.embodiment.name,
        "instruction": run.instruction,
        "weights": run.weights,
        "untrained": run.untrained,
        "reference": result.reference,
        "chunks": {
            "received": len(run.chunks),
            "compared": result.chunks,
            "refused_by_the_controller": run.refused,
        },
        "planned_ticks": result.planned_ticks,
        "log": {"complete": run.complete, "damaged_lines": run.damaged},
        "joints": {
            joint.name: {
                "unit": unit(joint.kind),
                "human_range": _figure(result.moved[column]),
                "rmse": _figure(result.joint_rmse[column]),
                "hold_rmse": _figure(result.joint_hold_rmse[column]),
                "skill": _figure(result.skill[column]),
                "planned_rmse": _figure(result.planned_rmse[column]),
                "gripper_agreement": _figure(result.gripper_agreement[column]),
                "rmse_by_row": [_figure(value) for value in result.rmse[:, column]],
            }
            for column, joint in enumerate(run.embodiment.joints)
        },
        "row_seconds": [_figure(value) for value in result.horizon_s],
        "versions": machine.versions(),
        "commit": machine.commit(),
    }


def table(run: ShadowRun, result: Score) -> tuple[list[str], list[list[str]]]:
    """Column heads and one row per joint, as text."""
    rows = [int(abs(result.horizon_s - mark).argmin()) for mark in _MARKS_S]
    rows = [row for row, mark in zip(rows, _MARKS_S, strict=True) if mark <= result.horizon_s[-1]]
    heads = ["joint", "unit", "human moved", *(f"{result.horizon_s[row]:.1f} s" for row in rows)]
    heads += ["all rows", "hold", "skill"]
    lines = []
    for column, joint in enumerate(run.embodiment.joints):
        values = [result.moved[column], *(result.rmse[row, column] for row in rows)]
        values += [result.joint_rmse[column], result.joint_hold_rmse[column], result.skill[column]]
        lines.append([joint.name, unit(joint.kind), *map(_text, values)])
    return heads, lines


def _page(run: ShadowRun, result: Score, subject: str) -> str:
    heads, lines = table(run, result)
    notes = []
    if run.untrained:
        notes.append("The weights are <b>untrained</b>: these errors say nothing of a policy.")
    if not run.complete:
        notes.append("The log has no end: the run was cut off; what it holds is scored.")
    if run.damaged:
        notes.append(f"{run.damaged} lines of the log could not be read.")
    if run.refused:
        reasons = ", ".join(f"{html.escape(k)} {v}" for k, v in sorted(run.refused.items()))
        notes.append(f"Chunks that the controller would not have followed: {reasons}.")
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"
        for line in lines
    )
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Shadow run</title>'
        f"<style>{_STYLE}</style><h1>Shadow run</h1><p>{html.escape(subject)}. "
        f"Weights: {html.escape(run.weights or 'unknown')}. {len(run.chunks)} chunks, "
        f"{result.planned_ticks} control ticks; the human's {result.reference} are the reference. "
        "Nothing was sent to the robot.</p>"
        + "".join(f'<p class="note">{note}</p>' for note in notes)
        + "<h2>Error by joint</h2><p>Root mean square error of the rows due so long after their "
        "observation; <i>hold</i> is the error of staying at the observed pose; <i>skill</i> is "
        "the share of it that is gone: 1 is perfect, 0 no better than holding.</p>"
        f"<table><tr>{head}</tr>{cells}</table>"
        '<h2>Error by horizon</h2><img src="horizon.png" alt="error by horizon, one panel a joint">'
        '<h2>Over time</h2><img src="timeline.png" alt="human and policy over time">'
        "</html>\n"
    )


def _figure(value: float) -> float | None:
    return None if not math.isfinite(value) else round(float(value), 5)


def _text(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.3f}"
