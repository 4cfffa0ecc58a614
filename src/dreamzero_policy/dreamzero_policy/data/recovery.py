"""Mends a bag whose recording was cut off, at whatever byte.

What can be read of the old file is written to a new one beside it, which is read back and compared
before the old one goes. A file that lacks only ``metadata.yaml`` or its index is the same case.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, Message, Metadata, Schema
from mcap.stream_reader import get_chunk_data_stream
from mcap.writer import MCAP0_MAGIC

from dreamzero_policy.data.bag_writer import BagWriter
from dreamzero_policy.data.definitions import Definition
from dreamzero_policy.data.episode_facts import (
    END,
    EVENT,
    START,
    Ending,
    EpisodeFacts,
    Event,
    from_metadata,
)
from dreamzero_policy.data.errors import BagError, DamagedBagError, NotABagError
from dreamzero_policy.data.rosbag2_layout import (
    METADATA,
    BagSummary,
    qos_profiles,
    sync_folder,
    write_metadata,
)

RECOVERED = "_0_recovered.mcap"
"""How the name of a mended file ends, after the episode's."""

_HEAD = struct.Struct("<BQ")
_CHUNK_HEAD = struct.Struct("<QQQII")
_UNREADABLE = (McapError, ValueError, RuntimeError, struct.error)  # a wrong checksum is the second
Record = Schema | Channel | Message | Metadata


@dataclass(frozen=True)
class Recovered:
    """What recovery did.

    Attributes:
        folder: of the bag.
        messages: count in the mended bag.
        damaged: chunks and records that were left out because they are not what was written.
        lost_bytes: at the end of the old file, of which nothing could be made.
        last_ns: log time of the last message; 0 for none.
    """

    folder: Path
    messages: int
    damaged: int
    lost_bytes: int
    last_ns: int


class _Salvage:
    """The records of a file that may end anywhere.

    Attributes:
        damaged: chunks and records whose content is not what was written.
        lost_bytes: after the last record.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self.damaged = self.lost_bytes = 0

    def records(self) -> Iterator[Record]:
        """Every record that is whole, and what is whole of the last chunk."""
        self._file.seek(0)
        if self._file.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
            self.lost_bytes = self._size
            return
        while (end := self._size - self._file.tell()) > 0:
            self.lost_bytes = end
            head = self._file.read(_HEAD.size)
            opcode, length = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0)
            if opcode == 0:  # cut inside a head, or a tail of zeros that a power cut left
                return
            if opcode in (Opcode.DATA_END, Opcode.FOOTER):
                break
            whole = length <= self._size - self._file.tell()
            if opcode == Opcode.CHUNK:
                yield from self._chunk(length, whole)
            elif whole and opcode in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.METADATA):
                yield from self._alone(opcode, self._file.read(length))
            elif whole:
                self._file.seek(length, os.SEEK_CUR)
            if not whole:
                return
        self.lost_bytes = 0

    def _alone(self, opcode: int, data: bytes) -> Iterator[Record]:
        """A record outside of chunks, if it can be read."""
        try:
            yield _record(opcode, data)
        except _UNREADABLE:
            self.damaged += 1

    def _chunk(self, length: int, whole: bool) -> Iterator[Record]:
        """The records of a chunk; of one that was cut off, if it is not compressed."""
        data = self._file.read(length)
        if whole:
            try:
                chunk = Chunk.read(ReadDataStream(BytesIO(data)))
                stream, size = get_chunk_data_stream(chunk, validate_crc=True)
                yield from _inner(stream.read(size))
            except _UNREADABLE:
                self.damaged += 1
            return
        if len(data) < _CHUNK_HEAD.size:
            return
        name_length = _CHUNK_HEAD.unpack_from(data)[4]
        if name_length == 0:
            with suppress(*_UNREADABLE):
                yield from _inner(data[_CHUNK_HEAD.size + 8 :])


def _inner(data: bytes) -> Iterator[Record]:
    """The whole records of a chunk's content, which may be cut off."""
    at = 0
    while at + _HEAD.size <= len(data):
        opcode, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if opcode == 0 or at + length > len(data):
            return
        if opcode in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE):
            yield _record(opcode, data[at : at + length])
        at += length


def _record(opcode: int, data: bytes) -> Record:
    """A record of its content."""
    stream = ReadDataStream(BytesIO(data))
    if opcode == Opcode.MESSAGE:
        return Message.read(stream, len(data))
    kinds = {Opcode.SCHEMA: Schema, Opcode.CHANNEL: Channel, Opcode.METADATA: Metadata}
    return kinds[Opcode(opcode)].read(stream)


