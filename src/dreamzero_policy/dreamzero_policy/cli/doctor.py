"""``dreamzero doctor``: what keeps a robot from running here, and how to put it right.

With ``--walk`` it then moves a running robot, one joint at a time.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from dreamzero_bringup.doctor.examination import Gathered

_EXAMPLES = """examples:
  dreamzero doctor                        this machine, the files, and whatever runs
  dreamzero doctor droid --sim            with the simulated robot's driver, started and stopped
  dreamzero doctor droid --domain-id 7 --discovery-range SUBNET --seconds 10
  dreamzero doctor droid --checkpoint ~/DreamZero-DROID --json out/doctor.json
  dreamzero doctor yam --walk             then one small motion per joint, each confirmed by you
  dreamzero doctor yam --walk --joints left_joint1,left_gripper
Without --walk it moves nothing and publishes no command. --walk needs a running graph without an
instruction (dreamzero up ...) and a person at the emergency stop; a report goes to --out. The exit
code is 1 if anything fails, otherwise 0.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "doctor",
        help="check machine, files and a running robot",
        description="Checks this machine, the configuration, the checkpoint and a running robot.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("robot", nargs="?", default="droid", help="which robot (default: droid)")
    add("--sim", action="store_true", help="start the simulated robot's driver for the check")
    add("--seconds", type=float, default=3.0, help="how long to listen (default: 3)")
    add("--json", type=Path, metavar="FILE", help="write the findings there too")
    add("--checkpoint", help="folder or random:PRESET (default: policy.yaml)")
    add("--config-dir", type=Path, help="folder with robots/ROBOT.yaml")
    add("--set", action="append", default=[], metavar="NODE.PARAMETER=VALUE")
    add("--domain-id", type=int, help="ROS domain (default: that of the run here, or 0)")
    add("--discovery-range", choices=["LOCALHOST", "SUBNET", "SYSTEM_DEFAULT", "OFF"])
    walk = parser.add_argument_group("walk: small, slow motions, one joint at a time").add_argument
    walk("--walk", action="store_true", help="after the checks, move every joint a little")
    walk("--joints", default="", metavar="A,B", help="only these joints (default: all)")
    walk("--yes", action="store_true", help="do not ask; with the simulated robot only")
    walk("--checklist", metavar="PACKAGE", help="driver whose README has the checklist")
    walk("--out", type=Path, help="folder of the report (default: out/walk/ROBOT)")


def run(args: argparse.Namespace) -> int:
    """Examines and prints the table."""
    from rich.console import Console

    from dreamzero_bringup.doctor.examination import Request, gather, judge

    console = Console()
    if args.walk and args.sim:
        raise ValueError(
            "walk: expected a running graph, got --sim; start it first: dreamzero up ROBOT --sim"
        )
    _refuse_unknown_joints(args)
    if console.is_terminal:
        console.print("looking around; this takes some ten seconds", style="dim")
    gathered = gather(
        Request(
            args.robot, args.sim, args.seconds, args.domain_id, args.discovery_range,
            args.config_dir, args.checkpoint, tuple(args.set),
        )
    )  # fmt: skip
    report = judge(gathered)
    console.print(report.table())
    console.print(report.summary())
    if args.json:
        report.write(args.json)
    if args.walk:
        return _walk(args, gathered, report.failed, console)
    return 1 if report.failed else 0


def _refuse_unknown_joints(args: argparse.Namespace) -> None:
    """Refuses a misspelt joint before anything is looked at, which takes a while.

    Raises:
        ValueError: it names the robot's joints.
    """
    from dreamzero_bringup.graph.graph import embodiment
    from dreamzero_bringup.graph.options import Options

    if args.joints:
        robot = embodiment(Options(args.robot, config_dir=args.config_dir))
        for name in _joints(args):
            robot.joint(name)


def _joints(args: argparse.Namespace) -> tuple[str, ...]:
    """The joints that were asked for; none for all."""
    return tuple(filter(None, (name.strip() for name in args.joints.split(","))))


def _walk(args: argparse.Namespace, gathered: Gathered, unfit: bool, console: Console) -> int:
    """Moves one joint after the other and writes the report."""
    from dreamzero_bringup.asking.dialogue import Agreeing, Terminal, require_terminal
    from dreamzero_bringup.walk import loop
    from dreamzero_bringup.walk.report import findings, write_folder

    if unfit:
        console.print("nothing is moved while a check fails: see the table", style="bold red")
        return 1
    loop.require_running(gathered)
    if args.yes and not gathered.expected.simulated:
        raise ValueError("--yes: expected the simulated robot, this one is real: you are asked")
    if not args.yes:
        require_terminal()
    out = args.out or Path("out/walk") / args.robot
    out.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    walk = loop.Walk(
        gathered,
        Agreeing(say) if args.yes else Terminal(say),
        only=_joints(args),
        driver=args.checklist or loop.driver_of(gathered),
        folder=out,
    )
    walked = walk.run()
    write_folder(out, walked)
    report = findings(walked)
    console.print(report.table())
    console.print(f"{report.summary()}; {walked.ended or 'all joints were asked for'}")
    console.print(f"motion is {'disabled' if walked.disabled else 'NOT KNOWN TO BE DISABLED'}")
    console.print(f"report: {out / 'index.html'}")
    return 1 if report.failed or walked.ended else 0
