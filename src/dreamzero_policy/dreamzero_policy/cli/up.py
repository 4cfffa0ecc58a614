"""``dreamzero up``: the node graph of a robot as supervised processes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero up droid --sim
  dreamzero up droid --sim --set controller.rate_hz=25 --domain-id 7
  dreamzero up droid --checkpoint ~/DreamZero-DROID --config-dir /etc/dreamzero --dry-run
  dreamzero up yam --sim --side robot          # two terminals,
  dreamzero up yam --sim --side policy         # one graph
  dreamzero up agibot_g1 --policy-host gpu-box                              # on the robot's host
  dreamzero up agibot_g1 --robot-host robot-pc --checkpoint ~/DreamZero-G1  # on gpu-box
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "up",
        help="start the nodes of a robot, until Ctrl-C",
        description="Starts the nodes of a robot and stops all of them when one ends or on Ctrl-C.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("robot", help="which robot, for example droid")
    parser.add_argument("--sim", action="store_true", help="the simulated robot")
    add_graph_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="compute commands, send none")
    parser.add_argument("--side", default="all", help="robot, policy or all (default)")
    parser.add_argument("--policy-host", default="", help="who runs the policy: the rest runs here")
    parser.add_argument("--robot-host", default="", help="who runs the rest: the policy runs here")


def add_graph_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what every command that starts a graph takes."""
    parser.add_argument("--checkpoint", help="folder or random:PRESET (default: policy.yaml)")
    parser.add_argument("--config-dir", type=Path, help="folder with robots/ROBOT.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="NODE.PARAMETER=VALUE")
    parser.add_argument("--domain-id", type=int, help="ROS domain (default: a free one)")
    parser.add_argument(
        "--discovery-range",
        choices=["LOCALHOST", "SUBNET", "SYSTEM_DEFAULT", "OFF"],
        help="how far nodes look for each other (default: LOCALHOST)",
    )


def run(args: argparse.Namespace) -> int:
    """Starts the graph and waits."""
    from dreamzero_bringup import supervisor
    from dreamzero_bringup.console import console
    from dreamzero_bringup.graph import graph
    from dreamzero_bringup.graph.options import Options

    options = Options(
        robot=args.robot,
        sim=args.sim,
        checkpoint=args.checkpoint,
        config_dir=args.config_dir,
        overrides=tuple(args.set),
        dry_run=args.dry_run,
        side=args.side,
        policy_host=args.policy_host,
        robot_host=args.robot_host,
    )
    nodes = graph.build(options)
    sink = console(sys.stdout, [node.name for node in nodes], colour=sys.stdout.isatty())
    return supervisor.run(
        nodes,
        sink=sink,
        domain_id=args.domain_id,
        discovery_range=args.discovery_range,
        options=options,
    )
