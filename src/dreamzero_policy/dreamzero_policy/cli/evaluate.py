"""``dreamzero evaluate``: how good policies are, on recordings or doing tasks in simulation."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

_EXAMPLES = """examples:
  dreamzero evaluate droid --policy ~/ckpt --policy hold --policy expert --tasks pick_place \\
      --rollouts 20 --out out/eval                         closed loop, in virtual time
  dreamzero evaluate yam --policy tiny=~/ckpt --tasks stack push --through nodes --out out/nodes
  dreamzero evaluate droid --policy ~/ckpt --dataset out/kitchen --out out/open      open loop
  dreamzero evaluate droid --policy replay:out/demos --tasks pick_place --first-seed 0 \\
      --splits seen --out out/replayed                     recorded actions in their own scenes
POLICY, which may be given several times, is [LABEL=] and one of: a checkpoint's folder,
random:PRESET (untrained weights), hold (stays where it is), expert (a script that is told where
everything is), replay:RECORDINGS, ws://HOST:PORT (a server of the public protocol; droid).
An evaluation may be ended at any time: the same command goes on where it was, and with more
--rollouts, --tasks or policies it adds to what is there. docs/evaluation.md says what is simulated.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score policies on a dataset, or in closed loop in simulation",
        description="Scores policies: open loop on recordings, or doing tasks in simulation.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("robot", help="which robot, for example droid")
    parser.add_argument("--policy", action="append", required=True, help="whom; see below")
    parser.add_argument("--out", type=Path, required=True, help="folder of the evaluation")
    parser.add_argument("--device", default="cpu", help="of checkpoints: cpu, cuda or auto")
    parser.add_argument(
        "--engine", action="append", default=[], metavar="NAME=VALUE", help="EngineOptions, e.g. "
        "evaluations=4",
    )  # fmt: skip
    closed = parser.add_argument_group("closed loop in simulation")
    closed.add_argument("--tasks", nargs="+", default=[], help="as of `dreamzero sim-tasks`")
    closed.add_argument("--rollouts", type=int, default=8, help="per task and split (default: 8)")
    closed.add_argument(
        "--splits", nargs="+", default=["seen", "unseen"], help="seen, unseen, all (default: both)"
    )
    closed.add_argument("--through", default="virtual", help="virtual (default) or nodes")
    closed.add_argument(
        "--latency", type=float, default=0.2, help="of a chunk, in virtual time [s] (default: 0.2)"
    )
    closed.add_argument(
        "--replan-frames", type=int, default=3, help="canvases between two calls (default: 3)"
    )
    closed.add_argument(
        "--controller", action="append", default=[], metavar="NAME=VALUE",
        help="ControllerSettings in virtual time, e.g. seam=temporal_ensemble",
    )  # fmt: skip
    closed.add_argument("--time-limit", type=float, default=0.0, help="[s] (default: the task's)")
    closed.add_argument("--first-seed", type=int, default=100_000, help="of the scenes")
    closed.add_argument("--picture-width", type=int, default=0, help="of simulated cameras")
    closed.add_argument("--workers", type=int, default=1, help="processes, in virtual time")
    closed.add_argument(
        "--predictions", action="store_true", help="films show what the policy expects to see"
    )
    opened = parser.add_argument_group("open loop on recordings")
    opened.add_argument("--dataset", type=Path, help="folder of a LeRobot dataset")
    opened.add_argument("--episodes", default="", help="numbers, as 0,3,8-12 (default: all)")
    opened.add_argument("--no-video", action="store_true", help="leave predicted pictures out")
    parser.add_argument("--films", type=int, default=4, help="per policy, task and split")


def run(args: argparse.Namespace) -> int:
    """Scores; 0 if everything that was asked for is there."""
    from dreamzero_bringup.evaluation.specs import parse

    options = {}
    if args.engine:
        from dreamzero_policy.acceleration.options import EngineOptions

        options = _settings("--engine", args.engine, EngineOptions)
    specs = [parse(text, options, args.device) for text in args.policy]
    if args.dataset is not None:
        if args.tasks:
            raise ValueError("expected --dataset (open loop) or --tasks (closed loop), got both")
        return _open_loop(args, specs)
    if not args.tasks:
        raise ValueError("expected --tasks for closed loop, or --dataset for open loop")
    return _closed_loop(args, specs)


def _closed_loop(args: argparse.Namespace, specs: list) -> int:
    from dreamzero_bringup.evaluation.plan import Wanted
    from dreamzero_bringup.evaluation.run import evaluate
    from dreamzero_bringup.evaluation.table import HEADS, lines
    from dreamzero_policy.control.settings import ControllerSettings
    from dreamzero_policy.conversion.progress import progress

    wanted = Wanted(
        robot=args.robot,
        tasks=tuple(args.tasks),
        splits=tuple(args.splits),
        rollouts=args.rollouts,
        first_seed=args.first_seed,
        through=args.through,
        latency_s=args.latency,
        replan_frames=args.replan_frames,
        time_limit_s=args.time_limit,
        picture_width=args.picture_width,
        controller=_settings("--controller", args.controller, ControllerSettings),
    )
    with progress() as tell:
        found, page = evaluate(
            wanted,
            specs,
            args.out,
            workers=max(1, min(args.workers, os.cpu_count() or 1)),
            films=args.films,
            predictions=args.predictions,
            tell=tell,
        )
    _show("success with one standard error", HEADS, lines(found))
    print(page)
    return 0


def _open_loop(args: argparse.Namespace, specs: list) -> int:
    import numpy as np

    from dreamzero_bringup.evaluation import open_loop_page
    from dreamzero_bringup.evaluation.open_loop import evaluate
    from dreamzero_policy.conversion.progress import progress

    with progress() as tell:
        scores, page = evaluate(
            args.robot,
            specs,
            args.dataset,
            _numbers(args.episodes),
            args.out,
            video=not args.no_video,
            films=args.films,
            tell=tell,
        )
    seconds = np.array(open_loop_page.row_seconds(page.parent))
    _show(
        "root mean square error [rad, m, share of a gripper] by time after the observation",
        open_loop_page.heads(seconds),
        open_loop_page.lines(scores, seconds),
    )
    if pictures := open_loop_page.picture_lines(scores):
        heads = ("policy", "what", "predicted", "a still picture instead")
        _show("predicted pictures", heads, pictures)
    print(page)
    return 0


def _show(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number < 2 else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(table)


def _settings(option: str, texts: list[str], kind: type) -> dict[str, Any]:
    """Settings that were given to an option.

    Raises:
        ValueError: as ``named_values``, and the option's name.
    """
    from dreamzero_policy.named_values import named_values

    try:
        return named_values(texts, kind)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


def _numbers(text: str) -> list[int]:
    """Numbers of a text such as ``0,3,8-12``.

    Raises:
        ValueError: another form.
    """
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, dash, last = part.partition("-")
        try:
            found += range(int(first), int(last) + 1) if dash else [int(first)]
        except ValueError as error:
            raise ValueError(f"--episodes: expected numbers as 0,3,8-12, got {text!r}") from error
    return list(dict.fromkeys(found))
