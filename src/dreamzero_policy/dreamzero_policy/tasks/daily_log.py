"""The log of a day: how often each task was recorded, as CSV for a table and HTML for a person."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from dreamzero_policy.tasks import catalogue, counting, records
from dreamzero_policy.tasks.page import page, write
from dreamzero_policy.tasks.records import Episode, Task
from dreamzero_policy.tasks.store import Store

_STYLE = """
table { border-collapse: collapse; width: 100%; margin: 0 0 6mm; font-size: 11pt }
th, td { text-align: left; padding: 1.1mm 2.5mm; border-bottom: .2mm solid #999 }
th { border-bottom: .5mm solid #000 }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
td.code { font-weight: 800; font-size: 13pt; white-space: nowrap }
tr { break-inside: avoid }
.sum { font-size: 14pt; margin: 0 0 5mm }
"""

_HEAD = ("day", "area", "code", "instruction", "today", "total", "left", "status", "id")


@dataclass(frozen=True)
class Day:
    """A day as it was counted.

    Attributes:
        day: local date.
        today: episodes of the day by task id.
        tasks: every task, by code.
        episodes: of the day, with their stations.
    """

    day: str
    today: dict[str, int]
    tasks: Sequence[Task]
    episodes: Sequence[tuple[Episode, str]]


def read(store: Store, day: str) -> Day:
    """Reads a day."""
    day = records.day(day)
    return Day(
        day,
        counting.counts_of_day(store, day),
        catalogue.tasks(store),
        counting.episodes(store, day),
    )


def export(store: Store, day: str, folder: Path) -> tuple[Path, Path]:
    """Writes ``tasks-DAY.csv`` and ``tasks-DAY.html``, in place of earlier ones.

    Returns:
        Their paths.

    Raises:
        ValueError: no such day, or the folder cannot be written.
    """
    read_day = read(store, day)
    paths = folder / f"tasks-{day}.csv", folder / f"tasks-{day}.html"
    write(paths[0], as_csv(read_day))
    write(paths[1], as_html(read_day))
    return paths


def as_csv(day: Day) -> str:
    """One line per task, those of the other days too."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_HEAD)
    table.writerows(_row(day, task) for task in day.tasks)
    return text.getvalue()


def as_html(day: Day) -> str:
    """What was recorded, what retired by it, and every episode."""
    minutes = sum(one.seconds for one, _ in day.episodes) / 60.0
    recorded = [task for task in day.tasks if day.today.get(task.id)]
    full = [task for task in recorded if 0 <= task.count - task.limit < day.today[task.id]]
    retired = f", retired today: {', '.join(task.code for task in full)}" if full else ""
    body = (
        f'<header><h1>Daily log</h1><div class="when"><b>{day.day}</b></div></header>'
        f'<p class="sum"><b>{len(day.episodes)}</b> episodes, <b>{minutes:.0f}</b> min, '
        f"<b>{len(recorded)}</b> different tasks{escape(retired)}</p>"
        f"<h2>Tasks</h2>{_tasks(day, recorded)}<h2>Episodes</h2>{_episodes(day)}"
    )
    return page(f"Daily log {day.day}", _STYLE, body)


def _row(day: Day, task: Task) -> tuple:
    left = max(task.limit - task.count, 0)
    today = day.today.get(task.id, 0)
    return (
        day.day, task.area.name, task.code, task.instruction, today, task.count, left,
        task.standing,        task.id,
    )  # fmt: skip


def _tasks(day: Day, recorded: Sequence[Task]) -> str:
    rows = "".join(
        f'<tr><td class="code">{escape(task.code)}</td><td>{escape(task.instruction)}</td>'
        f'<td>{escape(task.area.name)}</td><td class="n"><b>{day.today[task.id]}</b></td>'
        f'<td class="n">{task.count} of {task.limit}</td></tr>'
        for task in sorted(recorded, key=lambda task: -day.today[task.id])
    )
    return (
        '<table><tr><th>code</th><th>task</th><th>area</th><th class="n">today</th>'
        f'<th class="n">total</th></tr>{rows}</table>'
    )


def _episodes(day: Day) -> str:
    codes = {task.id: task.code for task in day.tasks}
    rows = "".join(
        f"<tr><td>{escape(one.id)}</td><td>{escape(station)}</td><td>{escape(one.operator)}</td>"
        f"<td>{escape(', '.join(codes[task] for task in one.tasks))}</td>"
        f'<td class="n">{one.seconds / 60.0:.1f}</td></tr>'
        for one, station in day.episodes
    )
    return (
        "<table><tr><th>episode</th><th>station</th><th>operator</th><th>tasks</th>"
        f'<th class="n">min</th></tr>{rows}</table>'
    )
