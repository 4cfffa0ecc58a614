"""``dreamzero tasks``: areas, tasks, episode plans, sheets, counts, logs and merges."""

from __future__ import annotations

import argparse
from pathlib import Path

DATABASE = Path("~/.local/share/dreamzero/tasks.db")
"""Where a station keeps its tasks."""

_EXAMPLES = """examples:
  dreamzero tasks init --station robot-3         once per station
  dreamzero tasks load kitchen.yaml              areas and tasks from a file
  dreamzero tasks add Kitchen "Wipe the table" --step "Pick up the cloth" --step "Wipe"
  dreamzero tasks sheet Kitchen --episodes 12    plan the day, write the sheet to print
  dreamzero tasks count ep-0042 K07 K12 K03      an episode by hand; a recorder does it itself
  dreamzero tasks propose Kitchen "Water the plant" --by Ana
  dreamzero tasks list --status proposed ; dreamzero tasks accept K21
  dreamzero tasks counts ; dreamzero tasks log   the day, on screen and as CSV and HTML
  dreamzero tasks copy /media/usb/robot-3.db     one file to carry
  dreamzero tasks merge /media/usb/robot-*.db    again or in any order: nothing counts twice
A task may be named by its code (K07), its id or its whole instruction, an area by name or letters.
"""

_DAY = (["--day"], {"metavar": "YYYY-MM-DD", "help": "default: today"})
_BY = (["--by"], {"default": "", "metavar": "NAME", "help": "who says so"})
_STEP = (["--step"], {"action": "append", "metavar": "TEXT", "help": "sub-task; repeat in order"})
_SECONDS = (["--seconds"], {"type": float, "help": "how long it takes, roughly (default: 100)"})
_AREA = (["area"], {"help": "name or letters, for example Kitchen or K"})
_TASKS = (["task"], {"nargs": "+", "help": "codes, for example K07"})
_NEW = (_AREA, (["instruction"], {"help": "what to do, in plain words"}), _STEP, _SECONDS, _BY)
_MANY = (["--episodes"], {"type": int, "default": 12, "metavar": "N", "help": "how many (12)"})

_ACTIONS = {
    "init": ("make the database of a station", (["--station"], {"help": "default: host name"})),
    "load": (
        "add areas and tasks from a YAML file",
        (["file"], {"type": Path, "help": "Kitchen: [{instruction: X, seconds: 90, steps: [Y]}]"}),
    ),
    "add": ("add a task, and its area where that is new", *_NEW),
    "propose": ("propose a task; it is not planned before it is accepted", *_NEW),
    "accept": ("put proposed or retired tasks on the sheet", _TASKS, _BY),
    "reject": ("turn proposals down; they stay on record", _TASKS, _BY),
    "retire": ("take tasks off the sheet before they are full", _TASKS, _BY),
    "revise": ("change a task's steps or time", (["task"], {}), _STEP, _SECONDS),
    "list": (
        "tasks with their counts",
        (["area"], {"nargs": "?", "help": "default: every area"}),
        (["--status"], {"choices": ("active", "proposed", "rejected", "retired")}),
    ),
    "plan": ("plan more episodes: rare tasks first, about 5 minutes each", _AREA, _MANY, _DAY),
    "sheet": (
        "write the sheet to print (HTML, A4); plans the day where nothing is planned",
        _AREA, _MANY, _DAY,
        (["--out"], {"type": Path, "default": Path("out/sheets"), "help": "folder (out/sheets)"}),
    ),
    "count": (
        "count an episode, once however often it is said",
        (["episode"], {"help": "the recording's id"}), _TASKS, _DAY, _BY,
        (["--length"], {"type": float, "default": 0.0, "metavar": "SECONDS"}),
        (["--plan"], {"type": int, "metavar": "N", "help": "its number on the day's sheet"}),
    ),
    "discard": (
        "take an episode out of the counts",
        (["episode"], {"help": "the recording's id"}),
        (["--undo"], {"action": "store_true", "help": "count it again"}),
    ),
    "counts": ("what a day brought, and every day in one line", _DAY),
    "log": ("write the daily log as CSV and HTML", _DAY,
        (["--out"], {"type": Path, "default": Path("out/logs"), "help": "folder (out/logs)"})),
    "merge": ("take in databases of other stations", (["file"], {"nargs": "+", "type": Path})),
    "copy": ("write one file that can be carried", (["file"], {"type": Path})),
    "set": (
        "change a setting",
        (["name"], {"help": "station, retire_after, tasks_per_episode, episode_seconds"}),
        (["value"], {}),
    ),
}  # fmt: skip


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand with its actions."""
    form = argparse.RawDescriptionHelpFormatter
    top = subparsers.add_parser(
        "tasks",
        help="what crews record: sheets, plans, counts, logs, merges",
        description="Areas, tasks, episode plans, counts, sheets and logs of a recording station.",
        epilog=_EXAMPLES,
        formatter_class=form,
    )
    top.add_argument("--db", type=Path, default=DATABASE, help=f"database (default: {DATABASE})")
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (what, *arguments) in _ACTIONS.items():
        parser = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        for names, options in arguments:
            parser.add_argument(*names, **options)


def run(args: argparse.Namespace) -> int:
    """Carries out one action."""
    from rich.console import Console

    from dreamzero_policy.tasks import actions

    wanted = {name: value for name, value in vars(args).items() if name not in ("run", "db")}
    Console(soft_wrap=False).print(actions.act(args.db, wanted.pop("action"), **wanted))
    return 0
