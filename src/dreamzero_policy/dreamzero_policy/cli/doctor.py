"""``dreamzero doctor``: what keeps a robot from running here, and how to put it right."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero doctor                        this machine, the files, and whatever runs
  dreamzero doctor droid --sim            with the simulated robot's driver, started and stopped
  dreamzero doctor droid --domain-id 7 --discovery-range SUBNET --seconds 10
  dreamzero doctor droid --checkpoint ~/DreamZero-DROID --json out/doctor.json
It moves nothing and publishes no command. The exit code is 1 if anything fails, otherwise 0.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "doctor",
        help="check machine, files and a running robot",
        description="Checks this machine, the configuration, the checkpoint and a running robot.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("robot", nargs="?", default="droid", help="which robot (default: droid)")
    add("--sim", action="store_true", help="start the simulated robot's driver for the check")
    add("--seconds", type=float, default=3.0, help="how long to listen (default: 3)")
    add("--json", type=Path, metavar="FILE", help="write the findings there too")
    add("--checkpoint", help="folder or random:PRESET (default: policy.yaml)")
    add("--config-dir", type=Path, help="folder with robots/ROBOT.yaml")
    add("--set", action="append", default=[], metavar="NODE.PARAMETER=VALUE")
    add("--domain-id", type=int, help="ROS domain (default: that of the run here, or 0)")
    add("--discovery-range", choices=["LOCALHOST", "SUBNET", "SYSTEM_DEFAULT", "OFF"])


def run(args: argparse.Namespace) -> int:
    """Examines and prints the table."""
    from rich.console import Console

    from dreamzero_bringup.doctor.examination import Request, examine

    console = Console()
    if console.is_terminal:
        console.print("looking around; this takes some ten seconds", style="dim")
    report = examine(
        Request(
            args.robot, args.sim, args.seconds, args.domain_id, args.discovery_range,
            args.config_dir, args.checkpoint, tuple(args.set),
        )
    )  # fmt: skip
    console.print(report.table())
    console.print(report.summary())
    if args.json:
        report.write(args.json)
    return 1 if report.failed else 0
