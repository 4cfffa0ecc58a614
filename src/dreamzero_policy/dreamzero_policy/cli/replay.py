"""``dreamzero replay``: an episode of a dataset as a robot's topics."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero up droid                              # first terminal: the stack, without a robot
  dreamzero replay ~/data/droid_lerobot --robot droid --episode 12
  dreamzero replay out/kitchen --robot yam --loop
  dreamzero replay ~/data/droid_1.0.1 --robot droid --camera wrist=observation.images.wrist_left
  dreamzero replay ~/droid_raw/success/2023-07-07 --robot droid --episode 4
DATASET is a LeRobot dataset (v2.x or v3) or a folder in DROID's raw layout. Nothing is commanded.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "replay",
        help="show an episode of a dataset to the stack, as a robot would",
        description="Publishes an episode's cameras and joints at real rate, stamped now.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", type=Path, help="folder of the dataset")
    parser.add_argument("--robot", required=True, help="which robot it is of")
    parser.add_argument("--config-dir", type=Path, help="folder with robots/ROBOT.py of its own")
    parser.add_argument("--episode", type=int, default=0, help="number (default: 0)")
    parser.add_argument("--speed", type=float, default=1.0, help="1 is real time (default)")
    parser.add_argument("--loop", action="store_true", help="begin again after the last row")
    parser.add_argument(
        "--camera", action="append", default=[], metavar="VIEW=COLUMN", help="of another name"
    )
    parser.add_argument("--domain-id", type=int, help="ROS domain (default: that of the run here)")


def run(args: argparse.Namespace) -> int:
    """Shows the episode until it ends or Ctrl-C."""
    from dreamzero_bringup.replay import replay
    from dreamzero_policy import embodiments

    robots = args.config_dir.expanduser() / "robots" if args.config_dir else None
    parameters = {
        "robot": embodiments.locate(args.robot, robots),
        "dataset": str(args.dataset.expanduser().resolve()),
        "episode": args.episode,
        "speed": args.speed,
        "loop": args.loop,
        **({"cameras": args.camera} if args.camera else {}),
    }
    return replay(parameters, args.domain_id)
