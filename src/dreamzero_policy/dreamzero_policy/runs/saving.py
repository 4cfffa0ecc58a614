"""States to resume from: written whole or not at all, by every process its part.

    FOLDER/step_00001000/           tensors by torch.distributed.checkpoint, and state.json
    FOLDER/step_00001000.writing/   being written, or left by a process that died; never read

A state holds weights that train, the optimizer's moments and the averaged weights; whatever is
random follows from seed and step. It may be read by another number of processes than wrote it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException

from dreamzero_policy.runs.distributed import World
from dreamzero_policy.runs.errors import TrainingError

_NAME = re.compile(r"step_(\d{8})")
_STATE = "state.json"


class States:
    """The states of a run.

    Args:
        folder: of them.
        world: the processes.
        keep: how many.
    """

    def __init__(self, folder: Path, world: World, keep: int) -> None:
        self._folder, self._world, self._keep = folder, world, keep
        if world.first:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob("*.writing"):
                shutil.rmtree(left, ignore_errors=True)
        world.wait()

    def steps(self) -> list[int]:
        """Steps of which there is a whole state, oldest first."""
        found = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted(
            int(match[1]) for match in found if match and (self._path(match[1]) / _STATE).is_file()
        )

    def save(self, step: int, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Writes a state, then lets go of the oldest.

        Args:
            step: optimizer steps done.
            tensors: by name; of shards every process gives its own.
            about: what else there is to know.

        Raises:
            TrainingError: it could not be written; the states before are whole.
        """
        path = self._path(step)
        making = path.with_name(f"{path.name}.writing")
        error: Exception | None = None
        if self._world.first:
            shutil.rmtree(making, ignore_errors=True)
        self._world.wait()
        try:
            with _alone_quietly():
                dcp.save(tensors, checkpoint_id=making, no_dist=self._world.mesh is None)
            if self._world.first:
                _write_json(making / _STATE, {"step": step, **about})
        except (Exception, CheckpointException) as caught:  # noqa: BLE001 - whatever a disk raises
            error = self._failed(step, caught)
        try:
            self._world.agree(error)
        except Exception:
            shutil.rmtree(making, ignore_errors=True)
            raise
        if self._world.first:
            shutil.rmtree(path, ignore_errors=True)
            os.replace(making, path)
            _sync(self._folder)
            for old in self.steps()[: -self._keep]:
                shutil.rmtree(self._path(old), ignore_errors=True)
        self._world.wait()

    def about(self, step: int) -> dict[str, Any]:
        """What is said of a state."""
        try:
            return json.loads((self._path(step) / _STATE).read_text())
        except (OSError, ValueError) as error:
            raise TrainingError(f"{self._path(step)}: cannot be read: {error}") from error

    def load(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Reads a state into tensors of the same names and shapes, however they are divided.

        Raises:
            TrainingError: it is damaged, or of another network.
        """
        path = self._path(step)
        error: Exception | None = None
        try:
            with _alone_quietly():
                dcp.load(tensors, checkpoint_id=path, no_dist=self._world.mesh is None)
        except (Exception, CheckpointException) as caught:  # noqa: BLE001 - whatever goes wrong
            others = [known for known in self.steps() if known != step]
            hint = (
                f"; remove the folder to go on from step {others[-1]}"
                if others
                else "; there is no other state"
            )
            error = TrainingError(f"{path}: cannot be resumed from: {_cause(caught)}{hint}")
        self._world.agree(error)

    def _failed(self, step: int, caught: BaseException) -> TrainingError:
        """What went wrong in writing, and what there still is."""
        known = self.steps()
        last = f"the last good state is step {known[-1]}" if known else "there is no earlier state"
        reason = _cause(caught)
        if _is_full(caught):
            reason = "no space is left on this disk: make room, then run the same command again"
        return TrainingError(f"{self._folder}: step {step} could not be saved: {reason}; {last}")

    def _path(self, step: int | str) -> Path:
        return self._folder / f"step_{int(step):08d}"


def tensors_of(
    network: nn.Module, optimizer: torch.optim.Optimizer, ema: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Everything of a run that a state holds; the very tensors, so that loading fills them."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    found: dict[str, Tensor] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = names[parameter]
            found[f"weights/{name}"] = parameter.detach()
            for moment in ("exp_avg", "exp_avg_sq"):
                found[f"{moment}/{name}"] = optimizer.state[parameter][moment]
    return found | {f"ema/{name}": tensor for name, tensor in ema.items()}


@contextmanager
def _alone_quietly() -> Iterator[None]:
    """Without the remark that a process alone is alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _cause(error: BaseException) -> str:
    """What a wrapped error comes from, in one line."""
    failures = getattr(error, "failures", None)
    if failures:
        error = next(iter(failures.values()))[0]
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__


def _is_full(error: BaseException | None) -> bool:
    failures = getattr(error, "failures", None) or {}
    inner = [failure[0] for failure in failures.values()]
    while error is not None:
        inner.append(error)
        error = error.__cause__ or error.__context__
    return any(
        getattr(each, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(each)
        for each in inner
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with path.open("w") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Has the disk remember a new name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
