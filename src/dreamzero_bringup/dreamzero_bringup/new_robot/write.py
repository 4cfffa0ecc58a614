"""Writes a new robot's files, all of them or none, and says what to do with them."""

from __future__ import annotations

import os
from pathlib import Path

from dreamzero_bringup.new_robot import driver_files, robot_files
from dreamzero_bringup.new_robot.plan import Plan

_DOCS = "docs/adding_a_robot.md"


def write(plan: Plan, folder: Path) -> list[Path]:
    """Writes the skeleton; a file that is there is never touched.

    Args:
        plan: what it is to have.
        folder: where to; made if it is not there.

    Returns:
        What was written, in order.

    Raises:
        ValueError: some of the files are there already, or the folder cannot be written to;
            nothing was written then.
    """
    texts = robot_files.files(plan) | (driver_files.files(plan) if plan.driver else {})
    there = [str(folder / path) for path in texts if (folder / path).exists()]
    if there:
        raise ValueError(f"nothing was written: there already: {', '.join(there)}")
    written: list[Path] = []
    try:
        for path, text in texts.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x") as file:
                written.append(target)
                file.write(text)
    except OSError as error:
        for target in written:
            target.unlink(missing_ok=True)
        raise ValueError(f"into: expected a folder to write to, got {folder}: {error}") from error
    return written


def next_steps(plan: Plan, folder: Path) -> str:
    """What to do next, as commands."""
    shown = os.path.relpath(folder)
    layout = Path(shown) / "robots" / f"{plan.name}.py"
    steps = [
        (
            f"Put the robot's own numbers where {layout} says CHECK, then",
            f"python -m pytest {shown}",
        ),
        (
            "Run the whole graph in simulation, with untrained weights",
            f"dreamzero up {plan.name} --sim --config-dir {shown}",
        ),
        (
            "See that cameras, joints and checkpoint are this robot's, before it may move",
            f"dreamzero doctor {plan.name} --config-dir {shown} --checkpoint DIR",
        ),
        (
            "With ros2 launch",
            f"ros2 launch dreamzero_bringup robot.launch.py robot:={plan.name} "
            f"config_dir:={folder.resolve()}",
        ),
    ]
    if plan.driver:
        steps.insert(
            2,
            (
                f"Speak to the robot in {Path(shown) / f'{plan.name}_driver'} (its README says "
                "where), build it beside this stack, and source it",
                f"colcon build --base-paths {shown} && . install/setup.sh",
            ),
        )
    lines = [f"{number}. {what}:\n     {how}" for number, (what, how) in enumerate(steps, 1)]
    return "\n".join([*lines, f"More: {_DOCS}"])
