"""Which check belongs to which case, by the name of its files; and running them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from dreamzero_policy.golden import encoders, loops, network, samplers, vectors
from dreamzero_policy.golden.report import Case, Row

_CHECKS: tuple[tuple[str, Callable[[Case], None]], ...] = (
    (r"samplers", samplers.check),
    (r"normalizers", vectors.check_normalizers),
    (r"relative_stats", vectors.check_relative_statistics),
    (r"transforms_.+", vectors.check_transforms),
    (r"t5_.+", encoders.check_text),
    (r"clip_.+", encoders.check_image),
    (r"vae.*_.+", encoders.check_vae),
    (r"dit_.+_infer", network.check_inference),
    (r"dit_.+_train", network.check_training),
    (r"head_.+_loss", network.check_loss),
    (r"loop_.+", loops.check),
)


@dataclass(frozen=True)
class Checked:
    """A case that was run.

    Attributes:
        name: of the case.
        rows: what was compared.
        error: why it could not be run to its end; empty if it was.
    """

    name: str
    rows: tuple[Row, ...]
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether it ran, compared something, and everything holds."""
        return not self.error and bool(self.rows) and all(row.passed for row in self.rows)


def cases(folder: Path) -> tuple[str, ...]:
    """Names of the cases in a directory, sorted.

    Raises:
        ValueError: there is none, or a file is of no kind that there is a check for.
    """
    names = sorted(path.stem for path in folder.glob("*.json"))
    names = [name for name in names if not _is_part(folder, name)]
    unknown = [name for name in names if _check(name) is None]
    if unknown:
        raise ValueError(f"{folder}: no check for {', '.join(unknown)}")
    if not names:
        raise ValueError(f"{folder}: expected golden files (NAME.json, NAME.safetensors), got none")
    return tuple(names)


def run(folder: Path, names: tuple[str, ...], threads: int | None = None) -> Iterator[Checked]:
    """Runs cases one after the other; one that cannot be run is a failed one.

    Args:
        folder: where they are.
        names: some of ``cases(folder)``.
        threads: CPU threads of the whole process from now on; small cases are fastest with 1, more
            only wait for each other. None leaves them as they are.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    for name in names:
        check = _check(name)
        if check is None:
            yield Checked(name, (), f"no check for {name}")
            continue
        rows: list[Row] = []
        try:
            case = Case.read(folder, name)
            rows = case.rows
            check(case)
        except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
            yield Checked(name, tuple(rows), f"{type(error).__name__}: {error}")
        else:
            yield Checked(name, tuple(rows))


def _check(name: str) -> Callable[[Case], None] | None:
    """The check for a case, None if there is none."""
    return next((check for pattern, check in _CHECKS if re.fullmatch(pattern, name)), None)


def _is_part(folder: Path, name: str) -> bool:
    """Whether other cases read this one: weights, or image tokens without an encoder."""
    if re.fullmatch(r"clip_.+", name):
        return "vision_layers" not in Case.read(folder, name).scalars
    return re.fullmatch(r"dit_.+_weights", name) is not None
