"""The files of a checkpoint that are text: bounded in size, and without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dreamzero_policy.weights.errors import CheckpointError

_LARGEST = 64_000_000  # bytes, far above any index


def parse_json(text: bytes, path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        CheckpointError: it is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON ({str(error)[:200]})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        CheckpointError: the file is missing, too large or holds none.
    """
    return parse_json(read_text(path), path)


def read_text(path: Path) -> bytes:
    """The bytes of a configuration file.

    Raises:
        CheckpointError: the file is missing or too large to be one.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise CheckpointError(f"{path}: {path.stat().st_size} bytes are no configuration")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
