"""Small files of datasets: JSON, and JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Writes JSON for people to read, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(new, path)


def write_lines(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Writes one line of JSON per entry."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        OSError: it is not there.
        ValueError: it is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got: {error}") from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The entries of a file of JSON lines.

    Raises:
        OSError, ValueError: as ``read_json``.
    """
    try:
        return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    except ValueError as error:
        raise ValueError(f"{path}: expected a line of JSON per entry, got: {error}") from error
