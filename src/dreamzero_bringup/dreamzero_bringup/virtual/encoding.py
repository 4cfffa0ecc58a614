"""ROS messages to the bytes that the middleware would send.

``rclpy.serialization`` is not used: the buffer that it gives ends with bytes that belong to no
field and differ from run to run, which no reader of a recording may be made to swallow.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np

from dreamzero_policy.data.definitions import Decoder, Definition


class Encoder:
    """Serialises messages by the definitions that go into the bag.

    Args:
        definitions: of every type that will be said.
    """

    def __init__(self, definitions: Iterable[Definition]) -> None:
        self._decoder = Decoder({one.msgtype: one.text for one in definitions})

    def __call__(self, message: Any) -> bytes:
        """The serialised message.

        Args:
            message: of a class of rclpy's.
        """
        return self._decoder.encode(_name(message), self._plain(message))

    def _plain(self, value: Any) -> Any:
        """A message, or a field of one, as the encoder takes it."""
        if isinstance(value, array):
            return np.asarray(value)
        if isinstance(value, list):
            return [self._plain(one) for one in value]
        if not hasattr(value, "get_fields_and_field_types"):
            return value
        fields = value.get_fields_and_field_types()
        parts = {name: self._plain(getattr(value, name)) for name in fields}
        return self._decoder.new(_name(value), **parts)


def _name(message: Any) -> str:
    """``package/msg/Type`` of a message."""
    kind = type(message)
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
