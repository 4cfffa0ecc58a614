"""Parameters of a node from one frozen dataclass, declared with descriptors and checked.

A node's settings are the fields of a class derived from ``NodeParameters``, each made with
``parameter``.
``declare`` turns them into declared ROS parameters and hands back a checked instance. Everything
that an installation can get wrong is a ``ValueError`` that names the parameter, what was expected
and what came: a misspelt name (which rclpy ignores in silence), a wrong type, a value out of
bounds, a missing one.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

REQUIRED: Any = object()
"""Default of a parameter that the user must set."""

_TYPES: dict[Any, tuple[type, bool, str]] = {
    bool: (bool, False, "true or false"),
    int: (int, False, "an integer"),
    float: (float, False, "a number"),
    str: (str, False, "a string"),
    tuple[int, ...]: (int, True, "a list of integers"),
    tuple[float, ...]: (float, True, "a list of numbers"),
    tuple[str, ...]: (str, True, "a list of strings"),
}

P = TypeVar("P", bound="NodeParameters")


def parameter(
    default: Any,
    description: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[Any, ...] = (),
    live: bool = False,
) -> Any:
    """A dataclass field that is a ROS parameter.

    Args:
        default: its value where nothing sets it, or ``REQUIRED``.
        description: one sentence with the unit; ``ros2 param describe`` shows it.
        at_least: inclusive lower bound of a number, or of every number of a list.
        at_most: inclusive upper bound.
        choices: the only values allowed, where not empty.
        live: may change while the node runs; every other parameter is read-only.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "description": description,
            "at_least": at_least,
            "at_most": at_most,
            "choices": choices,
            "live": live,
        },
    )


@dataclass(frozen=True, kw_only=True)
class NodeParameters:
    """What every node of this stack has."""

    robot: str = parameter(
        REQUIRED, "Name of the robot layout (embodiment), such as droid, or path of its own file."
    )
    autostart: bool = parameter(
        True, "Configure and activate at start; false waits for lifecycle transitions."
    )

    @property
    def robot_name(self) -> str:
        """Name of the robot, wherever its file is."""
        return Path(self.robot).stem


def _fields(cls: type[P]) -> dict[str, tuple[dataclasses.Field, Any]]:
    """Name to (field, type) in the order of declaration."""
    hints = get_type_hints(cls)
    return {field.name: (field, hints[field.name]) for field in dataclasses.fields(cls)}


def _checked(name: str, field: dataclasses.Field, kind: Any, value: Any) -> Any:
    """``value`` as the field's type; integers serve as numbers, lists become tuples.

    Raises:
        ValueError: a wrong type, a value out of bounds or not among the choices.
    """
    element, many, words = _TYPES[kind]
    values = list(value) if many and isinstance(value, Iterable) else [value]
    if many != (isinstance(value, Iterable) and not isinstance(value, str)) or not all(
        _is(element, item) for item in values
    ):
        raise ValueError(
            f"parameter {name}: expected {words}, got {value!r} ({type(value).__name__})"
        )
    values = [element(item) for item in values]
    low, high = field.metadata["at_least"], field.metadata["at_most"]
    for item in values:
        if element is float and not math.isfinite(item):
            raise ValueError(f"parameter {name}: expected a finite number, got {item}")
        if (low is not None and item < low) or (high is not None and item > high):
            bounds = " and ".join(
                f"{words} {bound}"
                for words, bound in (("at least", low), ("at most", high))
                if bound is not None
            )
            raise ValueError(f"parameter {name}: expected {bounds}, got {item}")
        choices = field.metadata["choices"]
        if choices and item not in choices:
            raise ValueError(
                f"parameter {name}: expected one of {', '.join(map(str, choices))}, got {item!r}"
            )
    return tuple(values) if many else values[0]


def _is(element: type, item: Any) -> bool:
    """Whether a parameter value may stand for ``element``; a bool is not a number here."""
    if element is float:
        return isinstance(item, int | float) and not isinstance(item, bool)
    if element is int:
        return isinstance(item, int) and not isinstance(item, bool)
    return isinstance(item, element)


def resolve(cls: type[P], overrides: Mapping[str, Any]) -> P:
    """An instance of ``cls`` with every override checked and applied.

    Raises:
        ValueError: an override that is no field, a wrong type, a value out of bounds, or a
            required parameter that nothing sets.
    """
    fields = _fields(cls)
    for name in overrides:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(
                f"unknown parameter {name}: {hint}Known parameters: {', '.join(sorted(fields))}"
            )
    values = {}
    for name, (field, kind) in fields.items():
        if name in overrides:
            values[name] = _checked(name, field, kind, overrides[name])
        elif field.default is REQUIRED:
            raise ValueError(
                f"parameter {name} is not set and has no default: expected {_TYPES[kind][2]}. "
                f"{field.metadata['description']}"
            )
        else:
            values[name] = _checked(name, field, kind, field.default)
    return cls(**values)


def descriptor(field: dataclasses.Field, kind: Any) -> ParameterDescriptor:
    """What ``ros2 param describe`` says of a field."""
    meta, (element, many, _) = field.metadata, _TYPES[kind]
    said = ParameterDescriptor(description=meta["description"], read_only=not meta["live"])
    # An empty list has no element type that rclpy could infer.
    said.dynamic_typing = many
    if meta["choices"]:
        said.additional_constraints = "one of " + ", ".join(map(str, meta["choices"]))
    low, high = meta["at_least"], meta["at_most"]
    if not many and (low is not None or high is not None):
        if element is int:
            said.integer_range = [
                IntegerRange(
                    from_value=int(-(2**63) if low is None else low),
                    to_value=int(2**63 - 1 if high is None else high),
                )
            ]
        else:
            said.floating_point_range = [
                FloatingPointRange(
                    from_value=-math.inf if low is None else float(low),
                    to_value=math.inf if high is None else float(high),
                )
            ]
    return said


def declare(node: Node, cls: type[P], on_change: Callable[[P], None] | None = None) -> P:
    """Declares every field of ``cls`` on ``node`` and returns the checked values.

    Args:
        node: a node whose overrides come from its command line or parameter file.
        cls: the node's parameters.
        on_change: called with a new instance after a live parameter was changed. A ``ValueError``
            that it raises refuses the change.

    Raises:
        ValueError: as ``resolve``.
    """
    overrides = {
        name: given.value
        for name, given in node._parameter_overrides.items()
        if not node.has_parameter(name) and not name.startswith("qos_overrides.")
    }
    current = resolve(cls, overrides)
    fields = _fields(cls)
    for name, (field, kind) in fields.items():
        value = getattr(current, name)
        node.declare_parameter(
            name,
            list(value) if isinstance(value, tuple) else value,
            descriptor(field, kind),
            ignore_override=True,
        )

    def check(changed: list[Parameter]) -> SetParametersResult:
        nonlocal current
        try:
            values = {
                given.name: _checked(given.name, *fields[given.name], given.value)
                for given in changed
                if given.name in fields
            }
            proposed = dataclasses.replace(current, **values)
            if values and on_change is not None:
                on_change(proposed)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        current = proposed
        return SetParametersResult(successful=True)

    if any(field.metadata["live"] for field, _ in fields.values()):
        node.add_on_set_parameters_callback(check)
    return current
