"""The ``dreamzero`` command: every other module of this folder is one subcommand, or a few akin.

A subcommand's module has ``add_parser(subparsers)`` and ``run(args) -> int`` and imports what is
heavy inside ``run``, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from dreamzero_policy import cli

_EXAMPLES = """examples:
  dreamzero demo                        30 s of closed loop in simulation, then pictures
  dreamzero up droid --sim              start the nodes; Ctrl-C stops them
  dreamzero run "pick up the red cube"  give the running policy an instruction
  dreamzero enable                      let the controller move the robot
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="dreamzero",
        description="DreamZero for ROS 2: a world-action model drives a robot.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = top.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for name in sorted(info.name for info in iter_modules(cli.__path__) if info.name != "main"):
        module = import_module(f"{cli.__name__}.{name}")
        before = set(subparsers.choices)
        module.add_parser(subparsers)
        for added in set(subparsers.choices) - before:
            if subparsers.choices[added].get_default("run") is None:
                subparsers.choices[added].set_defaults(run=module.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand.

    Returns:
        Its exit code; 2 for what the user got wrong, with one line that says what was expected.
    """
    args = parser().parse_args(argv)
    try:
        return args.run(args)
    except ValueError as error:
        print(f"dreamzero: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
