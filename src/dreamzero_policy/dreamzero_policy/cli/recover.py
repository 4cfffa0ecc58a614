"""``dreamzero recover``: episodes whose recording was cut off."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero recover ~/dreamzero_episodes                         # every episode that was cut off
  dreamzero recover ~/dreamzero_episodes/droid_20261126_101500   # this one
What is read of the old file is written to a new one and compared before the old one goes.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "recover",
        help="mend episodes whose recording was cut off",
        description="Makes complete bags of those that a crash or a full disk cut off.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="of an episode, or of all of them")
    parser.add_argument("--keep", action="store_true", help="leave the old files where they are")


def run(args: argparse.Namespace) -> int:
    """Recovers and says what was found; 1 where one could not be."""
    from dreamzero_policy.data.episode_store import EpisodeStore
    from dreamzero_policy.data.recovery import recover

    folder = args.folder.expanduser()
    if not folder.is_dir():
        raise ValueError(f"expected a folder, got {folder}")
    if any(folder.glob("*.mcap")):
        folders = [folder]
    else:
        entries = EpisodeStore(folder).entries()
        folders = [entry.folder for entry in entries if entry.state == "interrupted"]
        print(f"{folder}: {len(folders)} episodes were cut off")
    failed = 0
    for one in folders:
        try:
            found = recover(one, keep_original=args.keep)
        except (ValueError, OSError) as error:
            failed += 1
            print(f"{one.name}: not recovered: {error}")
            continue
        left = f", {found.damaged} damaged parts left out" if found.damaged else ""
        print(f"{one.name}: {found.messages} messages recovered{left}")
    return 1 if failed else 0
