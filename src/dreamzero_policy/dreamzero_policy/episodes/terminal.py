"""Episodes on the terminal: tables, and a bar while something takes long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from dreamzero_policy.episodes.found import Found
from dreamzero_policy.episodes.validation import Verdict
from dreamzero_policy.types import NS_PER_S

_STATES = {"recording": "cyan", "cut off": "yellow", "broken": "bold red"}
_OUTCOMES = {"success": "green", "failure": "red", "partial": "yellow"}
_GRADES = {"good": "green", "marked": "yellow", "bad": "bold red"}


def listed(found: Sequence[Found], title: str) -> RenderableType:
    """Episodes, one a line, and what is wrong with those that cannot be opened."""
    table = Table(title=Text(title), title_justify="left")
    for name in ("episode", "length", "size", "task or instruction", "who, where", "outcome",
                 "marks", "tags"):  # fmt: skip
        table.add_column(name, justify="right" if name in ("length", "size", "marks") else "left")
    for one in found:
        facts = one.facts
        outcome = one.outcome if facts else one.state
        style = _OUTCOMES.get(outcome, "") if facts else _STATES.get(one.state, "")
        table.add_row(
            Text(one.name, "bold"),
            length(one.seconds) if facts else "",
            size(one.size_bytes),
            Text((facts.task or facts.prompt) if facts else ""),
            Text(", ".join(filter(None, (facts.operator, facts.place))) if facts else ""),
            Text(outcome, style),
            Text(str(one.marks or ""), "yellow"),
            Text(" ".join(one.tags), "cyan"),
        )
    whole = [one for one in found if one.facts]
    total = sum(one.seconds for one in whole)
    robots = ", ".join(sorted({one.facts.robot for one in whole if one.facts}))
    sum_up = f"{_episodes(len(whole))}, {length(total)}, {size(sum(o.size_bytes for o in found))}"
    lines = [Text(f"{one.name}: {one.problem}", "yellow") for one in found if one.problem]
    return Group(table, Text(f"{sum_up}{f' of {robots}' if robots else ''}"), *lines)


def described(one: Found, extra: Sequence[str] = ()) -> RenderableType:
    """What an episode says of itself, a line each."""
    facts = one.facts
    if facts is None:
        return Text(f"{one.name}: {one.state}: {one.problem}", "yellow")
    table = Table.grid(padding=(0, 2))
    when = datetime.fromtimestamp(facts.started_ns / NS_PER_S, UTC)
    for name, value in (
        ("episode", one.name),
        ("robot", facts.robot),
        ("recorded", f"{when:%Y-%m-%d %H:%M:%S} UTC, {length(one.seconds)}, {one.messages} "
                     f"messages, {size(one.size_bytes)}"),
        ("instruction", facts.prompt),
        ("task", facts.task),
        ("by", ", ".join(filter(None, (facts.operator, facts.place, facts.host)))),
        ("weights", facts.checkpoint),
        ("software", facts.software),
        ("outcome", one.outcome),
        ("tags", " ".join(one.tags)),
        ("marks", str(one.marks or "none")),
    ):  # fmt: skip
        if value:
            table.add_row(Text(name, "dim"), Text(value))
    return Group(table, *map(Text, extra))


def judged(verdicts: Sequence[Verdict], most: int = 12) -> RenderableType:
    """What validation found, the worst last so that it stays on the screen."""
    order = list(_GRADES)
    parts: list[RenderableType] = []
    for one in sorted(verdicts, key=lambda verdict: order.index(verdict.grade)):
        head = Text(f"{one.folder.name}: ", "bold")
        head.append(one.grade, _GRADES[one.grade])
        if one.seconds:
            head.append(f", {length(one.seconds)}")
        parts.append(head)
        for finding in one.findings[:most]:
            at = "" if finding.at_s is None else f"{finding.at_s:.1f} s: "
            style = "red" if finding.weight == "error" else "yellow"
            parts.append(
                Text(
                    f"  {finding.weight}: {at}{finding.text.removeprefix(f'{one.folder}: ')}", style
                )
            )
        if len(one.findings) > most:
            parts.append(Text(f"  ... and {len(one.findings) - most} more"))
        if one.remedy:
            parts.append(Text(f"  {one.remedy}", "cyan"))
    counts = [sum(one.grade == grade for one in verdicts) for grade in order]
    total = ", ".join(f"{n} {grade}" for n, grade in zip(counts, order, strict=True) if n)
    return Group(*parts, Text(f"{_episodes(len(verdicts))}: {total or 'none'}", "bold"))


@contextmanager
def progress(what: str, total: int, *, of_bytes: bool = False) -> Iterator[Progress]:
    """A bar on a terminal's error stream, nothing elsewhere; its one task has number 0."""
    console = Console(stderr=True)
    amount = (DownloadColumn(), TransferSpeedColumn()) if of_bytes else (MofNCompleteColumn(),)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *amount,
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    bar.add_task(what, total=total)
    with bar:
        yield bar


def _episodes(count: int) -> str:
    return f"{count} episode{'' if count == 1 else 's'}"


def length(seconds: float) -> str:
    """A length of time, shortly."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """A number of bytes, shortly."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit in ("B", "KiB") else f"{count:.1f} {unit}"
        count /= 1024
    return ""
