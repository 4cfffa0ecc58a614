"""``dreamzero demo``: closed loop on a simulated robot, then figures and pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dreamzero_policy.cli.up import add_graph_arguments

_EXAMPLES = """examples:
  dreamzero demo
  dreamzero demo droid --seconds 60 --out out/long --headless
  dreamzero demo --instruction "hover over the yellow block"
  dreamzero demo --checkpoint out/run/checkpoint --set sim_driver.task=reach    what the scene asks
Where a small trained policy of the robot came along (droid, yam, agibot_g1), it runs at a task that
it knows, unless --checkpoint names another; random:tiny is one with random weights. Where the scene
has a task, it is one that has what --instruction asks for.
The exit code is 0 only if the loop closed: chunks flowed, commands moved the joints, nothing died.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        help="closed loop in simulation, then figures and pictures",
        description="Runs a simulated robot in closed loop and writes what happened to a folder.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("robot", nargs="?", default="droid", help="which robot (default: droid)")
    parser.add_argument("--seconds", type=float, default=30.0, help="after the first command")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder to write to")
    parser.add_argument("--headless", action="store_true", help="plain lines, no live display")
    parser.add_argument(
        "--instruction", help="default: what the scene's task asks for, or to pick up the red cube"
    )
    add_graph_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the demo."""
    from dreamzero_bringup.demo.loop import Demo
    from dreamzero_bringup.demo.trained import chosen

    what = chosen(args.robot, args.checkpoint, tuple(args.set), args.instruction)
    if what.notice:
        print(what.notice, file=sys.stderr)
    demo = Demo(
        robot=args.robot,
        seconds=args.seconds,
        out=args.out,
        instruction=args.instruction,
        live=not args.headless and sys.stdout.isatty(),
        stream=sys.stdout,
        config_dir=args.config_dir,
    )
    return demo.run(
        checkpoint=what.checkpoint,
        overrides=what.overrides,
        domain_id=args.domain_id,
        discovery_range=args.discovery_range,
    )
