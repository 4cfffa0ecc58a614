"""``dreamzero record``: episodes of a running robot, from a crew's console."""

from __future__ import annotations

import argparse
from pathlib import Path

from dreamzero_policy.cli.tasks import DATABASE
from dreamzero_policy.cli.up import add_graph_arguments

_EXAMPLES = """examples:
  dreamzero record droid --task "stack blocks" --operator ada --place "kitchen 2"
  dreamzero record droid --task K07 K12 K03      # of the task sheet: what is saved is counted
  dreamzero record droid --folder /data/episodes --set recorder.pictures=as_received
  printf 'start wipe the table\\nsave success\\n' | dreamzero record droid
Beside `dreamzero up droid`, on its domain. Commands: start, mark, note, save, discard, again,
annotate, streams, quit. An episode that was cut off by a crash is recovered with
`dreamzero recover`.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "record",
        help="record episodes of a running robot",
        description="Starts the recorder beside a running graph and takes commands, one a line.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("robot", help="which robot, for example droid")
    parser.add_argument("--instruction", default="", help="of every episode (default: none)")
    parser.add_argument(
        "--task", nargs="+", default=[], help="codes or instructions from the task sheet, or a name"
    )
    parser.add_argument("--area", default="", help="of the tasks, where several have them")
    parser.add_argument(
        "--db", type=Path, default=DATABASE, help=f"where saved episodes are counted ({DATABASE})"
    )
    parser.add_argument("--operator", default="", help="who records")
    parser.add_argument("--place", default="", help="where")
    parser.add_argument("--folder", type=Path, help="where episodes are kept (recorder.yaml)")
    add_graph_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Starts the recorder and the console."""
    from dreamzero_bringup.graph.options import Options
    from dreamzero_bringup.record import session
    from dreamzero_bringup.record.recorder_client import EpisodeRequest
    from dreamzero_bringup.record.task_counts import TaskCounts

    overrides = list(args.set)
    if args.folder:
        overrides.append(f"recorder.folder={args.folder.expanduser().resolve()}")
    if args.checkpoint:
        overrides.append(f"recorder.checkpoint={args.checkpoint}")
    options = Options(args.robot, sim=False, config_dir=args.config_dir, overrides=tuple(overrides))
    tasks = TaskCounts(args.db, args.task, args.area)
    if tasks.problem:
        print(tasks.problem)
    request = EpisodeRequest(args.instruction, tasks.text, args.operator, args.place)
    where = {"domain_id": args.domain_id, "discovery_range": args.discovery_range}
    return session.run(options, request, **where, tasks=tasks)
