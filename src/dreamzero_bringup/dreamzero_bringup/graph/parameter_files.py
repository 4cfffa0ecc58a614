"""Parameters as users write them: ROS parameter files, and ``node.parameter=value``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

Value = bool | int | float | str | list
"""What a parameter may be."""


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Parameters by section of one ROS parameter file.

    Raises:
        ValueError: it is not YAML, or not laid out as a ROS parameter file.
    """
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: expected a YAML parameter file, got: {error}") from error
    sections: dict[str, dict[str, Any]] = {}
    for section, body in content.items() if isinstance(content, dict) else [(content, None)]:
        parameters = body.get("ros__parameters") if isinstance(body, dict) else None
        if not isinstance(parameters, dict) or len(body) != 1:
            raise ValueError(
                f"{path}: expected sections 'node: {{ros__parameters: {{...}}}}', got {section!r}"
            )
        sections[str(section)] = parameters
    return sections


def overrides(texts: Iterable[str], known: Mapping[str, set[str]]) -> dict[str, dict[str, Value]]:
    """Parses ``node.parameter=value`` and refuses what no node has."""
    parsed: dict[str, dict[str, Value]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        node, dot, parameter = target.strip().partition(".")
        if not (equals and dot and node and parameter):
            raise ValueError(f"override: expected node.parameter=value, got {text!r}")
        if node not in known:
            raise ValueError(f"override {text!r}: no node {node!r}; nodes: {', '.join(known)}")
        if parameter not in known[node]:
            raise ValueError(
                f"override {text!r}: {node} has no parameter {parameter!r}; "
                f"its parameters: {', '.join(sorted(known[node]))}"
            )
        try:
            parsed.setdefault(node, {})[parameter] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ValueError(f"override {text!r}: the value is not YAML: {error}") from error
        if not isinstance(parsed[node][parameter], Value):
            raise ValueError(
                f"override {text!r}: expected a number, text, true, false or a list, got {value!r}"
            )
    return parsed
