"""Whether a checkpoint on disk is whole: structure, hashes, values; every check runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from dreamzero_policy.checkpoint.key_maps import layout
from dreamzero_policy.checkpoint.load import build
from dreamzero_policy.checkpoint.robot_facts import Experiment
from dreamzero_policy.checkpoint.stored_weights import FiniteCheck, check_layout, read_all, weights
from dreamzero_policy.checkpoint.upstream_config import read_config
from dreamzero_policy.weights.errors import CheckpointError
from dreamzero_policy.weights.tensor_files import listed

SUMS = "SHA256SUMS"
"""File of hashes, in the format of ``sha256sum``."""

_HUB = ".cache/huggingface/download"  # where the hub's own client notes what it fetched
_HASH = re.compile(r"[0-9a-f]{64}")
_PIECE = 1 << 24  # bytes


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
        check: what was looked at.
        passed: whether it is as it should be.
        detail: what was found.
    """

    check: str
    passed: bool
    detail: str


def verify(
    directory: Path, *, base: Path | None = None, write: bool = False, progress: bool = False
) -> list[Finding]:
    """Checks a checkpoint.

    Args:
        directory: of the checkpoint.
        base: the checkpoint that adapters alone belong to.
        write: whether to write the hashes found to ``SHA256SUMS``, over those there.
        progress: whether to show bars on standard error.

    Returns:
        One finding per check.
    """
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("configuration", lambda: _configuration(directory)),
        ("robots", lambda: _robots(directory)),
        ("tensors", lambda: _tensors(directory, base)),
        ("hashes", lambda: _hashes(directory, write, progress)),
        ("values", lambda: _values(directory, base, progress)),
    )
    findings = []
    for name, check in checks:
        try:
            findings.append(Finding(name, True, check()))
        except CheckpointError as error:
            findings.append(Finding(name, False, str(error)))
    return findings


def _configuration(directory: Path) -> str:
    """Whether the sizes make a model."""
    recorded = read_config(directory)
    count = sum(parameter.numel() for parameter in build(recorded.model).parameters())
    return f"{recorded.preset or 'no preset'}, {count:,} parameters"


def _robots(directory: Path) -> str:
    """Whether everything that is said of robots makes sense."""
    experiment = Experiment.read(directory)
    for tag in experiment.tags:
        experiment.robot(tag)
    if not experiment.tags:
        raise CheckpointError(f"{directory}: no robot in the metadata")
    return ", ".join(experiment.tags)


def _tensors(directory: Path, base: Path | None) -> str:
    """Whether names and shapes are those of the model."""
    recorded = read_config(directory)
    found, contents = weights(directory, recorded, base)
    check_layout(directory, layout(build(recorded.model)), found)
    return f"{len(found)} tensors, {len(contents.adapters)} adapters"


def _values(directory: Path, base: Path | None, progress: bool) -> str:
    """Whether every value is finite."""
    found, _ = weights(directory, read_config(directory), base)
    finite = FiniteCheck()
    with _bar(sum(w.stored.nbytes for w in found.values()), "values", progress) as bar:
        for name, tensor in read_all(found):
            finite.add(name, tensor)
            bar.update(tensor.nbytes)
    finite.raise_if_any(directory)
    return f"all finite in {len(found)} tensors"


def _hashes(directory: Path, write: bool, progress: bool) -> str:
    """Whether the files are those that somebody vouched for, if anybody did."""
    files = sorted(_files(directory))
    found: dict[str, str] = {}
    with _bar(sum((directory / name).stat().st_size for name in files), "hashes", progress) as bar:
        for name in files:
            digest = hashlib.sha256()
            with (directory / name).open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    bar.update(len(piece))
            found[name] = digest.hexdigest()
    if write:
        lines = "".join(f"{value}  {name}\n" for name, value in found.items())
        (directory / SUMS).write_text(lines)
        return f"{len(found)} written to {SUMS}"
    known = _downloaded(directory) | _noted(directory)
    if not known:
        return f"{len(found)} files hashed; no {SUMS} to compare with"
    problems = [
        f"{name}: expected {value}, got {found.get(name, 'no such file')}"
        for name, value in sorted(known.items())
        if found.get(name) != value
    ]
    if problems:
        raise CheckpointError(f"{directory}: {listed(problems)}; download these files again")
    return f"{len(known)} of {len(found)} files as noted"


def _files(directory: Path) -> Iterator[str]:
    """Names of the checkpoint's own files, below its directory."""
    for path in directory.rglob("*"):
        name = path.relative_to(directory)
        if path.is_file() and path.name != SUMS and not any(p.startswith(".") for p in name.parts):
            yield name.as_posix()


def _noted(directory: Path) -> dict[str, str]:
    """Hashes in ``SHA256SUMS``."""
    path = directory / SUMS
    if not path.is_file():
        return {}
    noted = {}
    for line in path.read_text(errors="replace").splitlines():
        value, _, name = line.partition("  ")
        if not _HASH.fullmatch(value) or not name:
            raise CheckpointError(f"{path}: expected 'HASH  NAME', got {line[:100]!r}")
        noted[name] = value
    return noted


def _downloaded(directory: Path) -> dict[str, str]:
    """Hashes that the hub's client noted when it fetched large files."""
    noted = {}
    for path in (directory / _HUB).rglob("*.metadata"):
        lines = path.read_text(errors="replace").splitlines()
        if len(lines) > 1 and _HASH.fullmatch(lines[1]):
            noted[path.relative_to(directory / _HUB).as_posix().removesuffix(".metadata")] = lines[
                1
            ]
    return noted


def _bar(total: int, what: str, progress: bool) -> tqdm:
    """A bar over bytes."""
    return tqdm(total=total, unit="B", unit_scale=True, desc=what, disable=not progress)
