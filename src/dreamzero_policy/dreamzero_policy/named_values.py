"""``NAME=VALUE`` as a user writes it, to values of the fields of a dataclass."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def named_values(texts: Sequence[str], kind: type) -> dict[str, Any]:
    """Values of some fields; of a field that is named twice, the last one.

    Args:
        texts: each ``NAME=VALUE``; ``none`` is a value of a field that may be None.
        kind: the dataclass that has the fields, of numbers, words and switches.

    Raises:
        ValueError: a text of another form, no such field, or a value that it cannot have.
    """
    hints, found = get_type_hints(kind), {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in hints or not value:
            raise ValueError(f"{text!r}: expected NAME=VALUE with one of {', '.join(hints)}")
        try:
            found[name] = _value(value, hints[name])
        except (ValueError, KeyError):
            raise ValueError(f"{text!r}: expected {_words(hints[name])}") from None
    return found


def _value(text: str, hint: Any) -> Any:
    """Text as a type.

    Raises:
        ValueError, KeyError: it is none of it.
    """
    if hint is bool:
        return _WORDS[text.lower()]
    if hint is NoneType:
        return {"none": None}[text.lower()]
    if hint in (int, float, str):
        return hint(text)
    if get_origin(hint) is Literal:
        return {str(choice): choice for choice in get_args(hint)}[text]
    if get_origin(hint) in (Union, UnionType):
        for part in sorted(get_args(hint), key=lambda part: part is str):  # anything is a str
            try:
                return _value(text, part)
            except (ValueError, KeyError):
                continue
    raise ValueError(text)


def _words(hint: Any) -> str:
    """What a value may be, for people."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_words, get_args(hint)))
    name = getattr(hint, "__name__", str(hint))
    return "none" if hint is NoneType else f"a value of type {name}"
