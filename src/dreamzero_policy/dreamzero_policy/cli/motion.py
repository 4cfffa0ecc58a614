"""``dreamzero enable``, ``disable``, ``estop``, ``reset-estop``: the controller's services."""

from __future__ import annotations

import argparse

_COMMANDS = {
    "enable": "let the controller move the robot",
    "disable": "stop within the limits and stay there",
    "estop": "stop now and stay stopped until reset-estop",
    "reset-estop": "release the stop; enable is needed again before motion",
}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the four subcommands."""
    for command, help_line in _COMMANDS.items():
        parser = subparsers.add_parser(
            command,
            help=help_line,
            description=f"{command}: {help_line}.",
            epilog=f"example:\n  dreamzero {command}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument(
            "--domain-id", type=int, help="ROS domain (default: that of the run here)"
        )
        parser.set_defaults(command=command)


def run(args: argparse.Namespace) -> int:
    """Calls the controller's service and prints its answer."""
    from dreamzero_bringup.operator_client import connected

    with connected(args.domain_id) as client:
        answer = client.motion(args.command)
    print(f"{args.command}: {answer.message}")
    return 0 if answer.success else 1
