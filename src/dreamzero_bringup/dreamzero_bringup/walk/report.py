"""The folder that a walk leaves: JSON for programs, a page with a picture per joint for people."""

from __future__ import annotations

import html
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from dreamzero_bringup import machine
from dreamzero_bringup.doctor.report import Report
from dreamzero_bringup.walk import pictures
from dreamzero_bringup.walk.plan import Move
from dreamzero_bringup.walk.walked import Walked

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; width: 100% }
td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; vertical-align: top }
img { max-width: 100%; border: 1px solid #ddd; margin: .5rem 0 }
.pass { color: #187a3c } .warn { color: #a86400 } .fail { color: #c22f2f; font-weight: bold }
.skip, .fix { color: #666 }
"""


def findings(walked: Walked) -> Report:
    """The findings as the doctor shows them."""
    shown = {name: tuple(rows) for name, rows in walked.sections.items() if rows}
    return Report(walked.robot.name, walked.domain_id, shown)


def write_folder(folder: Path, walked: Walked) -> None:
    """Writes ``walk.json``, ``index.html`` and a picture per joint; replaces those of before."""
    for old in (*folder.glob("joint_*.png"), folder / "walk.json", folder / "index.html"):
        old.unlink(missing_ok=True)
    names = {}
    for name, trace in walked.traces.items():
        number = walked.robot.action_joints.index(name)
        names[name] = f"joint_{number:02d}_{name}.png"
        verdict = walked.verdicts.get(name)
        title = f"{walked.robot.name}: {name}, {verdict.name if verdict else 'given up'}"
        pictures.draw(walked.robot, walked.moves[name], trace, folder / names[name], title)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    (folder / "walk.json").write_text(json.dumps(_summary(walked, names, now), indent=2) + "\n")
    (folder / "index.html").write_text(_page(walked, names, now))


def _summary(walked: Walked, names: dict[str, str], now: str) -> dict[str, object]:
    return {
        "robot": walked.robot.name,
        "simulated": walked.simulated,
        "date": now,
        "ended": walked.ended,
        "motion_disabled": walked.disabled,
        "summary": findings(walked).counts,
        "findings": [
            {"section": section, **asdict(finding)}
            for section, rows in walked.sections.items()
            for finding in rows
        ],
        "joints": {
            name: {
                "verdict": verdict.name,
                **_meant(walked.moves.get(name)),
                "measured_over_commanded": verdict.ratio,
                "delay_s": verdict.delay_s,
                "picture": names.get(name),
            }
            for name, verdict in walked.verdicts.items()
        },
        "versions": machine.versions(),
        "commit": machine.commit(),
    }


def _meant(move: Move | None) -> dict[str, float]:
    """What a joint was to do; nothing for one that was not come to."""
    if move is None:
        return {}
    return {"amount": move.amount, "start": move.start, "seconds": move.duration}


def _page(walked: Walked, names: dict[str, str], now: str) -> str:
    report, escape = findings(walked), html.escape
    rows = []
    for section, found in report.sections.items():
        rows.append(f'<tr><td colspan="3"><b>{escape(section)}</b></td></tr>')
        for one in found:
            fix = f'<br><span class="fix">fix: {escape(one.fix)}</span>' if one.fix else ""
            rows.append(
                f'<tr><td class="{one.level.value}">{one.level.value}</td>'
                f"<td>{escape(one.what)}</td><td>{escape(one.found)}{fix}</td></tr>"
            )
    robot = "simulated " * walked.simulated + walked.robot.name
    ended = f" It ended early: {escape(walked.ended)}." if walked.ended else ""
    images = "".join(
        f'<h3>{escape(name)}</h3><img src="{escape(file)}" alt="{escape(name)}">'
        for name, file in names.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Walk</title>'
        f"<style>{_STYLE}</style><h1>Walk through {escape(robot)}</h1>"
        f"<p>{now}. {escape(report.summary())}.{ended} Motion is "
        f"{'disabled' if walked.disabled else '<b>NOT KNOWN TO BE DISABLED</b>'}.</p>"
        f"<table>{''.join(rows)}</table><h2>Commanded and measured</h2>"
        "<p>Green: motion enabled. Red: given up. Below, what every other joint moved, as a share "
        f"of what it may while it should stand still.</p>{images}</html>\n"
    )
