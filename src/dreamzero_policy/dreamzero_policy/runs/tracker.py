"""Where the figures of a run go: files always, TensorBoard and Weights & Biases where asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.types import Image

TRACKERS = ("files", "tensorboard", "wandb")


class Tracker(Protocol):
    """What hears of a run."""

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of a step, by name."""

    def picture(self, step: int, name: str, pixels: Image) -> None:
        """A picture [H, W, 3] uint8 of a step."""

    def close(self) -> None:
        """The run is over, or ends here for now."""


class Files:
    """``log.jsonl``, one line per step that is logged, and ``panels/*.png``.

    Args:
        folder: of the run.
        step: the step that the run goes on from; lines of later ones are taken out.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._folder, path = folder, folder / "log.jsonl"
        kept = [line for line in _lines(path) if json.loads(line)["step"] <= step]
        new = path.with_name(".log.jsonl.new")
        new.write_text("".join(f"{line}\n" for line in kept))
        os.replace(new, path)
        self._file = path.open("a", buffering=1)

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Appends a line."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")

    def picture(self, step: int, name: str, pixels: Image) -> None:
        """Writes a PNG."""
        from matplotlib.image import imsave

        folder = self._folder / "panels"
        folder.mkdir(exist_ok=True)
        imsave(folder / f"step_{step:08d}_{name}.png", np.ascontiguousarray(pixels))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _lines(path: Path) -> list[str]:
    """Whole lines of a log; the last one may have been cut off."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            json.loads(line)["step"]
        except (ValueError, KeyError, TypeError):
            continue
        found.append(line)
    return found


class TensorBoard:
    """Event files that TensorBoard shows.

    Args:
        folder: of the run.
        step: the step that the run goes on from.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, pixels: Image) -> None:
        """An image."""
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()


class WeightsAndBiases:
    """A run at wandb.ai or offline, as that package is set up.

    Args:
        folder: of the run.
        config: what to show of it.
    """

    def __init__(self, folder: Path, config: Mapping[str, object]) -> None:
        try:
            import wandb
        except ImportError:
            raise TrainingError(
                "tracker wandb: expected the package wandb: pip install wandb, or leave it out"
            ) from None
        self._wandb = wandb
        self._run = wandb.init(
            dir=str(folder), name=folder.name, id=folder.name, resume="allow", config=dict(config)
        )

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars."""
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, pixels: Image) -> None:
        """An image."""
        self._run.log({name: self._wandb.Image(pixels)}, step=step)

    def close(self) -> None:
        """Ends the run."""
        self._run.finish()


class Several:
    """Trackers that all hear the same.

    Args:
        trackers: in order.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = trackers

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """To all."""
        for tracker in self._trackers:
            tracker.figures(step, values)

    def picture(self, step: int, name: str, pixels: Image) -> None:
        """To all."""
        for tracker in self._trackers:
            tracker.picture(step, name, pixels)

    def close(self) -> None:
        """All."""
        for tracker in self._trackers:
            tracker.close()


def open_trackers(
    names: Sequence[str], folder: Path, step: int, config: Mapping[str, object]
) -> Tracker:
    """Trackers by name; files are always among them.

    Raises:
        TrainingError: an unknown name, or a package that is not installed.
    """
    found: list[Tracker] = [Files(folder, step)]
    for name in dict.fromkeys(names):
        if name == "tensorboard":
            found.append(TensorBoard(folder, step))
        elif name == "wandb":
            found.append(WeightsAndBiases(folder, config))
        elif name != "files":
            raise TrainingError(f"tracker: expected one of {', '.join(TRACKERS)}, got {name!r}")
    return Several(found)
