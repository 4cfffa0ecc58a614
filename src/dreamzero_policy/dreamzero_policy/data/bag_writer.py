"""Writes an episode as a rosbag2 bag: serialised messages in, never decoded.

What is in a chunk of the file survives the process; ``flush`` ends the chunk in progress, ``sync``
has it survive the machine. Whoever writes calls both on a clock. A bag is complete once ``finish``
has put ``metadata.yaml`` beside the file; without that it was cut off.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mcap.writer import CompressionType, Writer

from dreamzero_policy.data.definitions import Definition
from dreamzero_policy.data.episode_facts import (
    END,
    EVENT,
    START,
    Ending,
    EpisodeFacts,
    Event,
    to_metadata,
)
from dreamzero_policy.data.errors import WrongSchemaError
from dreamzero_policy.data.rosbag2_layout import (
    MESSAGE_ENCODING,
    METADATA_RECORD,
    PROFILE,
    SCHEMA_ENCODING,
    BagSummary,
    Qos,
    TopicSummary,
    mcap_name,
    qos_text,
    sync_folder,
    text,
    write_metadata,
)

COMPRESSIONS = {
    "none": CompressionType.NONE,
    "lz4": CompressionType.LZ4,
    "zstd": CompressionType.ZSTD,
}
"""How chunks may be compressed."""

LIBRARY = "dreamzero"


class _Disk:
    """A new file to which every write goes at once, whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # gone with the process, however it ends
        self._size = 0

    def tell(self) -> int:
        """Bytes so far."""
        return self._size

    def write(self, data: bytes) -> int:
        """Appends; a disk that is full leaves the file as it was."""
        view = memoryview(data)
        done = 0
        try:
            while done < len(view):
                done += os.write(self._descriptor, view[done:])
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += done
        return done

    def flush(self) -> None:
        """Nothing waits here."""

    def sync(self) -> None:
        """Waits until the disk has everything."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Gives the file back; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass
class _Topic:
    """A topic of the file and what was written of it."""

    channel: int
    definition: Definition
    qos: tuple[Qos, ...]
    count: int = 0


@dataclass
class _Span:
    """First and last log time of what was written."""

    first_ns: int | None = None
    last_ns: int = 0

    def widen(self, log_ns: int) -> None:
        self.first_ns = log_ns if self.first_ns is None else min(self.first_ns, log_ns)
        self.last_ns = max(self.last_ns, log_ns)


@dataclass(frozen=True)
class Written:
    """What is in the file so far.

    Attributes:
        messages: count.
        payload_bytes: of the messages.
        file_bytes: of the file; the chunk in progress is not in it.
        counts: messages by topic.
    """

    messages: int
    payload_bytes: int
    file_bytes: int
    counts: Mapping[str, int] = field(default_factory=dict)


class BagWriter:
    """One episode that is being written; of one thread, but for ``sync``.

    Attributes:
        path: the MCAP file, locked until it is closed.
    """

    def __init__(
        self,
        folder: Path,
        facts: EpisodeFacts,
        *,
        file: str = "",
        compression: str = "none",
        chunk_bytes: int = 1 << 20,
    ) -> None:
        """Makes the file in a folder that exists, with the facts at its head.

        Args:
            folder: of the bag, without an MCAP file.
            facts: what is known of the episode.
            file: name of the file; empty for rosbag2's.
            compression: one of ``COMPRESSIONS``. Pictures that are compressed already gain nothing.
            chunk_bytes: largest chunk; what is lost when its writing is cut off.

        Raises:
            OSError: the file is there already, or the folder cannot be written to.
        """
        self.path = folder / (file or mcap_name(facts.name))
        self._disk = _Disk(self.path)
        self._writer = Writer(
            self._disk, chunk_size=chunk_bytes, compression=COMPRESSIONS[compression]
        )
        self._schemas: dict[str, int] = {}
        self._topics: dict[str, _Topic] = {}
        self._span = _Span()
        self._payload = 0
        self._writer.start(PROFILE, LIBRARY)
        self._writer.add_metadata(START, to_metadata(facts))
        self._disk.sync()
        sync_folder(folder)

    @property
    def written(self) -> Written:
        """What is in the file so far."""
        counts = {name: topic.count for name, topic in self._topics.items()}
        return Written(sum(counts.values()), self._payload, self._disk.tell(), counts)

    def knows(self, topic: str) -> bool:
        """Whether the topic was added."""
        return topic in self._topics

    def add_topic(self, name: str, definition: Definition, qos: Sequence[Qos] = ()) -> None:
        """Makes a topic known; again with the same type it changes nothing.

        Raises:
            WrongSchemaError: the topic, or another of this type, has another definition.
        """
        for other_name, topic in self._topics.items():
            other = topic.definition
            if other_name == name and other.msgtype != definition.msgtype:
                raise WrongSchemaError(
                    f"{name}: expected {other.msgtype}, got {definition.msgtype}"
                )
            if other.msgtype == definition.msgtype and other.type_hash != definition.type_hash:
                raise WrongSchemaError(f"{name}: two definitions of {definition.msgtype}")
        if name in self._topics:
            return
        schema = self._schemas.get(definition.msgtype)
        if schema is None:
            schema = self._schemas[definition.msgtype] = self._writer.register_schema(
                definition.msgtype, SCHEMA_ENCODING, definition.text.encode()
            )
        channel = self._writer.register_channel(
            name,
            MESSAGE_ENCODING,
            schema,
            {"offered_qos_profiles": qos_text(qos), "topic_type_hash": definition.type_hash},
        )
        self._topics[name] = _Topic(channel, definition, tuple(qos))

    def write(self, topic: str, data: bytes, log_ns: int, publish_ns: int) -> None:
        """Adds a message.

        Args:
            topic: known by ``add_topic``.
            data: serialised, as the middleware gave it.
            log_ns: when it was received.
            publish_ns: when it was published.

        Raises:
            OSError: the disk is full; the file ends with the chunk before.
        """
        known = self._topics[topic]
        self._writer.add_message(known.channel, log_ns, data, publish_ns, known.count & 0xFFFFFFFF)
        known.count += 1
        self._payload += len(data)
        self._span.widen(log_ns)

    def event(self, event: Event) -> None:
        """Adds an event, and has it in the file at once."""
        self._writer.add_metadata(EVENT, to_metadata(event))

    def flush(self) -> None:
        """Ends the chunk in progress: what was written so far survives this process."""
        self._writer.flush()

    def sync(self) -> None:
        """Waits until the disk has what was flushed; may be called from another thread."""
        self._disk.sync()

    def finish(self, ending: Ending) -> BagSummary:
        """Completes the bag.

        Returns:
            What ``metadata.yaml`` says.

        Raises:
            OSError: the disk is full; the bag is as if it had been cut off.
        """
        summary = self.close(ending)
        write_metadata(self.path.parent, summary)
        return summary

    def close(self, ending: Ending) -> BagSummary:
        """Completes the file, but not the bag: ``metadata.yaml`` is still to be written.

        Raises:
            OSError: the disk is full.
        """
        ending = replace(ending, counts=self.written.counts)
        self._writer.flush()
        self._writer.add_metadata(END, to_metadata(ending))
        summary = self._summary({"dreamzero.outcome": ending.outcome})
        self._writer.add_metadata(METADATA_RECORD, {"serialized_metadata": text(summary)})
        self._writer.finish()
        self._disk.sync()
        self._disk.close()
        return summary

    def abandon(self) -> None:
        """Gives the file back as it is; the bag is as if the process had been killed."""
        self._disk.close()

    def _summary(self, custom: Mapping[str, str]) -> BagSummary:
        start = self._span.first_ns or 0
        return BagSummary(
            file=self.path.name,
            start_ns=start,
            duration_ns=max(0, self._span.last_ns - start),
            topics=tuple(
                TopicSummary(
                    name,
                    topic.definition.msgtype,
                    topic.definition.type_hash,
                    topic.qos,
                    topic.count,
                )
                for name, topic in self._topics.items()
            ),
            custom=custom,
        )
