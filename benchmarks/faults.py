"""The fault suite as a table: what goes wrong, when a hold was due, when it came: `make faults`.

Every row is run on real processes over DDS, once alone and once with an emergency stop, and judged
on the commands that reached the driver. The exit code is 1 if a row fails.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dreamzero_bringup.console import log_files
from dreamzero_bringup.faults.cases import FAULTS
from dreamzero_bringup.faults.rig import Rig
from dreamzero_bringup.faults.trial import PERIODS, Fault, Row, run
from dreamzero_bringup.stand_ins.small_disk import SmallDisk
from results import FOLDER, save

LOGS = Path("out/faults")
COLUMNS = ("fault", "deadline", "due", "hold", "reason", "e-stop", "limits used", "")


def main() -> int:
    """Runs the rows that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--robot", default="droid")
    parser.add_argument("--only", default="", help="regular expression: only faults that match")
    parser.add_argument("--list", action="store_true", help="name the faults and end")
    parser.add_argument("--domain-id", type=int, help="ROS domain; a free one by default")
    args = parser.parse_args()
    chosen = [fault for fault in FAULTS if re.search(args.only, fault.name)]
    if args.list or not chosen:
        print("\n".join(fault.name for fault in FAULTS))
        return 0 if args.list else 2
    # A run that is told to end takes its nodes and its disk away, as one that is interrupted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    with ExitStack() as stack:
        disk = _disk(stack)
        names = ("sim_driver", "camera_tiler", "proprioception", "controller", "policy")
        sink = log_files(LOGS, (*names, "controller_2", "recorder", "shifted_clock"))
        rig = stack.enter_context(Rig(args.robot, sink, args.domain_id, disk))
        period_ms = 1e3 * rig.period_s
        print(
            f"{len(chosen)} faults; the second host is a proxy node that loses and delays; "
            f"listening {'with' if rig.realtime else 'without'} real-time priority; logs: {LOGS}"
        )
        rows = []
        for fault in chosen:
            rows.append(_run(rig, fault))
            _say(rows[-1])
    passed = sum(row.passed for row in rows)
    title = (
        f"{passed} of {len(rows)} faults as they must be, in {time.monotonic() - began:.0f} s; a "
        f"hold may take {PERIODS} control periods ({PERIODS * period_ms:.1f} ms) past its deadline"
    )
    _show(rows, title)
    if not args.only:
        save("faults", {"period_ms": period_ms, "rows": [_figures(row) for row in rows]})
        (FOLDER / "faults.md").write_text(markdown(rows))
        print("wrote benchmarks/results/faults.md")
    return 0 if passed == len(rows) else 1


def _disk(stack: ExitStack) -> SmallDisk | None:
    """The small disk, where the user may have one."""
    try:
        return stack.enter_context(closing(SmallDisk()))
    except ValueError as error:
        print(f"without the full disk: {error}")
        return None


def _run(rig: Rig, fault: Fault) -> Row:
    """A row, also of a graph that did not come into motion."""
    if fault.layout == "recorded" and rig.disk is None:
        return Row(fault.name, fault.effect, skipped="needs root, for a small disk")
    try:
        return run(rig, fault)
    except ValueError as error:
        return Row(fault.name, fault.effect, failures=[str(error)])


def _cells(row: Row) -> tuple[str, ...]:
    """A row for people."""
    shares = " ".join(f"{name[0]} {100 * share:.0f}" for name, share in row.shares.items())
    if row.skipped:
        verdict = f"skipped: {row.skipped}"
    else:
        verdict = "ok" if row.passed else "FAIL"
    return (
        row.name,
        row.deadline or row.effect,
        _milliseconds(row.deadline_s),
        _milliseconds(row.hold_s),
        row.reason or row.effect,
        _milliseconds(row.estop_s) if row.estop_s is not None else row.estop or "-",
        f"{shares} %" if shares else "-",
        verdict,
    )


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1e3 * seconds:.0f} ms"


def _say(row: Row) -> None:
    """A line as soon as a row is done."""
    print(f"{_cells(row)[-1]:5} {row.name}", flush=True)
    for failure in row.failures:
        print(f"      {failure}")
    if not row.passed:
        print("\n".join(f"        {line}" for line in row.said), flush=True)


def _show(rows: list[Row], title: str) -> None:
    """The table; numbers to the right."""
    table = Table(title=title, title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in ("due", "hold", "e-stop") else "left")
    for row in rows:
        table.add_row(*_cells(row), style="" if row.passed else "red")
    Console(width=170 if not sys.stdout.isatty() else None).print(table)


def markdown(rows: list[Row]) -> str:
    """The same table for a page."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---|---|---:|---:|---|---:|---|---|"]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def _figures(row: Row) -> dict[str, object]:
    """A row for machines; what the controller said only where it matters."""
    figures = asdict(row) | {"passed": row.passed}
    if row.passed:
        del figures["said"]
    return figures


if __name__ == "__main__":
    sys.exit(main())
