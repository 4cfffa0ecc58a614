"""Messages on the socket: a fixed header, then one JSON object. PROTOCOL.md says which there are.

Both ends use this file. It knows no message, only what every message is: an object with a ``type``,
whose numbers are finite.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

VERSION = 1
"""Of the protocol; both ends must have the same."""

MAGIC = b"DZG1"
LARGEST = 64 * 1024
"""Bytes of one message; the largest that is meant to come has about four thousand."""

BUFFER = 64 * 1024
"""Bytes that may wait to be sent: about a second of states. More is an end that does not read."""

_HEADER = struct.Struct("!4sHI")  # magic, version, bytes that follow


class FrameError(ValueError):
    """The stream is not what it should be: nothing after this point can be read."""


class VersionError(FrameError):
    """The other end speaks another version."""


def encode(message: dict[str, Any]) -> bytes:
    """The bytes of one message.

    Raises:
        FrameError: no ``type``, a number that is not finite, or too long.
    """
    if not isinstance(message.get("type"), str):
        raise FrameError(f"a message needs a type, got {message!r:.200}")
    try:
        body = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise FrameError(f"{message['type']} cannot be sent: {error}") from error
    if len(body) > LARGEST:
        raise FrameError(f"{message['type']}: expected at most {LARGEST} bytes, got {len(body)}")
    return _HEADER.pack(MAGIC, VERSION, len(body)) + body


class Decoder:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that ``data`` completes, oldest first.

        Raises:
            VersionError: another version of the protocol.
            FrameError: not this protocol, or a message that is not an object with a type; the
                connection is to be closed.
        """
        self._waiting += data
        messages = []
        while len(self._waiting) >= _HEADER.size:
            magic, version, length = _HEADER.unpack_from(self._waiting)
            if magic != MAGIC:
                raise FrameError(f"expected a message that begins with {MAGIC!r}, got {magic!r}")
            if version != VERSION:
                raise VersionError(f"expected version {VERSION} of the protocol, got {version}")
            if length > LARGEST:
                raise FrameError(f"expected at most {LARGEST} bytes, got a message of {length}")
            end = _HEADER.size + length
            if len(self._waiting) < end:
                break
            body = bytes(self._waiting[_HEADER.size : end])
            del self._waiting[:end]
            messages.append(_parsed(body))
        return messages


def _parsed(body: bytes) -> dict[str, Any]:
    """The object in ``body``."""
    try:
        message = json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not a message: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise FrameError(f"expected an object with a type, got {body[:80]!r}")
    return message


def _refuse(constant: str) -> float:
    """Refuses NaN and infinities, which are no JSON."""
    raise ValueError(f"{constant} is not a number")


# Fields of a message; each raises FrameError with its name.


def text(message: dict[str, Any], name: str) -> str:
    """A string."""
    value = message.get(name)
    if not isinstance(value, str):
        raise _wrong(message, name, "a text", value)
    return value


def integer(message: dict[str, Any], name: str) -> int:
    """An integer, for counts and nanoseconds."""
    value = message.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
        raise _wrong(message, name, "an integer of 64 bits", value)
    return value


def number(message: dict[str, Any], name: str) -> float:
    """A finite number."""
    value = message.get(name)
    if not _finite(value):
        raise _wrong(message, name, "a finite number", value)
    return float(value)


def numbers(message: dict[str, Any], name: str, count: int) -> list[float]:
    """``count`` finite numbers."""
    value = message.get(name)
    if not isinstance(value, list) or len(value) != count or not all(map(_finite, value)):
        raise _wrong(message, name, f"{count} finite numbers", value)
    return [float(one) for one in value]


def objects(message: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects."""
    value = message.get(name)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _wrong(message, name, "a list of objects", value)
    return value


def _finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that is too large for a float
        return False


def _wrong(message: dict[str, Any], name: str, expected: str, value: Any) -> FrameError:
    return FrameError(
        f"{message.get('type', 'message')}.{name}: expected {expected}, got {value!r:.120}"
    )
