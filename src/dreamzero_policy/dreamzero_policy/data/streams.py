"""The messages of one topic of an episode, decoded when they are asked for."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dreamzero_policy.data.definitions import Decoder
from dreamzero_policy.data.errors import (
    ClockJumpError,
    JointsChangedError,
    OlderMessagesError,
    WrongSchemaError,
)
from dreamzero_policy.data.mapped_file import BagMessage, MappedFile, Place
from dreamzero_policy.observation.images import rgb
from dreamzero_policy.types import NS_PER_S, Float, Image, Int, frozen

JUMP_NS = NS_PER_S
"""A stamp that lies further back than that before the one ahead of it: the clock was set back. What
lies back by less is a message out of order, which live nodes leave out."""

_STAMP = struct.Struct("<iI")


@dataclass(frozen=True)
class JointSeries:
    """The joint messages of an episode, by name.

    Attributes:
        names: J joint names, in the order of the first message.
        stamps_ns: [N] int64 header stamps.
        positions: [N, J] float64, in the sender's units.
        velocities: [N, J] float64, NaN where the sender gave none.
    """

    names: tuple[str, ...]
    stamps_ns: Int
    positions: Float
    velocities: Float


class Stream:
    """The messages of one topic, in the order in which they were received.

    Attributes:
        topic: as recorded.
        msgtype: its type.
    """

    def __init__(
        self, file: MappedFile, decoder: Decoder, topic: str, msgtype: str, places: list[Place]
    ) -> None:
        self.topic, self.msgtype = topic, msgtype
        self._file, self._decoder, self._places = file, decoder, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Any:
        """The message, decoded.

        Raises:
            WrongSchemaError: it does not fit its definition.
        """
        return self._decode(self.raw(index).data)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def raw(self, index: int) -> BagMessage:
        """The message as it was recorded."""
        return self._file.message(self.topic, self._places[index])

    def picture(self, index: int) -> Image:
        """[H, W, 3] uint8 RGB of a camera's message, by the very code of the live nodes.

        Raises:
            WrongSchemaError: it is no picture, or one that cannot be converted.
        """
        message = self[index]
        if not hasattr(message, "data") or not hasattr(message, "header"):
            raise WrongSchemaError(f"{self.topic}: expected pictures, got {self.msgtype}")
        try:
            return rgb(message, self.topic)
        except ValueError as error:
            raise WrongSchemaError(f"message {index}: {error}") from error

    def pictures(self) -> Iterator[Image]:
        """Every picture, one at a time."""
        return (self.picture(index) for index in range(len(self)))

    @cached_property
    def log_ns(self) -> Int:
        """[N] when each message was received: ROS time of the recorder."""
        return frozen(np.array([place.log_ns for place in self._places], dtype=np.int64))

    @cached_property
    def raw_stamps_ns(self) -> Int:
        """[N] header stamp, or first stamp, of each message, whatever it says.

        Where the type has none: when it was received.
        """
        if not self._decoder.stamped(self.msgtype):
            return self.log_ns
        stamps = np.empty(len(self), dtype=np.int64)
        for index in range(len(self)):
            data = self.raw(index).data
            if len(data) < 12 or data[1] != 1:
                stamps[index] = self._slow_stamp(index)
                continue
            seconds, nanoseconds = _STAMP.unpack_from(data, 4)
            stamps[index] = seconds * NS_PER_S + nanoseconds
        return frozen(stamps)

    @property
    def stamps_ns(self) -> Int:
        """[N] as ``raw_stamps_ns``.

        Raises:
            ClockJumpError: they go back by more than ``JUMP_NS`` somewhere.
        """
        stamps = self.raw_stamps_ns
        back = np.flatnonzero(np.diff(stamps) < -JUMP_NS)
        if len(back):
            at = int(back[0])
            raise ClockJumpError(
                f"{self.topic}: expected stamps that advance, got {stamps[at + 1]} ns after "
                f"{stamps[at]} ns: the clock was set back by "
                f"{(stamps[at] - stamps[at + 1]) / NS_PER_S:.3f} s at message {at + 1}"
            )
        return stamps

    def newest_until(self, instant_ns: int) -> int:
        """Index of the message received last not later than an instant; -1 for none."""
        return bisect_right(self._places, instant_ns, key=lambda place: place.log_ns) - 1

    def require(self, *fields: str) -> None:
        """Says where this bag's messages lack a field that today's have.

        Raises:
            OlderMessagesError: they do.
        """
        have = self._decoder.fields(self.msgtype)
        missing = [name for name in fields if name not in have]
        if missing:
            raise OlderMessagesError(
                f"{self.topic}: expected {self.msgtype} with {', '.join(missing)}, got a version "
                f"of it with only {', '.join(have)}: recorded by an older version of this software"
            )

    def joints(self) -> JointSeries:
        """Positions and velocities of ``JointState`` messages, by name.

        Raises:
            JointsChangedError: names or their number change, or do not fit the positions.
            WrongSchemaError: the type has no names and positions.
            ClockJumpError: as ``stamps_ns``.
        """
        if self.msgtype != "sensor_msgs/msg/JointState":
            raise WrongSchemaError(f"{self.topic}: expected joint states, got {self.msgtype}")
        stamps = self.stamps_ns
        names: tuple[str, ...] = tuple(self[0].name) if len(self) else ()
        column = {name: number for number, name in enumerate(names)}
        positions = np.empty((len(self), len(names)))
        velocities = np.full((len(self), len(names)), np.nan)
        for index, message in enumerate(self):
            given = message.name
            order = [column.get(name, -1) for name in given]
            whole = len(given) == len(names) and sorted(order) == list(range(len(names)))
            if not whole or len(message.position) != len(names):
                raise JointsChangedError(
                    f"{self.topic}: expected joints {', '.join(names) or 'none'}, got "
                    f"{', '.join(given) or 'none'} with {len(message.position)} positions in "
                    f"message {index} at {stamps[index]} ns"
                )
            positions[index, order] = message.position
            if len(message.velocity) == len(names):
                velocities[index, order] = message.velocity
        return JointSeries(names, stamps, frozen(positions), frozen(velocities))

    def _decode(self, data: memoryview) -> Any:
        try:
            return self._decoder.decode(self.msgtype, data)
        except WrongSchemaError as error:
            raise WrongSchemaError(f"{self.topic}: {error}") from error

    def _slow_stamp(self, index: int) -> int:
        """The stamp of a message that this machine's byte order does not fit, or that is short."""
        first = self._decoder.fields(self.msgtype)[0]
        stamp = getattr(self[index], first)
        stamp = getattr(stamp, "stamp", stamp)
        return stamp.sec * NS_PER_S + stamp.nanosec
