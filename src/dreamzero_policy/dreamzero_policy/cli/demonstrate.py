"""``dreamzero demonstrate``: scripted experts record demonstrations in virtual time."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero demonstrate droid --tasks pick_place --episodes 200 out/demos
  dreamzero demonstrate yam --tasks pick_place stack carry --episodes 300 --seed 7 out/yam
  dreamzero demonstrate droid --tasks push --episodes 500 --picture-width 160 --workers 2 out/push
  dreamzero demonstrate droid --tasks reach --instructions 3 --episodes 300 out/reach
  dreamzero demonstrate yam --tasks reach hover --every-choice --episodes 800 out/choices
  dreamzero demonstrate yam --tasks reach --instructions 2 --interrupt 2 --episodes 400 out/turns
  dreamzero convert out/demos out/demos_dataset --robot droid      # then it trains
Recordings are those of `dreamzero record`: the expert leads through the controller's gate. It may
be ended at any time; the same command goes on where it was, with more --episodes it adds to them.
The unseen names of things are never said: they are kept for `dreamzero evaluate --splits unseen`.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "demonstrate",
        help="record scripted demonstrations in simulation, faster than real time",
        description="Scripted experts do simulated tasks in virtual time; the recorder records.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("robot", help="which robot, for example droid")
    parser.add_argument("out", type=Path, help="folder of the recordings")
    parser.add_argument("--tasks", nargs="+", required=True, help="as of `dreamzero sim-tasks`")
    parser.add_argument("--episodes", type=int, required=True, help="how many in all")
    parser.add_argument("--seed", type=int, default=0, help="of the first scene (default: 0)")
    parser.add_argument(
        "--split",
        default="taught",
        help="which instructions: seen or unseen, each by name alone; all, or taught (default): "
        "by other words, too, and things with an unseen name by those only",
    )
    parser.add_argument(
        "--picture-width", type=int, default=0, help="pixels (default: as the cameras have)"
    )
    parser.add_argument(
        "--camera-hz", type=int, default=0, help="pictures a second (default: the control rate)"
    )
    parser.add_argument(
        "--instructions", type=int, default=1, help="one after another in an episode (default: 1)"
    )
    parser.add_argument(
        "--interrupt", type=float, default=0.0, metavar="SECONDS",
        help="those before the last give way to the next within so long (default: when done)",
    )  # fmt: skip
    parser.add_argument(
        "--distinct", type=int, default=0, help="scenes per task, repeated (default: all differ)"
    )
    parser.add_argument(
        "--every-choice",
        action="store_true",
        help="each scene once for every thing that may be asked for in it (default: for one)",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: the cores)"
    )


def run(args: argparse.Namespace) -> int:
    """Makes them; 0 if every expert did its task."""
    from dreamzero_bringup.virtual.demonstrations import Wanted, demonstrate
    from dreamzero_policy import embodiments
    from dreamzero_policy.conversion.progress import progress

    height, width = embodiments.get(args.robot).native_size
    wide = args.picture_width
    if wide and wide * height % width:
        raise ValueError(f"picture width: expected one with a whole height at {width}:{height}")
    wanted = Wanted(
        robot=args.robot,
        tasks=tuple(dict.fromkeys(args.tasks)),
        split=args.split,
        seed=args.seed,
        picture_size=(wide * height // width, wide),
        camera_hz=args.camera_hz,
        instructions=args.instructions,
        interrupt_s=args.interrupt,
        distinct=args.distinct,
        every_choice=args.every_choice,
    )
    with progress() as tell:
        made, there = demonstrate(
            wanted, args.episodes, args.out, workers=max(1, args.workers), tell=tell
        )
    for one in made:
        if one.trouble or not one.success:
            state = "done" if one.success else "NOT done"
            print(f"{one.name}: {state}: {one.instruction}: {one.trouble or 'no reason known'}")
    failed = sum(not one.success for one in made)
    seconds, took = (sum(getattr(one, name) for one in made) for name in ("seconds", "took_s"))
    print(f"{len(made)} recorded now, {there} were there; {failed} of the new ones failed")
    if took:
        print(
            f"{seconds:.0f} s of demonstrations at {seconds / took:.1f} times real time a process"
        )
    print(f"next: dreamzero convert {args.out} DATASET --robot {args.robot}")
    return 1 if failed else 0
