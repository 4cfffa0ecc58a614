"""What a run of the golden cases found, as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from dreamzero_policy.golden.checks import Checked
from dreamzero_policy.golden.report import Row


def table(checked: Iterable[Checked], every: bool = False) -> Table:
    """A row per tensor that missed, and one per group of tensors that held, with the worst of it.

    Args:
        checked: cases, in the order of the rows.
        every: a row per tensor, whether it held or not.
    """
    result = Table(title=None)
    result.add_column("case")
    result.add_column("tensor or decision", overflow="fold")
    for name in ("n", "max abs", "relative", "tolerance"):
        result.add_column(name, justify="right")
    result.add_column("", overflow="fold")
    for case in checked:
        for row, count in _chosen(case.rows, every):
            result.add_row(*_cells(row, count))
        if case.error:
            result.add_row(case.name, "could not be run", "", "", "", "", _verdict(case.error))
        elif not case.rows:
            result.add_row(case.name, "nothing compared", "", "", "", "", _verdict("expected some"))
        result.add_section()
    return result


def summary(checked: Sequence[Checked]) -> str:
    """One line: how many held."""
    rows = [row for case in checked for row in case.rows]
    passed, cases = sum(row.passed for row in rows), sum(case.passed for case in checked)
    return f"{cases} of {len(checked)} cases passed; {passed} of {len(rows)} comparisons hold"


def _chosen(rows: Sequence[Row], every: bool) -> list[tuple[Row, int]]:
    """Rows to show, each with how many it stands for."""
    if every:
        return [(row, 1) for row in rows]
    groups: dict[str, list[Row]] = {}
    chosen: list[tuple[Row, int]] = []
    for row in rows:
        if row.passed:
            groups.setdefault(row.group, []).append(row)
        else:
            chosen.append((row, 1))
    for group in groups.values():
        worst = max(group, key=lambda row: row.relative or 0.0)
        chosen.append((worst, len(group)))
    return chosen


def _cells(row: Row, count: int) -> tuple[str | Text, ...]:
    """One row of the table."""
    name = row.name if count == 1 else row.group
    if row.relative is None or row.max_abs is None:
        numbers = ("", "", "exact" if not row.tolerance else f"{row.tolerance:.0e}")
    else:
        tolerance = f"{row.tolerance:.0e}" if row.tolerance else "exact"
        numbers = (f"{row.max_abs:.1e}", f"{row.relative:.1e}", tolerance)
    verdict = Text("ok", style="green") if row.passed else _verdict(row.note or "too far")
    return (row.case, name, str(count), *numbers, verdict)


def _verdict(note: str) -> Text:
    """Why something failed."""
    return Text(f"MISS {note}", style="bold red")
