"""Messages of an MCAP file, each found by its place when somebody wants it."""

from __future__ import annotations

import mmap
import struct
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.records import Chunk, ChunkIndex, MessageIndex
from mcap.stream_reader import get_chunk_data_stream

from dreamzero_policy.data.errors import DamagedBagError

_CHUNKS_KEPT = 4
_MESSAGE = struct.Struct("<BQHIQQ")
_CHUNK_HEAD = 49
"""Bytes of a chunk's record before its content, where that is not compressed."""


class Place(NamedTuple):
    """Where a message is: log time, number of its chunk, offset in the chunk, topic's channel."""

    log_ns: int
    chunk: int
    offset: int
    channel: int


class BagMessage(NamedTuple):
    """A message as it was recorded."""

    topic: str
    log_ns: int
    publish_ns: int
    data: memoryview


class MappedFile:
    """The content of chunks, from a mapped file."""

    def __init__(self, path: Path, chunks: Sequence[ChunkIndex]) -> None:
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.path, self._chunks = path, chunks
        self._kept: OrderedDict[int, memoryview] = OrderedDict()
        self._view = memoryview(self._map)

    def read(self, start: int, length: int) -> bytes:
        """Bytes of the file."""
        return bytes(self._view[start : start + length])

    def chunk(self, number: int) -> memoryview:
        """The records of a chunk; the last few that were compressed are kept."""
        index = self._chunks[number]
        if not index.compression:
            start = index.chunk_start_offset + _CHUNK_HEAD
            return self._view[start : start + index.uncompressed_size]
        if number not in self._kept:
            self._kept[number] = memoryview(self.checked(number))
            if len(self._kept) > _CHUNKS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]

    def checked(self, number: int) -> bytes:
        """The records of a chunk, whose checksum is right.

        Raises:
            DamagedBagError: it is not.
        """
        index = self._chunks[number]
        raw = self.read(index.chunk_start_offset + 9, index.chunk_length - 9)
        try:
            chunk = Chunk.read(ReadDataStream(BytesIO(raw)))
            stream, size = get_chunk_data_stream(chunk, validate_crc=True)
            return stream.read(size)
        except (McapError, ValueError, RuntimeError, struct.error) as error:
            raise DamagedBagError(
                f"{self.path}: chunk {number} at byte {index.chunk_start_offset}: {error}"
            ) from error

    def places(self, channel: int) -> list[Place]:
        """Where the messages of a channel are, by log time."""
        found = []
        for number, chunk in enumerate(self._chunks):
            offset = chunk.message_index_offsets.get(channel)
            if offset is not None:
                index = self._message_index(offset)
                found += [Place(log_ns, number, at, channel) for log_ns, at in index]
        return sorted(found)

    def _message_index(self, offset: int) -> list[tuple[int, int]]:
        _, length = struct.unpack("<BQ", self.read(offset, 9))
        content = BytesIO(self.read(offset + 9, length))
        return MessageIndex.read(ReadDataStream(content)).records

    def message(self, topic: str, place: Place) -> BagMessage:
        """The message at a place."""
        chunk = self.chunk(place.chunk)
        _, length, channel, _, log_ns, publish_ns = _MESSAGE.unpack_from(chunk, place.offset)
        if (channel, log_ns) != (place.channel, place.log_ns):
            raise DamagedBagError(f"{self.path}: chunk {place.chunk} is not what its index says")
        start = place.offset + _MESSAGE.size
        data = chunk[start : place.offset + 9 + length]
        return BagMessage(topic, log_ns, publish_ns, data)

    def close(self) -> None:
        """Gives the file back; the memory of messages that are still used goes with them."""
        self._kept.clear()
        with suppress(BufferError):
            self._view.release()
            self._map.close()
