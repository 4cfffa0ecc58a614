"""Configuration files as plain data: typed look-ups whose errors name the file and the place in it.

Nothing in a file is ever executed or imported: ``_target_`` strings are text like any other, YAML
tags are refused, and ``${a.b}`` is looked up in the same file.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from dreamzero_policy.weights.errors import CheckpointError
from dreamzero_policy.weights.setting_files import read_json, read_text

_REQUIRED = object()
_REFERENCE = re.compile(r"\$\{([\w.-]+)\}")
_REFERENCE_DEPTH = 10

Plain = TypeVar("Plain")


class Section:
    """A mapping inside a configuration file.

    Args:
        values: the mapping.
        where: file and path in it, for messages.
        root: the whole file, in which references are looked up.
    """

    def __init__(self, values: Mapping[Any, Any], where: str, root: Mapping[Any, Any]) -> None:
        self._values, self.where, self._root = values, where, root

    @classmethod
    def of_json(cls, path: Path) -> Section:
        """The object in a JSON file.

        Raises:
            CheckpointError: there is none.
        """
        values = read_json(path)
        return cls(values, path.name, values)

    @classmethod
    def of_yaml(cls, path: Path) -> Section:
        """The mapping in a YAML file of plain values.

        Raises:
            CheckpointError: there is none, or the file asks for an object to be made.
        """
        try:
            values = yaml.safe_load(read_text(path))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            detail = " ".join(str(error).split())[:200]
            raise CheckpointError(f"{path.name}: not plain YAML ({detail})") from error
        if not isinstance(values, dict):
            raise CheckpointError(f"{path.name}: expected a mapping, got {type(values).__name__}")
        return cls(values, path.name, values)

    def __contains__(self, name: str) -> bool:
        """Whether there is a value called ``name`` that is not null."""
        return self._get(name, None) is not None

    def names(self) -> tuple[str, ...]:
        """Names of all values that are called by a string."""
        return tuple(name for name in self._values if isinstance(name, str))

    def section(self, name: str) -> Section:
        """The mapping called ``name``."""
        return self.sub(name, self._typed(name, dict, "a mapping", _REQUIRED))

    def sub(self, name: str, values: Mapping[Any, Any]) -> Section:
        """A mapping that lies under ``name`` in this one."""
        return Section(values, f"{self.where}: {name}", self._root)

    def whole(self, name: str, default: object = _REQUIRED, *, most: int = 1 << 20) -> Any:
        """The whole number called ``name``, from 1 to ``most``."""
        value = self._get(name, default)
        if value is not default and not (type(value) is int and 1 <= value <= most):
            raise self._wrong(name, f"a whole number from 1 to {most}", value)
        return value

    def number(self, name: str, default: object = _REQUIRED) -> Any:
        """The finite number called ``name``."""
        value = self._get(name, default)
        if value is not default and not _is_number(value):
            raise self._wrong(name, "a finite number", value)
        return value if value is default else float(value)

    def text(self, name: str, default: object = _REQUIRED) -> Any:
        """The string called ``name``."""
        return self._typed(name, str, "a string", default)

    def flag(self, name: str, default: object = _REQUIRED) -> Any:
        """The truth value called ``name``."""
        return self._typed(name, bool, "true or false", default)

    def texts(self, name: str, default: object = _REQUIRED) -> Any:
        """The list of strings called ``name``, as a tuple."""
        value = self._typed(name, list, "a list of strings", default)
        if value is default:
            return value
        if not all(isinstance(item, str) for item in value):
            raise self._wrong(name, "a list of strings", value)
        return tuple(value)

    def items(self, name: str, default: object = _REQUIRED) -> Any:
        """The list called ``name``, references in it looked up."""
        value = self._typed(name, list, "a list", default)
        return value if value is default else [self._resolve(item) for item in value]

    def mapping(self) -> dict[str, Any]:
        """All values by name, references looked up."""
        return {name: self._get(name, None) for name in self.names()}

    def _typed(self, name: str, kind: type, expected: str, default: object) -> Any:
        value = self._get(name, default)
        if value is not default and not isinstance(value, kind):
            raise self._wrong(name, expected, value)
        return value

    def _get(self, name: str, default: object) -> Any:
        value = self._resolve(self._values.get(name))
        if value is None:
            if default is _REQUIRED:
                raise CheckpointError(
                    f"{self.where}: lacks {name!r}; it has {str(self.names())[:300]}"
                )
            return default
        return value

    def _resolve(self, value: object, depth: int = 0) -> Any:
        """A value, or what a reference like ``${a.b}`` stands for."""
        match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return value
        if depth == _REFERENCE_DEPTH:
            raise CheckpointError(f"{self.where}: {value!r} leads from reference to reference")
        found: Any = self._root
        for part in match[1].split("."):
            found = self._resolve(found.get(part), depth + 1) if isinstance(found, dict) else None
        return found

    def _wrong(self, name: str, expected: str, value: object) -> CheckpointError:
        return CheckpointError(
            f"{self.where}: {name}: expected {expected}, got {str(value)[:100]!r}"
        )


def _is_number(value: object) -> bool:
    """Whether a value is a finite number and not a truth value."""
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def to_plain(value: Any) -> Any:
    """A frozen dataclass as what JSON can hold; ``from_plain`` is the inverse."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return [to_plain(item) for item in value] if isinstance(value, tuple) else value


def from_plain(kind: type[Plain], value: object, where: str) -> Plain:
    """A frozen dataclass from plain data, every field checked against its annotation.

    A field that has a default may be missing: it is younger than the file.

    Raises:
        CheckpointError: a field is missing, unknown, or of another type.
    """
    if dataclasses.is_dataclass(kind):
        known = dataclasses.fields(kind)
        names = {field.name for field in known}
        if not isinstance(value, dict):
            raise CheckpointError(f"{where}: expected a mapping, got {str(value)[:100]!r}")
        optional = {
            f.name for f in dataclasses.fields(kind) if f.default is not dataclasses.MISSING
        }
        missing = sorted(names - optional - set(value))
        unknown = sorted(map(str, set(value) - names))
        if missing or unknown:
            raise CheckpointError(f"{where}: missing {missing}, unknown {unknown}"[:1000])
        hints = typing.get_type_hints(kind)
        fields = {n: from_plain(hints[n], value[n], f"{where}.{n}") for n in names & set(value)}
        try:
            return kind(**fields)
        except (ValueError, ArithmeticError) as error:
            raise CheckpointError(f"{where}: {error}") from error
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return from_plain(arguments[0], value, where)
    if origin is Literal:
        if value in arguments:
            return value
    elif origin is tuple and isinstance(value, list):
        if arguments[1:] == (...,):
            return tuple(from_plain(arguments[0], item, where) for item in value)
        if len(value) == len(arguments):
            return tuple(from_plain(a, v, where) for a, v in zip(arguments, value, strict=True))
    elif kind is float and _is_number(value):
        return float(value)
    elif type(value) is kind:
        return value
    raise CheckpointError(f"{where}: expected {kind}, got {str(value)[:100]!r}")
