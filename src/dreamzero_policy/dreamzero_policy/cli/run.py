"""``dreamzero run``: gives the running policy an instruction."""

from __future__ import annotations

import argparse

_EXAMPLES = """examples:
  dreamzero run "pick up the red cube"
  dreamzero run "wipe the table" --time-limit 60
Ctrl-C cancels the instruction; the robot then holds. Motion itself is allowed by `dreamzero
enable`.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "run",
        help="give the running policy an instruction",
        description="Sends an instruction to the policy and waits until it ends.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("instruction", help="what to do, in plain words")
    parser.add_argument("--time-limit", type=float, default=0.0, help="seconds (default: none)")
    parser.add_argument("--domain-id", type=int, help="ROS domain (default: that of the run here)")


def run(args: argparse.Namespace) -> int:
    """Sends the instruction and waits."""
    from dreamzero_bringup.operator_client import connected

    with connected(args.domain_id) as client:
        outcome = client.follow(args.instruction, args.time_limit, report=print)
    print(outcome)
    return 0 if outcome.fulfilled else 1
