"""``dreamzero sim-tasks``: the tasks that the simulated robots can be given."""

from __future__ import annotations

import argparse
from inspect import getdoc
from pathlib import Path
from textwrap import indent

_EXAMPLES = """examples:
  dreamzero sim-tasks                          every robot's tasks
  dreamzero sim-tasks yam --task stack --seed 3      every instruction of one scene
  dreamzero sim-tasks yam --pictures out/scenes      what the cameras see, one strip per scene
  dreamzero up yam --sim --set sim_driver.task=stack --set sim_driver.seed=3
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "sim-tasks",
        help="list the simulated tasks, their instructions and what counts as done",
        description="Lists tasks by robot, with the instruction that a seed draws.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("robot", nargs="?", help="only this robot's")
    parser.add_argument("--task", help="only this one, with every instruction and what is done")
    parser.add_argument("--seed", type=int, default=0, help="of the scene (default: 0)")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write what cameras see")


def run(args: argparse.Namespace) -> int:
    """Prints the list; writes pictures where asked to."""
    from sim_driver import tasks
    from sim_driver.models import robots
    from sim_driver.tasks.split import held_out

    for name in [args.robot] if args.robot else robots.names():
        robot = robots.get(name)
        chosen = [tasks.get(args.task, robot)] if args.task else tasks.of(robot)
        print(f"{name}:")
        for task in chosen:
            layout = task.lay(robot, args.seed)
            drawn = layout.choice(-1)
            print(f"  {task.name:<11} {task.sentence(drawn)}")
            if args.task:
                print(f"\n{indent(getdoc(type(task)), '    ')}\n")
                for index, choice in enumerate(layout.choices):
                    mark = "  (no demonstration says so)" if held_out(task, choice) else ""
                    mark += "  <- drawn by the seed" if choice == drawn else ""
                    print(f"  choice {index}: {task.sentence(choice)}{mark}")
            if args.pictures:
                print(f"              {_picture(name, task.name, args.seed, args.pictures)}")
    return 0


def _picture(robot: str, task: str, seed: int, folder: Path) -> Path:
    """Writes the views of one scene side by side; returns the file."""
    import numpy as np
    from matplotlib import image

    from sim_driver.virtual import VirtualRobot

    scene = VirtualRobot(robot, task, seed)
    try:
        strip = np.concatenate(list(scene.see().values()), axis=1)
    finally:
        scene.close()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{robot}_{task}_{seed}.png"
    image.imsave(path, strip)
    return path
