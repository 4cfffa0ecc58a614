"""A golden case on disk, and what comparing with it gives.

A case is ``NAME.safetensors`` beside ``NAME.json``; the latter holds a title, ``scalars`` and a
line per tensor. Tensors are compared by the largest difference over the largest expected magnitude;
decisions (which steps run, when a window restarts) must be the same.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

EXACT = 0.0
SAMPLER = 5e-6
FORWARD = 2e-5
LOSS = 1e-5
GRADIENT = 1e-4
LOOP = 5e-5
GUIDED_LOOP = 2e-4
ENCODER = 5e-5
FLOAT32 = 1e-6
FLOAT64 = 1e-12


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        case: name of the file.
        name: of the tensor or decision in it.
        max_abs: largest difference; None for a decision.
        relative: the same over the largest expected magnitude; None for a decision.
        tolerance: limit on ``relative``.
        passed: whether it holds.
        note: what was expected and came, where a number does not say it.
    """

    case: str
    name: str
    max_abs: float | None
    relative: float | None
    tolerance: float
    passed: bool
    note: str = ""

    @property
    def group(self) -> str:
        """The name with its numbers taken out: rows of one group stand together in a table."""
        return re.sub(r"\d+", "#", self.name)


@dataclass
class Case:
    """One case being checked: what is in its files, and the rows so far."""

    folder: Path
    name: str
    scalars: dict[str, Any]
    tensors: dict[str, Tensor]
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path, name: str) -> Case:
        """Opens a case.

        Raises:
            ValueError: a file is missing or is not what it should be.
        """
        return cls(folder, name, *_read(folder, name))

    def sibling(self, name: str) -> Case:
        """Another case of the same directory, for the files that this one names.

        Raises:
            ValueError: as ``read``.
        """
        return Case.read(self.folder, name)

    def __getitem__(self, name: str) -> Tensor:
        """The tensor called ``name``, in float32 if it is stored as bfloat16.

        Raises:
            ValueError: there is none.
        """
        if name not in self.tensors:
            raise ValueError(f"{self.name}: no tensor {name!r}")
        tensor = self.tensors[name]
        return tensor.float() if tensor.dtype == torch.bfloat16 else tensor

    def scalar(self, name: str) -> Any:
        """The scalar called ``name``.

        Raises:
            ValueError: there is none.
        """
        if name not in self.scalars:
            raise ValueError(f"{self.name}: no scalar {name!r}")
        return self.scalars[name]

    def compare(self, name: str, got: Tensor, tolerance: float) -> None:
        """Adds a row: ``got`` against the tensor called ``name``."""
        self.compare_with(name, got, self[name], tolerance)

    def compare_with(self, name: str, got: Tensor, expected: Tensor, tolerance: float) -> None:
        """Adds a row: ``got`` against ``expected``, which are called ``name``."""
        got, expected = got.detach(), expected.detach()
        if got.shape != expected.shape:
            note = f"expected shape {list(expected.shape)}, got {list(got.shape)}"
            self.rows.append(Row(self.name, name, None, None, tolerance, False, note))
            return
        difference = (got.double() - expected.double()).abs()
        max_abs = float(difference.max()) if difference.numel() else 0.0
        size = float(expected.double().abs().max()) if expected.numel() else 0.0
        relative = max_abs / size if size else max_abs
        passed = relative <= tolerance  # false for a nan too
        self.rows.append(Row(self.name, name, max_abs, relative, tolerance, passed))

    def compare_number(self, name: str, got: float, expected: float, tolerance: float) -> None:
        """Adds a row for a scalar."""
        self.compare_with(
            name,
            torch.tensor(got, dtype=torch.float64),
            torch.tensor(expected, dtype=torch.float64),
            tolerance,
        )

    def decide(self, name: str, got: object, expected: object) -> None:
        """Adds a row for a decision, which must be the same."""
        note = "" if got == expected else f"expected {expected}, got {got}"
        self.rows.append(Row(self.name, name, None, None, EXACT, got == expected, note))


@cache
def _read(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Both files of a case, read once."""
    description, weights = folder / f"{name}.json", folder / f"{name}.safetensors"
    for path in (description, weights):
        if not path.is_file():
            raise ValueError(f"{name}: no file {path}")
    try:
        scalars = json.loads(description.read_text())["scalars"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{description}: expected a JSON object with 'scalars': {error}") from None
    try:
        return scalars, load_file(weights)
    except SafetensorError as error:
        raise ValueError(f"{weights}: {error}") from None
