"""What every benchmark shares: percentiles, a table, a file that says where it was measured.

Nothing here needs more than numpy: benchmarks of the model run on a bare GPU machine, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dreamzero_bringup.machine import commit, describe, versions

FOLDER = Path(__file__).resolve().parent / "results"


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Count, median, 90th, 95th and 99th percentile, and the largest."""
    names = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}
    return {"n": len(values)} | {k: float(np.percentile(values, q)) for k, q in names.items()}


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table whose columns stand under each other, too."""
    cells = [[str(cell).replace("|", "/") for cell in row] for row in (columns, *rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(columns))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in cells]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Prints a table, and gives it as markdown."""
    text = f"{title}\n\n{markdown(columns, rows)}\n"
    print(f"\n{text}")
    return text


def where() -> dict[str, object]:
    """The machine, the versions, the commit and the time."""
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "measured": stamp,
        "machine": describe(),
        "versions": versions(),
        "commit": commit(),
    }


def save(name: str, result: dict, folder: Path = FOLDER, tables: Sequence[str] = ()) -> None:
    """Writes ``<name>.json`` with what ``where`` says, and what ``show`` gave as ``<name>.md``."""
    write(folder / f"{name}.json", json.dumps({**where(), **result}, indent=2) + "\n")
    if tables:
        write(folder / f"{name}.md", "\n".join(tables))


def write(path: Path, text: str) -> None:
    """A file of results, whole or as it was; says that it was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(text)
    beside.replace(path)
    print(f"wrote {short(path)}")


def short(path: Path) -> str:
    """A path as seen from the folder that benchmarks are run in."""
    top = FOLDER.parent.parent
    return str(path.relative_to(top) if path.is_relative_to(top) else path)
