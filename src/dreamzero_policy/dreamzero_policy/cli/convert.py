"""``dreamzero convert``: recordings to a dataset that trains."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero convert ~/episodes out/kitchen --robot droid
  dreamzero convert ~/episodes out/kitchen_v3 --robot yam --format v3.0
  dreamzero convert ~/station_1 ~/station_2 out/all --robot agibot_g1 --workers 8
  dreamzero convert ~/episodes out/kitchen --robot droid --ray auto
It may be ended at any time: the same command goes on where it was, and with more recordings in the
folders it converts those alone. OUT appears when it is complete; what it is made from is kept in
OUT.parts. Every recording, what was left out and why: OUT/report/index.html.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "convert",
        help="turn recordings into a LeRobot dataset",
        description="Converts recordings to LeRobot v2.1, as the reference trains from, or v3.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bags", nargs="+", type=Path, help="recordings, or folders of recordings")
    parser.add_argument("out", type=Path, help="folder of the dataset")
    parser.add_argument("--robot", required=True, help="of the recordings; others are rejected")
    parser.add_argument("--config-dir", type=Path, help="folder with robots/ROBOT.py of its own")
    parser.add_argument("--format", default="v2.1", help="v2.1 (default) or v3.0")
    parser.add_argument("--instruction", default="", help="for recordings without one")
    parser.add_argument("--keep-idle", action="store_true", help="keep rows without motion")
    parser.add_argument("--idle-seconds", type=float, default=1.0, help="a pause to leave out")
    parser.add_argument("--max-age", type=float, default=0.2, help="of a message at a row [s]")
    parser.add_argument("--only-successful", action="store_true", help="reject every other outcome")
    parser.add_argument(
        "--still-views", nargs="+", default=[], metavar="VIEW", help="that may show one picture "
        "while the robot moves: a simulated wrist of an arm that rests",
    )  # fmt: skip
    parser.add_argument("--crf", type=int, default=23, help="video quality, lower is better")
    parser.add_argument(
        "--video-preset", default="veryfast", metavar="PRESET",
        help="of H.264 (veryfast); ultrafast takes half the time, and more space",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: the cores)"
    )
    parser.add_argument("--ray", default="", metavar="ADDRESS", help="of a Ray cluster, or local")


def run(args: argparse.Namespace) -> int:
    """Converts, and says what became of it."""
    from dreamzero_policy import embodiments
    from dreamzero_policy.conversion.job import convert
    from dreamzero_policy.conversion.progress import progress
    from dreamzero_policy.conversion.settings import ConversionSettings

    robots = args.config_dir.expanduser() / "robots" if args.config_dir else None
    settings = ConversionSettings(
        robot=embodiments.locate(args.robot, robots),
        format=args.format,
        max_age_s=args.max_age,
        keep_idle=args.keep_idle,
        idle_s=args.idle_seconds,
        instruction=args.instruction,
        **({"outcomes": ("success",)} if args.only_successful else {}),
        crf=args.crf,
        video_preset=args.video_preset,
        still_views=tuple(args.still_views),
    )
    with progress() as tell:
        done = convert(
            args.bags, args.out, settings, count=args.workers, ray_address=args.ray, tell=tell
        )
    for part in done.parts:
        if part.rejected:
            print(f"rejected {part.name}: {part.kind}: {part.rejected.splitlines()[-1]}")
    print(f"{done.made} of {len(done.parts)} recordings converted now; report: {done.report}")
    if done.dataset is None:
        print("no recording could be used: nothing was written")
        return 1
    print(f"{done.episodes} episodes, {done.rows} rows: {done.dataset}")
    if done.dead:
        print(f"never moved: {', '.join(done.dead)}")
    return 1 if done.bugs else 0
