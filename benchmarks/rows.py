"""A table that is measured row by row: kept as it grows, and gone on with where it stopped.

A row that was measured stays in the file and is not measured again by the next run, unless it is
asked to. A row that was not says why, and the next run tries it. Every run has a budget of time, so
that a table may take several.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bars import draw
from dreamzero_bringup.machine import commit
from results import FOLDER, markdown, where, write

MEASURED, NOT_RUN = "measured", "not run"
COLUMNS = (
    *("row", "kind", "how", "n", "p50 ms", "p95", "p99", "max"),
    *("floor ms", "of floor", "goal ms", "error"),
)


class NotRunError(Exception):
    """This machine, or this run, cannot measure a row; the message says why."""


def add_arguments(parser: argparse.ArgumentParser, seconds: float = 500.0) -> None:
    """What every such benchmark takes."""
    parser.add_argument("--rows", default="", metavar="REGEX", help="only rows whose name matches")
    parser.add_argument("--again", action="store_true", help="measure rows that were measured, too")
    parser.add_argument("--list", action="store_true", help="say which rows there are, and end")
    parser.add_argument(
        "--seconds", type=float, default=seconds, help="begin no row after so long [s]"
    )
    parser.add_argument(
        "--row-seconds", type=float, default=20.0, help="time each row's repetitions so long [s]"
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the results")


class Rows:
    """The rows of one file.

    Args:
        name: of the file, without an ending.
        title: above the table.
        setup: what a row's figures hold for, hardware and versions included; rows of another setup
            than this are forgotten.
        args: of ``add_arguments``.
    """

    def __init__(self, name: str, title: str, setup: dict, args: argparse.Namespace) -> None:
        self._name, self._title, self._args = name, title, args
        self.setup = json.loads(json.dumps(setup))
        self._path = args.out / f"{name}.json"
        self._start = time.monotonic()
        self.rows: dict[str, dict] = {}
        if self._path.is_file():
            before = json.loads(self._path.read_text())
            if before.get("setup") == self.setup:
                self.rows = {row["row"]: row for row in before["rows"]}
            else:
                print(f"{self._path.name} was measured in another setup: it is begun anew")

    def wanted(self, name: str) -> bool:
        """Whether this run is to measure a row."""
        if not re.search(self._args.rows, name):
            return False
        return self._args.again or self.rows.get(name, {}).get("state") != MEASURED

    def measure(self, name: str, facts: dict, work: Callable[[], dict]) -> None:
        """Has a row measured, or says why it is not, and keeps it.

        Args:
            name: of the row.
            facts: what is known of it before: ``kind``, ``goal_ms`` ...
            work: measures; gives what is to be added.
        """
        if self._args.list:
            print(name)
            return
        if not self.wanted(name):
            self.rows.setdefault(name, self._row(name, facts, NOT_RUN, why="not asked for"))
            return
        if time.monotonic() - self._start > self._args.seconds:
            row = self._row(name, facts, NOT_RUN, why="no time was left: run again to go on")
        else:
            print(f"{name} ...", flush=True)
            row = self._try(name, facts, work)
        if row["state"] == MEASURED or self.rows.get(name, {}).get("state") != MEASURED:
            self.rows[name] = row
        print(" | ".join(line(row)), flush=True)
        self._write()

    def _try(self, name: str, facts: dict, work: Callable[[], dict]) -> dict:
        """The row, whatever happens."""
        try:
            return self._row(name, facts, MEASURED, **work())
        except NotRunError as error:
            return self._row(name, facts, NOT_RUN, why=str(error))
        except (RuntimeError, ValueError, ImportError, NotImplementedError) as error:
            words = str(error).strip().splitlines() or [""]
            if type(error).__name__ == "OutOfMemoryError":
                return self._row(name, facts, NOT_RUN, why=f"not enough memory: {words[0][:200]}")
            why = f"{type(error).__name__}: {words[0][:200]}"
            return self._row(name, facts, "failed", why=why)

    def _row(self, name: str, facts: dict, state: str, **found: object) -> dict:
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        row = {"row": name, "state": state, **facts, **found, "at": stamp, "commit": commit()}
        return row

    def finish(self) -> int:
        """Prints the table, writes it and its picture; 1 if a row failed."""
        if self._args.list:
            return 0
        self._write()
        table = markdown(COLUMNS, [cells for row in self.rows.values() for cells in lines(row)])
        print(f"\n{self._title}\n\n{table}\n")
        about = "\n".join(f"* {key}: {value}" for key, value in self._about().items())
        print(about)
        path = self._args.out / f"{self._name}.md"
        write(path, f"# {self._title}\n\n{about}\n\n{table}\n")
        draw(path.with_suffix(".png"), self._title, list(self.rows.values()))
        return int(any(row["state"] == "failed" for row in self.rows.values()))

    def _about(self) -> dict[str, object]:
        """What to know beside the figures."""
        here = where()
        machine = ", ".join(f"{key} {value}" for key, value in here["machine"].items())
        versions = ", ".join(f"{key} {value}" for key, value in here["versions"].items())
        return {**self.setup, "machine": machine, "versions": versions, "commit": here["commit"]}

    def _write(self) -> None:
        """The file, whole."""
        text = json.dumps({**where(), "setup": self.setup, "rows": [*self.rows.values()]}, indent=2)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".part")
        beside.write_text(text + "\n")
        beside.replace(self._path)


def lines(row: dict) -> list[list[str]]:
    """A row as cells, and its parts below it."""
    parts = [{"kind": "", "state": MEASURED, **part} for part in row.get("parts", ())]
    return [line(row), *(line(part | {"row": f"- {part['row']}"}) for part in parts)]


def line(row: dict) -> list[str]:
    """A row as cells."""
    measured, floor_ms, error = row["state"] == MEASURED, row.get("floor_ms"), row.get("error")
    cells = [row["row"], row.get("kind", "-"), row.get("how", "")]
    if measured:
        ms = row["ms"]
        cells += [str(ms["n"]), *(_number(ms.get(key)) for key in ("p50", "p95", "p99", "max"))]
    else:
        cells += ["", f"{row['state']}: {row['why']}", "", "", ""]
    share = f"{100 * floor_ms / row['ms']['p50']:.0f} %" if measured and floor_ms else ""
    return [
        *cells,
        _number(floor_ms),
        share,
        row.get("goal", _number(row.get("goal_ms"))),
        "" if error is None else f"{error['relative']:.0e}",
    ]


def _number(value: float | None) -> str:
    """Milliseconds in as many digits as matter."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
