"""The paper's findings in miniature, one command each: `python benchmarks/paper_findings.py joint`.

Demonstrations, a video VAE, networks and rollouts are made in --work, each once for all studies,
and whatever is there is kept: the same command goes on where it was ended. `--dry-run` says what
there is to do and about how long it takes. What is concluded follows a rule that is written in
benchmarks/paper/conclusions.py; docs/paper_findings.md says what every study is.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

from dreamzero_policy.conversion.progress import progress
from paper import plan, plot, report
from paper.counting import counting
from paper.recorded import minutes
from paper.sizes import Size
from paper.studies import World, studies
from paper.study import Cell, Study, cells
from paper.work import StoppedError, Work
from results import FOLDER, markdown, save, short, show

NAMES = ("joint", "diversity", "refresh", "architecture", "steps", "transfer", "few_shot", "seams")

EXAMPLES = """examples:
  python benchmarks/paper_findings.py all --dry-run                what there is to do
  python benchmarks/paper_findings.py joint                        one study, whole
  python benchmarks/paper_findings.py refresh seams --cells /0$    the first seed of two
  python benchmarks/paper_findings.py steps --set steps=2000 --set model=dim=96 --hours 8
  python benchmarks/paper_findings.py seams --policy config/checkpoints/tiny_droid   no training
  python benchmarks/paper_findings.py joint --start out/decided/checkpoint --data out/kitchen
  python benchmarks/paper_findings.py joint --data out/kitchen --encoders out/vae/checkpoint
  python benchmarks/paper_findings.py joint --report               the page of what is there
"""


def main() -> int:
    """Makes the cells that were asked for and writes every study's page."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", nargs="+", choices=(*NAMES, "all"), help="which")
    parser.add_argument(
        "--tasks", nargs="+", default=["reach"], help="of `dreamzero sim-tasks` (reach)"
    )
    parser.add_argument("--robot", default="droid", help="whose policy is tried (droid)")
    parser.add_argument("--other", default="yam", help="of the videos, and the new one (yam)")
    parser.add_argument(
        "--policy", type=Path, help="a checkpoint to try as the base of every seed: no training"
    )
    parser.add_argument(
        "--start", type=Path, metavar="FOLDER",
        help="a checkpoint that all networks of the robot begin with, in place of two trainings",
    )  # fmt: skip
    parser.add_argument(
        "--data", nargs="+", type=Path, default=[], metavar="FOLDER",
        help="datasets of the robot that are there, in place of its recordings",
    )  # fmt: skip
    parser.add_argument(
        "--encoders", type=Path, metavar="FOLDER",
        help="a checkpoint of `dreamzero train-vae` to begin from, in place of training a VAE",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, help="trainings per arm (3)")
    parser.add_argument("--rollouts", type=int, help="per cell and kind of instruction (40)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help="size")
    parser.add_argument("--cells", default="", metavar="REGEX", help="of STUDY/ARM/SEED")
    parser.add_argument("--hours", type=float, default=0.0, help="begin no cell after so long")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--work", type=Path, default=Path("out/paper"), help="folder (out/paper)")
    parser.add_argument("--out", type=Path, default=FOLDER / "paper", help="folder of results")
    parser.add_argument("--dry-run", action="store_true", help="say what there is to do, and stop")
    parser.add_argument("--report", action="store_true", help="write pages of what is there alone")
    args = parser.parse_args()
    given = {name: getattr(args, name) for name in ("seeds", "rollouts")}
    changes = [f"{name}={value}" for name, value in given.items() if value is not None]
    try:
        size = Size().changed([*args.set, *changes])
        world = World(tuple(args.tasks), args.robot, args.other, size)
        return _run(args, world)
    except (ValueError, StoppedError) as error:
        print(error, file=sys.stderr)
        return 2


def _run(args: argparse.Namespace, world: World) -> int:
    every = tuple(s for s in studies(world) if s.name in args.study or "all" in args.study)
    if args.start is not None and any(study.name == "diversity" for study in every):
        raise ValueError("--start: what an arm of diversity begins with learns from its own data")
    asked = [cell for cell in cells(every, world.size.seeds) if re.search(args.cells, cell.name)]
    if not asked:
        raise ValueError(f"--cells {args.cells!r}: no cell has such a name")
    with progress() as tell:
        here = args.policy, args.start, tuple(args.data), args.encoders
        work = Work(args.work, world, args.workers, print, tell, *here)
        if args.dry_run:
            _tell_plan(asked, work)
            return 0
        if not args.report:
            _make(asked, work, args.hours)
    for study in every:
        _write(study, work, args.out)
    return 0


def _tell_plan(asked: list[Cell], work: Work) -> None:
    """Prints cells, and what is made for them."""
    rates, rollouts = plan.Rates(), work.world.size.rollouts
    show("cells, hours of what none before needs", ("cell", "state", "hours"),
         plan.lines(asked, work, rates, rollouts))  # fmt: skip
    kinds: dict[str, tuple[int, int, float]] = {}
    for piece in plan.pieces(asked, work, rates, rollouts):
        count, there, hours = kinds.get(piece.kind, (0, 0, 0.0))
        kinds[piece.kind] = (count + 1, there + (not piece.hours), hours + piece.hours)
    rows = [(kind, count, there, f"{hours:.1f}") for kind, (count, there, hours) in kinds.items()]
    rows.append(("all", "", "", f"{sum(hours for *_, hours in kinds.values()):.1f}"))
    show("to make, on two cores", ("what", "needed", "there", "hours"), rows)
    print(f"work folder: {work.folder}")


def _make(asked: list[Cell], work: Work, hours: float) -> None:
    """Makes cells, until there are none left or no time."""
    began, size = time.monotonic(), work.world.size
    for number, cell in enumerate(asked, start=1):
        if hours and time.monotonic() - began > 3600 * hours:
            print(f"{len(asked) - number + 1} cells are left: the same command goes on")
            return
        print(f"cell {number} of {len(asked)}: {cell.name}")
        work.rows(cell.arm.trial, cell.seed, size.rollouts, cell.study.splits)


def _write(study: Study, work: Work, out: Path) -> None:
    """The page, the figures and the picture of a study, as far as it was run."""
    world, size = work.world, work.world.size
    rollouts = {
        arm.name: {seed: work.made(arm.trial, seed) for seed in range(size.seeds)}
        for arm in study.arms
    }
    if not any(rows for by_seed in rollouts.values() for rows in by_seed.values()):
        print(f"{study.name}: not run")
        return
    setup = {name: getattr(world, name) for name in ("tasks", "robot", "other")}
    if work.policy is not None:
        setup["policy"] = f"{short(work.policy)}: seeds of the base differ in their scenes alone"
    if work.start is not None:
        setup["start"] = f"{short(work.start)}: of every network of {world.robot}"
    if work.given:
        setup["data"] = ", ".join(f"{path.name} ({minutes(path):.0f} min)" for path in work.given)
    if work.encoders is not None:
        setup["encoders"] = work.encoders.name
    setup["size"] = counting(work, study.name)
    found = report.result(study, rollouts, setup)
    table = markdown(report.COLUMNS, [report.cells(row) for row in found["rows"]])
    print(f"\n{found['title']}\n\n{table}\n")
    for line in found["lines"]:
        print(f"  {line}")
    save(study.name, found, out, tables=[report.page(found, table)])
    plot.draw(found, out / f"{study.name}.png")
    print(f"wrote {short(out / f'{study.name}.png')}")


if __name__ == "__main__":
    sys.exit(main())
