"""Message definitions: the text that a bag keeps, and the decoder that is made from it.

A bag carries the definition of every type in it, so it is read by what it was written with,
whatever this software's messages look like today.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.base import TypesysError
from rosbags.typesys.store import Typestore

from dreamzero_policy.data.errors import WrongSchemaError

_RULE = "=" * 80
_FIELD = re.compile(
    r"^[ \t]*(?:([A-Za-z]\w*)/)?(?:msg/)?([A-Za-z]\w*)[^\s#=]*[ \t]+[A-Za-z]\w*", re.M
)
_NUMBERS = (f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))
_PRIMITIVES = {"bool", "byte", "char", "float32", "float64", "string", "wstring", *_NUMBERS}
_STAMPED = ("std_msgs/msg/Header", "builtin_interfaces/msg/Time")


@dataclass(frozen=True)
class Definition:
    """A message type as a bag keeps it.

    Attributes:
        msgtype: as ``sensor_msgs/msg/Image``.
        text: its ``.msg`` file, followed by those of all types in it.
        type_hash: ``RIHS01_...``, which tells one version of a type from another.
    """

    msgtype: str
    text: str
    type_hash: str


def define(msgtype: str, source: Callable[[str], str]) -> Definition:
    """The definition of a type.

    Args:
        msgtype: as ``sensor_msgs/msg/Image``.
        source: gives the text of a type's ``.msg`` file.

    Raises:
        WrongSchemaError: the text is not a message definition.
    """
    parts, seen = [], [msgtype]
    for one in seen:  # grows while it is walked
        text = source(one)
        short = one.replace("/msg/", "/")
        parts.append(text if one == msgtype else f"{_RULE}\nMSG: {short}\n{text}")
        seen += [inner for inner in _inner_types(text, one) if inner not in seen]
    whole = "\n".join(part.rstrip("\n") for part in parts) + "\n"
    return Definition(msgtype, whole, _store(((msgtype, whole),)).hash_rihs01(msgtype))


def _inner_types(text: str, msgtype: str) -> list[str]:
    """Types of the fields of a ``.msg`` text that are messages themselves, each once."""
    home = msgtype.split("/")[0]
    found = (
        f"{package or home}/msg/{name}"
        for package, name in _FIELD.findall(text)
        if package or name not in _PRIMITIVES
    )
    return list(dict.fromkeys(found))


@lru_cache(maxsize=64)
def _store(definitions: tuple[tuple[str, str], ...]) -> Typestore:
    """The types of (name, text) pairs.

    Raises:
        WrongSchemaError: a text cannot be read, or two disagree on a type.
    """
    store = get_typestore(Stores.EMPTY)
    for msgtype, text in definitions:
        try:
            store.register(get_types_from_msg(text, msgtype))
        except (TypesysError, ValueError, KeyError, SyntaxError) as error:
            raise WrongSchemaError(
                f"{msgtype}: expected a message definition, got: {error}"
            ) from error
    return store


class Decoder:
    """Serialised messages to objects, by the definitions of one bag."""

    def __init__(self, definitions: Mapping[str, str]) -> None:
        """Reads the definitions.

        Args:
            definitions: text by type.

        Raises:
            WrongSchemaError: as ``define``.
        """
        self._store = _store(tuple(sorted(definitions.items())))

    def decode(self, msgtype: str, data: bytes) -> Any:
        """The message; its arrays share the memory of ``data``.

        Raises:
            WrongSchemaError: the data does not fit the definition.
        """
        try:
            return self._store.deserialize_cdr(data, msgtype)
        except (SerdeError, TypesysError, KeyError, AssertionError, IndexError) as error:
            raise WrongSchemaError(
                f"{msgtype}: {len(data)} bytes do not fit it: {error}"
            ) from error

    def encode(self, msgtype: str, message: Any) -> bytes:
        """The serialised message, as the middleware would send it."""
        return bytes(self._store.serialize_cdr(message, msgtype))

    def new(self, msgtype: str, **values: Any) -> Any:
        """A message of a type of this bag."""
        return self._store.types[msgtype](**values)

    def fields(self, msgtype: str) -> tuple[str, ...]:
        """Names of the type's fields, in order."""
        return tuple(name for name, _ in self._store.fielddefs[msgtype][1])

    def stamped(self, msgtype: str) -> bool:
        """Whether the type begins with a header or a time, so with a stamp."""
        first = self._store.fielddefs[msgtype][1][:1]
        return bool(first) and first[0][1][1] in _STAMPED

    def type_hash(self, msgtype: str) -> str:
        """``RIHS01_...`` of the type."""
        return self._store.hash_rihs01(msgtype)
