"""``dreamzero shadow``: the policy beside a human, its chunks scored, nothing sent."""

from __future__ import annotations

import argparse
from pathlib import Path

from dreamzero_policy.cli.up import add_graph_arguments

_EXAMPLES = """examples:
  dreamzero shadow droid --sim --seconds 30
  dreamzero shadow droid --checkpoint ~/DreamZero-DROID --instruction "fold the cloth"
  dreamzero shadow --report out/shadow          # the report of a run that was cut off
The graph runs dry: the controller is never enabled and nothing reaches the driver. A human moves
the robot by whatever system does that here. Without --seconds it watches until Ctrl-C.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "shadow",
        help="run the policy beside a human and score it; nothing is sent",
        description="Runs the policy on a human's motion, logs both, and writes a scored report.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("robot", nargs="?", default="droid", help="which robot (default: droid)")
    parser.add_argument("--sim", action="store_true", help="simulated robot, moved by a stand-in")
    parser.add_argument("--seconds", type=float, default=0.0, help="0: until Ctrl-C (default)")
    parser.add_argument("--out", type=Path, default=Path("out/shadow"), help="folder to write to")
    parser.add_argument("--instruction", default="pick up the red cube")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="only score a logged run")
    add_graph_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the shadow, or scores one."""
    if args.report is not None:
        from dreamzero_bringup.shadow.report import write_report

        result = write_report(args.report)
        print(f"{result.chunks} chunks scored: {args.report / 'index.html'}")
        return 0
    from dreamzero_bringup.graph.options import Options
    from dreamzero_bringup.shadow import loop

    options = Options(
        args.robot,
        sim=args.sim,
        checkpoint=args.checkpoint,
        config_dir=args.config_dir,
        overrides=tuple(args.set),
        dry_run=True,
    )
    where = {"domain_id": args.domain_id, "discovery_range": args.discovery_range}
    chosen = {"seconds": args.seconds, "out": args.out, "instruction": args.instruction}
    return loop.run(options, **chosen, **where, say=print)
