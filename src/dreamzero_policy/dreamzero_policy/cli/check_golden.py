"""``dreamzero check-golden``: our numbers against the reference's."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero check-golden ../shared/golden
  dreamzero check-golden ../shared/golden --case loop_a_cfg5_full --all
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "check-golden",
        help="compare every stage with numbers of the reference",
        description="Runs every case of a directory of golden files; exit code 1 on any miss.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="directory of NAME.json and NAME.safetensors")
    parser.add_argument("--case", action="append", help="only this one (may be repeated)")
    parser.add_argument("--all", action="store_true", help="a row for every tensor")


def run(args: argparse.Namespace) -> int:
    """Runs the cases and prints the table.

    Returns:
        0 if everything holds, 1 if not.

    Raises:
        ValueError: the directory is not one of golden files, or lacks a case that was named.
    """
    import sys

    from rich.console import Console

    from dreamzero_policy.golden.checks import cases, run
    from dreamzero_policy.golden.table import summary, table

    names = cases(args.folder)
    unknown = sorted(set(args.case or ()) - set(names))
    if unknown:
        raise ValueError(f"--case: expected some of {', '.join(names)}; got {', '.join(unknown)}")
    console = Console(width=None if sys.stdout.isatty() else 120)
    with console.status("comparing"):
        checked = list(run(args.folder, tuple(args.case or names), threads=1))
    console.print(table(checked, every=args.all))
    console.print(summary(checked))
    return 0 if all(case.passed for case in checked) else 1
