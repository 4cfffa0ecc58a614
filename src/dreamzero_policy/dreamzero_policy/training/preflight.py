"""What is said, and what is refused, before a run takes a processor's time."""

from __future__ import annotations

import shutil
from pathlib import Path

from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.runs.start import Start
from dreamzero_policy.training.config import TrainConfig
from dreamzero_policy.training.material import Material
from dreamzero_policy.training.memory import GIB, Estimate


def report(material: Material, start: Start, config: TrainConfig) -> str:
    """The data of a run in words: what there is, and what is noteworthy."""
    lines = [f"begins from {start.source}{' (not trained before)' if start.untrained else ''}"]
    if start.note:
        lines.append(f"  {start.note}")
    for source in material.sources:
        base = source.robot.time_base
        mine = [item for item in material.training if item.source is source]
        lines.append(
            f"{source.name}: {source.robot.name}, {len(source.episodes)} episodes, {source.rows} "
            f"rows ({source.rows / base.control_hz / 60:.1f} min), {len(mine)} windows, "
            f"weight {source.spec.weight:g}{'' if source.spec.actions else ', video only'}"
        )
        lines += [f"  {note}" for note in source.notes]
    lengths = sorted({item.window.chunks for item in material.training})
    counts = [sum(item.window.chunks == n for item in material.training) for n in lengths]
    lines.append(
        "windows of "
        + ", ".join(f"{n} chunks: {count}" for n, count in zip(lengths, counts, strict=True))
        + f"; {len(material.validation)} held out for validation"
    )
    drawn = config.steps * config.batch
    lines.append(
        f"{config.steps} steps of {config.batch}: each window is drawn "
        f"{drawn / len(material.training):.1f} times on average"
    )
    return "\n".join(lines)


def check_room(folder: Path, estimated: Estimate, config: TrainConfig) -> None:
    """Refuses a disk that cannot take the states and the checkpoint.

    Raises:
        TrainingError: it cannot.
    """
    there = folder
    while not there.exists():
        there = there.parent
    needed = (config.keep + 1) * estimated.state + 2 * estimated.checkpoint
    free = shutil.disk_usage(there).free
    if free < needed:
        raise TrainingError(
            f"{folder}: expected {needed / GIB:.1f} GiB free for {config.keep + 1} states and the "
            f"checkpoint, got {free / GIB:.1f} GiB: make room, or --set keep=1"
        )
