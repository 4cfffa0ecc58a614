"""What the demo shows where nobody chose: the small trained policy at the task that it knows."""

from __future__ import annotations

from dreamzero_bringup.installed import trained_checkpoint

_TASK = "reach"
_SETTINGS = {
    "sim_driver.task": _TASK,
    "sim_driver.seed": "100000",  # a scene that no demonstration showed
    "policy.guidance_scale": "1.0",  # a chunk costs half, and actions are not guided in any case
}


def chosen(
    robot: str, checkpoint: str | None, overrides: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...]]:
    """Checkpoint and overrides of a demo.

    Args:
        robot: its name.
        checkpoint: what the user asked for; None for the trained policy, where the robot has one.
        overrides: the user's, which are stronger.

    Raises:
        ValueError: the package is not installed.
    """
    trained = trained_checkpoint(robot)
    if checkpoint is not None or trained is None:
        return checkpoint, overrides
    said = {override.partition("=")[0] for override in overrides}
    ours = (f"{name}={value}" for name, value in _SETTINGS.items() if name not in said)
    return str(trained), (*ours, *overrides)