def is_being_recorded(path: Path) -> bool:
    """Whether a process has the MCAP file open for writing."""
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def recover(folder: Path, *, keep_original: bool = False) -> Recovered:
    """Makes a complete bag of one that was cut off.

    Args:
        folder: of the bag; nothing is done with one that is complete.
        keep_original: leave the old file where it is, beside the mended one.

    Returns:
        What was found. Killed meanwhile, recovery begins again the next time.

    Raises:
        NotABagError: no folder with an MCAP file, or a complete bag.
        BagError: it is still being recorded.
        DamagedBagError: what was written is not what is read back; the old file stays.
        OSError: the disk is full; the old file stays.
    """
    original = _original(folder)
    mended = folder / f"{folder.name}{RECOVERED}"
    mended.unlink(missing_ok=True)  # of a recovery that was cut off itself
    with open(original, "rb") as file:
        salvage = _Salvage(file)
        try:
            written = _rewrite(folder, salvage, mended.name)
        except BaseException:
            mended.unlink(missing_ok=True)
            raise
    if _fingerprint(mended) != written.fingerprint:
        mended.unlink()
        raise DamagedBagError(f"{mended}: what was written is not what is read back; try again")
    write_metadata(folder, written.summary)
    if not keep_original:
        original.unlink()
        sync_folder(folder)
    return Recovered(
        folder, written.summary.count, salvage.damaged, salvage.lost_bytes, written.last_ns
    )


def _original(folder: Path) -> Path:
    """The file that was cut off.

    Raises:
        NotABagError, BagError: as ``recover``.
    """
    files = [path for path in sorted(folder.glob("*.mcap")) if not path.name.endswith(RECOVERED)]
    if (folder / METADATA).exists():
        raise NotABagError(f"{folder}: expected a recording that was cut off, got a complete one")
    if len(files) != 1:
        raise NotABagError(
            f"{folder}: expected a folder with one MCAP file, got {[path.name for path in files]}"
        )
    if is_being_recorded(files[0]):
        raise BagError(f"{folder}: expected a recording that has ended, it is still being recorded")
    return files[0]


class _Rewritten:
    """A new file that takes what is salvaged of an old one."""

    def __init__(self, folder: Path, file: str) -> None:
        self._folder, self._file = folder, file
        self._writer: BagWriter | None = None
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self.ending: Ending | None = None
        self.fingerprint, self.last_ns = 0, 0

    @property
    def writer(self) -> BagWriter:
        """The new file; without facts where the old one had none."""
        if self._writer is None:
            self._begin(EpisodeFacts(self._folder.name, robot="", started_ns=0))
        return self._writer

    def take(self, record: Record) -> None:
        """Adds a record."""
        match record:
            case Schema():
                self._schemas[record.id] = record
            case Channel():
                self._channels[record.id] = record
            case Message():
                self._message(record)
            case Metadata():
                with suppress(DamagedBagError):  # the messages are worth more
                    self._metadata(record)

    def _metadata(self, record: Metadata) -> None:
        if record.name == START and self._writer is None:
            self._begin(from_metadata(EpisodeFacts, record.metadata))
        elif record.name == EVENT:
            self.writer.event(from_metadata(Event, record.metadata))
        elif record.name == END:
            self.ending = from_metadata(Ending, record.metadata)

    def abandon(self) -> None:
        """Gives the new file back, unfinished."""
        if self._writer is not None:
            self._writer.abandon()

    def _begin(self, facts: EpisodeFacts) -> None:
        self._writer = BagWriter(self._folder, facts, file=self._file)

    def _message(self, message: Message) -> None:
        channel = self._channels.get(message.channel_id)
        schema = channel and self._schemas.get(channel.schema_id)
        if channel is None or schema is None:  # its chunk was damaged
            return
        if not self.writer.knows(channel.topic):
            definition = Definition(
                schema.name, schema.data.decode(), channel.metadata.get("topic_type_hash", "")
            )
            profiles = qos_profiles(channel.metadata.get("offered_qos_profiles", ""))
            self.writer.add_topic(channel.topic, definition, profiles)
        self.writer.write(channel.topic, message.data, message.log_time, message.publish_time)
        self.fingerprint = _mark(self.fingerprint, channel.topic, message)
        self.last_ns = max(self.last_ns, message.log_time)


@dataclass(frozen=True)
class _Result:
    """A new file, its summary, and what its content must be."""

    summary: BagSummary
    fingerprint: int
    last_ns: int


def _rewrite(folder: Path, salvage: _Salvage, file: str) -> _Result:
    """Writes what is salvaged to a new file."""
    new = _Rewritten(folder, file)
    try:
        for record in salvage.records():
            new.take(record)
        ending = new.ending or Ending(
            new.last_ns, "interrupted", "the recording was cut off and recovered"
        )
        summary = new.writer.close(ending)
    except BaseException:
        new.abandon()
        raise
    return _Result(summary, new.fingerprint, new.last_ns)


def _fingerprint(path: Path) -> int:
    """The fingerprint of a complete file, with every checksum looked at."""
    value = 0
    with open(path, "rb") as file:
        reader = make_reader(file, validate_crcs=True)
        for _, channel, message in reader.iter_messages(log_time_order=False):
            value = _mark(value, channel.topic, message)
    return value


def _mark(value: int, topic: str, message: Message) -> int:
    head = f"{topic} {message.log_time} {message.publish_time}".encode()
    return zlib.crc32(message.data, zlib.crc32(head, value))
