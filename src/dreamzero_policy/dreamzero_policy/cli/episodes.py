"""``dreamzero episodes``: look at, judge, trim, tag, throw away and carry recorded episodes."""

from __future__ import annotations

import argparse
from pathlib import Path

from dreamzero_policy.cli.tasks import DATABASE

FOLDER = Path("~/dreamzero_episodes")
"""Where a station keeps its episodes, as recorder.yaml says."""

_EXAMPLES = """examples:
  dreamzero episodes list                             every episode, and what is wrong with which
  dreamzero episodes show droid_20261126_101500       one picture: out/episodes/<name>.png
  dreamzero episodes validate                         every byte, stream, clock and threshold
  dreamzero episodes play droid_20261126_101500 --checkpoint ~/DreamZero-DROID    what it would do
  dreamzero episodes simulate droid_20261126_101500   the commands on the simulated robot
  dreamzero episodes trim --all                       cut off idle ends; originals to the trash
  dreamzero episodes tag droid_20261126_101500 --add golden --remove todo
  dreamzero episodes trash droid_20261126_101500 ; dreamzero episodes restore droid_20261126_101500
  dreamzero episodes sync --to /media/usb/episodes    verified; again to go on where it ended
  dreamzero episodes count                            on the task sheets, each once
An episode is named by its name in --folder or by its path; without a name every episode is meant,
but where episodes are changed that takes --all.
"""

_NAMES = (["names"], {"nargs": "*", "help": "episodes, or folders of them (default: --folder)"})
_ONE = (["name"], {"help": "of the episode, or its path"})
_ALL = (["--all"], {"action": "store_true", "help": "every episode of the folder"})
_DB = (["--db"], {"type": Path, "default": DATABASE, "help": f"task database ({DATABASE})"})
_OUT = (["--out"], {"type": Path, "default": Path("out/episodes"), "help": "(out/episodes)"})

_ACTIONS = {
    "list": (
        "list episodes: how long, how they went, what is wrong",
        _NAMES,
        (["--tag"], {"default": "", "help": "only those with this tag"}),
        (["--trash"], {"action": "store_true", "help": "what is in the trash instead"}),
    ),
    "show": (
        "draw episodes: canvases, instructions, who led, joints, streams, marks", _NAMES, _OUT,
    ),
    "validate": ("check that episodes are complete and fit to train from", _NAMES),
    "play": (
        "show an episode to a policy, open loop, and score its rows against the recorded commands",
        _ONE,
        (["--checkpoint"], {"default": "random:tiny", "help": "folder or random:PRESET"}),
        (["--replan"], {"type": int, "default": 3, "help": "a chunk every so many canvases (3)"}),
        (["--evaluations"], {"type": int, "default": 0, "help": "of 16 timesteps (the model's)"}),
        (["--device"], {"default": "auto", "help": "auto, cpu or cuda"}),
        _OUT,
    ),
    "simulate": (
        "replay an episode's commands on the simulated robot, in virtual time, through the gate",
        _ONE,
        (["--task"], {"default": "", "help": "the scene's task, see dreamzero sim-tasks"}),
        (["--seed"], {"type": int, "default": 0, "help": "of the scene (0)"}),
        _OUT,
    ),
    "trim": (
        "cut off idle ends: a new bag beside, the original to the trash once that is verified",
        _NAMES, _ALL,
        (["--idle-seconds"], {"type": float, "default": 1.0, "help": "least idle time to cut (1)"}),
        (["--keep-seconds"], {"type": float, "default": 0.5, "help": "left at either end (0.5)"}),
    ),
    "tag": (
        "add, remove and show tags",
        _NAMES,
        (["--add"], {"action": "append", "default": [], "metavar": "TAG"}),
        (["--remove"], {"action": "append", "default": [], "metavar": "TAG"}), _ALL,
    ),
    "trash": ("move episodes to the trash folder", _NAMES, _ALL, _DB),
    "restore": (
        "move episodes back out of the trash",
        (["names"], {"nargs": "+", "help": "see dreamzero episodes list --trash"}), _DB,
    ),
    "sync": (
        "copy complete episodes to another folder, verified by hash; run it again to go on",
        _NAMES,
        (["--to"], {"type": Path, "required": True, "metavar": "FOLDER", "help": "where to"}),
        (["--check"], {"action": "store_true", "help": "read what was verified before once more"}),
        (["--notes"], {"action": "store_true", "help": "bring copied tags, outcomes up to date"}),
    ),
    "count": ("count episodes on the task sheets, each once", _NAMES, _DB),
}  # fmt: skip


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand with its actions."""
    top = subparsers.add_parser(
        "episodes",
        help="look at, judge, trim, tag, throw away and carry recorded episodes",
        description="What a crew does with recorded episodes; broken ones are named, others done.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--folder", type=Path, default=FOLDER, help=f"of episodes ({FOLDER})")
    top.add_argument("--config-dir", type=Path, help="folder with robots/ROBOT.py of its own")
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (what, *arguments) in _ACTIONS.items():
        parser = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        for names, options in arguments:
            parser.add_argument(*names, **options)


def run(args: argparse.Namespace) -> int:
    """Carries out one action."""
    from rich.console import Console

    root, action = args.folder.expanduser(), args.action
    robots = args.config_dir.expanduser() / "robots" if args.config_dir else None
    console = Console(soft_wrap=False, highlight=False)
    if action in ("play", "simulate"):
        return _beyond(args, root, robots, console)

    from dreamzero_policy.episodes import actions

    changes = "all" in args and (action != "tag" or args.add or args.remove)
    if changes and bool(args.names) == args.all:
        raise ValueError(f"{action}: expected names of episodes, or --all for every one")
    do = {
        "list": lambda: actions.show_list(console, root, args.names, args.tag, args.trash),
        "show": lambda: actions.show(console, root, args.names, args.out, robots),
        "validate": lambda: actions.judge(console, root, args.names, robots),
        "trim": lambda: actions.cut(
            console, root, args.names, args.idle_seconds, args.keep_seconds, robots
        ),
        "tag": lambda: actions.tag(console, root, args.names, args.add, args.remove),
        "trash": lambda: actions.discard(console, root, args.names, args.db),
        "restore": lambda: actions.restore(console, root, args.names, args.db),
        "sync": lambda: actions.carry(
            console, root, args.names, args.to.expanduser(), args.check, args.notes
        ),
        "count": lambda: actions.count(console, root, args.names, args.db),
    }
    return do[action]()


def _beyond(args: argparse.Namespace, root: Path, robots: Path | None, console: object) -> int:
    """What takes a policy or a simulated robot."""
    from dreamzero_policy.episodes.found import select

    folders = select(root, [args.name])
    if len(folders) != 1:
        raise ValueError(f"expected one episode, got {len(folders)} in {args.name}")
    if args.action == "play":
        from dreamzero_bringup.episodes import play

        return play.run(
            folders[0],
            args.out,
            console.print,
            robots,
            checkpoint=args.checkpoint,
            replan_frames=args.replan,
            evaluations=args.evaluations or None,
            device_name=args.device,
        )
    from dreamzero_bringup.episodes import simulate

    return simulate.run(folders[0], args.out, console.print, robots, task=args.task, seed=args.seed)
