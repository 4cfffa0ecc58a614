"""``dreamzero checkpoint``: look at checkpoints, check them, make random ones, merge adapters."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero checkpoint inspect ~/checkpoints/DreamZero-DROID
  dreamzero checkpoint verify ~/checkpoints/DreamZero-DROID --write
  dreamzero checkpoint make-random --preset tiny --robot droid /tmp/tiny
  dreamzero checkpoint make-random --preset droid_14b --set num_layers=2 --robot droid /tmp/small
  dreamzero checkpoint make-random --preset tiny --robot widget --config-dir widget /tmp/widget
  dreamzero checkpoint merge-lora ~/adapters --base ~/checkpoints/DreamZero-DROID ~/merged
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declares the command."""
    top = subparsers.add_parser(
        "checkpoint",
        help="inspect, verify, make random, merge adapters",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    inspect = actions.add_parser("inspect", help="what it is and which robots it fits")
    inspect.add_argument("path", type=Path, help="directory of the checkpoint")
    inspect.add_argument("--config-dir", type=Path, help="folder with robots/ROBOT.py")
    check = actions.add_parser("verify", help="structure, hashes and finite values")
    check.add_argument("path", type=Path, help="directory of the checkpoint")
    check.add_argument("--base", type=Path, help="what adapters alone were trained on")
    check.add_argument("--write", action="store_true", help="write SHA256SUMS, compare later")
    make = actions.add_parser("make-random", help="a checkpoint of random weights")
    make.add_argument("path", type=Path, help="directory to make")
    make.add_argument("--preset", required=True, help="tiny, droid_14b, agibot_14b, wan22_5b")
    make.add_argument("--robot", default="droid", help="whose keys and cameras it has (droid)")
    make.add_argument("--config-dir", type=Path, help="folder with robots/ROBOT.py")
    make.add_argument("--seed", type=int, default=0, help="same seed, same bytes (0)")
    make.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help="a size")
    make.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float16", "float32"))
    merge = actions.add_parser("merge-lora", help="adapters and their base to one checkpoint")
    merge.add_argument("adapters", type=Path, help="directory of the adapters")
    merge.add_argument("path", type=Path, help="directory to make")
    merge.add_argument("--base", type=Path, help="what adapters alone were trained on")


def run(args: argparse.Namespace) -> int:
    """Carries out one action.

    Returns:
        0, or 1 where a check failed.
    """
    return _ACTIONS[args.action](args)


def _inspect(args: argparse.Namespace) -> int:
    from rich.console import Console

    from dreamzero_bringup.graph.graph import robot_files
    from dreamzero_policy.acceleration.memory import table
    from dreamzero_policy.checkpoint.describe import tables
    from dreamzero_policy.checkpoint.upstream_config import read_config

    console = Console()
    console.print(tables(args.path, robot_files(args.config_dir)))
    console.print(table(read_config(args.path).model))
    return 0


def _verify(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dreamzero_policy.checkpoint.verify import verify

    findings = verify(args.path, base=args.base, write=args.write, progress=sys.stderr.isatty())
    table = Table("check", "result", "detail", title=Text(str(args.path)), title_justify="left")
    for finding in findings:
        result = Text("pass", "green") if finding.passed else Text("FAIL", "bold red")
        table.add_row(finding.check, result, Text(finding.detail))
    Console().print(table)
    return 0 if all(finding.passed for finding in findings) else 1


def _make_random(args: argparse.Namespace) -> int:
    from dreamzero_bringup.graph.graph import embodiment
    from dreamzero_bringup.graph.options import Options
    from dreamzero_policy.checkpoint.random_checkpoint import make_random

    make_random(
        args.preset,
        args.path,
        embodiment(Options(args.robot, config_dir=args.config_dir)),
        seed=args.seed,
        changes=args.set,
        dtype=args.dtype,
        progress=sys.stderr.isatty(),
    )
    print(f"wrote {args.path}: untrained, random weights")
    return 0


def _merge_lora(args: argparse.Namespace) -> int:
    from dreamzero_policy.checkpoint.adapters import merge_adapters

    merge_adapters(args.adapters, args.path, base=args.base, progress=sys.stderr.isatty())
    print(f"wrote {args.path}")
    return 0


_ACTIONS = {
    "inspect": _inspect,
    "verify": _verify,
    "make-random": _make_random,
    "merge-lora": _merge_lora,
}
