"""What the demo runs where nobody chose, and the scene in which an instruction means something."""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_bringup.installed import trained_checkpoint

_TASKS = ("reach", "hover")
"""What the small trained policies know; the first is run where nothing else is asked for."""

_SEED = 100_010
"""Of a scene that no demonstration showed, and in which every shipped policy does what is asked;
how often they do is in the README."""

_SEEDS = 1000
"""Scenes that are looked through for an instruction."""

_GUIDANCE = "policy.guidance_scale"
_TASK, _SCENE, _CHOICE = "sim_driver.task", "sim_driver.seed", "sim_driver.choice"


@dataclass(frozen=True)
class Chosen:
    """What a demo runs.

    Attributes:
        checkpoint: of the policy; None for the one that a graph has anyway.
        overrides: of parameters, as ``NODE.NAME=VALUE``.
        notice: for the user, where the scene does not have what was asked for.
    """

    checkpoint: str | None
    overrides: tuple[str, ...]
    notice: str = ""


def chosen(
    robot: str, checkpoint: str | None, overrides: tuple[str, ...], instruction: str | None = None
) -> Chosen:
    """What a demo runs, in a scene that has what the instruction asks for, where there is one.

    Args:
        robot: its name.
        checkpoint: what the user asked for; None for the trained policy, where the robot has one.
        overrides: the user's, which are stronger.
        instruction: the user's; None for the scene's own.

    Raises:
        ValueError: the package is not installed, or an unknown task.
    """
    settings = dict(override.partition("=")[::2] for override in overrides)
    trained = trained_checkpoint(robot) if checkpoint is None else None
    ours, tasks = {}, tuple(filter(None, (settings.get(_TASK),)))
    if trained is not None:
        # Without guidance a chunk costs half; actions are not guided in any case.
        checkpoint, ours = str(trained), {_TASK: _TASKS[0], _SCENE: str(_SEED), _GUIDANCE: "1.0"}
        tasks = tasks or _TASKS
    notice = ""
    if instruction is not None and tasks and _CHOICE not in settings:
        seed = settings.get(_SCENE, "")
        found = _scene(robot, tasks, seed, instruction)
        ours |= found
        if not found:
            notice = (
                f"no scene of {' or '.join(tasks)} {f'with seed {seed} ' if seed else ''}has what "
                f"{instruction!r} asks for: what is judged is what the scene asks for itself"
            )
    added = (f"{name}={value}" for name, value in ours.items() if name not in settings)
    return Chosen(checkpoint, (*added, *overrides), notice)


def _scene(robot: str, tasks: tuple[str, ...], seed: str, instruction: str) -> dict[str, str]:
    """Settings of the first scene that has what is asked for; none where no scene has."""
    from sim_driver.models import robots
    from sim_driver.tasks import get
    from sim_driver.tasks.offered import offered

    simulated = robots.get(robot)
    seeds = (int(seed),) if seed.isdecimal() else range(_SEED, _SEED + _SEEDS)
    found = offered(simulated, [get(name, simulated) for name in tasks], seeds, instruction)
    if found is None:
        return {}
    return {_TASK: found.task, _SCENE: str(found.seed), _CHOICE: str(found.choice)}
