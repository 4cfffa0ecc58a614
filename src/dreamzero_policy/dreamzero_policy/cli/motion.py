"""``dreamzero enable``, ``disable``, ``estop``, ``reset-estop``, ``release``, ``take-back``.

They are the controller's services.
"""

from __future__ import annotations

import argparse

_COMMANDS = {
    "enable": "let the controller move the robot",
    "disable": "stop within the limits and stay there",
    "estop": "stop now and stay stopped until reset-estop",
    "reset-estop": "end the emergency stop; enable is needed again before motion",
    "release": "stop, then let go of the robot: it can be moved by hand and may sag",
    "take-back": "hold a released robot again where it is; enable is needed before motion",
}
_EXAMPLES = {
    "release": """examples:
  dreamzero release      support the arm first: it may sag
  dreamzero take-back    when your hands are off it again
""",
    "take-back": """examples:
  dreamzero take-back
  dreamzero enable       then motion is allowed again
""",
}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the six subcommands."""
    for command, help_line in _COMMANDS.items():
        parser = subparsers.add_parser(
            command,
            help=help_line,
            description=f"{command}: {help_line}.",
            epilog=_EXAMPLES.get(command, f"example:\n  dreamzero {command}"),
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
