"""Tables of tasks, plans, counts and merges for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dreamzero_policy.tasks.daily_log import Day
from dreamzero_policy.tasks.merging import Report
from dreamzero_policy.tasks.records import Plan, Task

_COLOURS = {"active": "green", "proposed": "yellow", "rejected": "red", "retired": "dim"}


def tasks(listed: Sequence[Task], title: str) -> RenderableType:
    """Tasks with their counts."""
    table = _table(title, "code", "task", "area", "steps", "min", "episodes", "status", "by")
    for task in listed:
        table.add_row(
            Text(task.code, "bold"), Text(task.instruction), Text(task.area.name),
            str(len(task.steps) or ""), f"{task.seconds / 60:.1f}",
            f"{task.count} of {task.limit}", Text(task.standing, _COLOURS[task.standing]),
            Text(task.person),
        )  # fmt: skip
    return table


def plans(made: Sequence[Plan], title: str) -> RenderableType:
    """Episode plans, a line per task."""
    table = _table(title, "episode", "code", "task", "episodes", "min", "recorded")
    for plan in made:
        for place, task in enumerate(plan.tasks):
            first = place == 0
            table.add_row(
                str(plan.number) if first else "", Text(task.code, "bold"), Text(task.instruction),
                str(task.count), f"{plan.seconds / 60:.1f}" if first else "",
                "yes" if first and plan.recorded else "",
                end_section=place == len(plan.tasks) - 1,
            )  # fmt: skip
    return table


def day(read: Day, days: Sequence[tuple[str, int, float]]) -> RenderableType:
    """What a day brought, and every day's episodes."""
    table = _table(f"{read.day}: {len(read.episodes)} episodes", "code", "task", "today", "total")
    for task in read.tasks:
        today = read.today.get(task.id, 0)
        total = f"{task.count} of {task.limit}"
        if today or task.count:
            table.add_row(Text(task.code, "bold"), Text(task.instruction), str(today or ""), total)
    history = _table("days", "day", "episodes", "hours")
    for name, count, seconds in days:
        history.add_row(name, str(count), f"{seconds / 3600:.2f}")
    total = sum(count for _, count, _ in days)
    history.add_row("total", str(total), f"{sum(s for *_, s in days) / 3600:.2f}", style="bold")
    return Group(table, history)


def merged(report: Report) -> RenderableType:
    """What a merge brought and what was settled."""
    added = ", ".join(f"{count} {table}s" for table, count in report.added.items() if count)
    lines = [Text(f"{report.path}: {f'added {added}' if added else 'nothing new'}", "bold")]
    lines += [Text(f"  conflict: {line}", "yellow") for line in report.conflicts]
    lines += [Text(f"  note: {line}") for line in report.notes]
    return Group(*lines)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(title), title_justify="left")
    for column in columns:
        number = column in ("min", "steps", "today", "total", "hours", "episodes")
        table.add_column(column, justify="right" if number else "left")
    return table
