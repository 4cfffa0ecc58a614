"""What every benchmark shares: percentiles, a table, a file that says where it was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dreamzero_bringup.machine import commit, describe, versions

FOLDER = Path(__file__).resolve().parent / "results"


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Count, median, 90th and 99th percentile, and the largest."""
    p50, p90, p99, most = (float(np.percentile(values, q)) for q in (50, 90, 99, 100))
    return {"n": len(values), "p50": p50, "p90": p90, "p99": p99, "max": most}


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table."""
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)


def save(name: str, result: dict) -> None:
    """Writes ``results/<name>.json`` with the machine, the versions, the commit and the time."""
    FOLDER.mkdir(exist_ok=True)
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    where = {"machine": describe(), "versions": versions(), "commit": commit()}
    text = json.dumps({"measured": stamp, **where, **result}, indent=2)
    (FOLDER / f"{name}.json").write_text(text + "\n")
    print(f"wrote benchmarks/results/{name}.json")
