"""Reads a complete bag without a ROS installation: streams by topic, decoded when asked for.

The file is mapped into memory: opening an episode reads its index and its facts, and a message is
found, decoded and, where it is a picture, converted only when somebody wants it.

    with Episode(folder) as episode:
        joints = episode.stream("joint_states").joints()
        wrist = episode.stream("wrist/image_raw")
        for stamp_ns, pixels in zip(wrist.stamps_ns, wrist.pictures()):
            ...
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from heapq import merge
from pathlib import Path
from typing import Any

from mcap.exceptions import McapError
from mcap.reader import SeekingReader
from mcap.records import Metadata
from mcap.summary import Summary

from dreamzero_policy import embodiments
from dreamzero_policy.data.definitions import Decoder, Definition
from dreamzero_policy.data.episode_facts import (
    END,
    EVENT,
    START,
    Ending,
    EpisodeFacts,
    Event,
    from_metadata,
)
from dreamzero_policy.data.errors import (
    MissingTopicError,
    NotABagError,
    TruncatedBagError,
    UnknownRobotError,
    WrongSchemaError,
)
from dreamzero_policy.data.mapped_file import BagMessage, MappedFile, Place
from dreamzero_policy.data.rosbag2_layout import (
    MESSAGE_ENCODING,
    SCHEMA_ENCODING,
    Qos,
    qos_profiles,
    read_metadata,
)
from dreamzero_policy.data.streams import Stream
from dreamzero_policy.embodiments.embodiment import Embodiment

_TRUNCATED = (EOFError, struct.error, IndexError, ValueError)


class Episode:
    """A complete bag.

    Attributes:
        folder: of the bag.
        facts: what was known when it began.
        events: instructions, quality marks and notes, in time order.
        ending: what was known when it ended; None of a bag that says nothing of it.
        custom: what was noted after it was recorded, as text by name.
        counts: messages by recorded topic.
        types: message type by recorded topic.
        recovered: whether its recording was cut off.
    """

    def __init__(self, folder: Path | str, robots: Path | None = None) -> None:
        """Opens a bag; close it, or use it in a ``with``.

        Args:
            folder: of the bag.
            robots: folder of an installation's own robots.

        Raises:
            NotABagError: no folder, or a file that is no MCAP file.
            TruncatedBagError: it was cut off.
            DamagedBagError: its index or its facts cannot be read.
            WrongSchemaError: its messages are not ROS 2's.
            NewerFormatError: written by a newer version of this software.
        """
        self.folder, self._robots = Path(folder), robots
        described = read_metadata(self.folder)
        self.custom: Mapping[str, str] = described.get("custom_data") or {}
        path = self.folder / Path(described["relative_file_paths"][0]).name
        summary, metadata = _read_summary(path)
        self._read_records(metadata)
        self._definitions(path, summary)
        self._index: dict[str, list[Place]] = {}
        self._channels = {channel.topic: channel.id for channel in summary.channels.values()}
        self._chunk_indexes = summary.chunk_indexes
        self._file = MappedFile(path, self._chunk_indexes)
        channel_counts = summary.statistics.channel_message_counts if summary.statistics else {}
        self.counts: Mapping[str, int] = {
            topic: channel_counts.get(channel, 0) for topic, channel in self._channels.items()
        }
        self.recovered = self.ending is not None and self.ending.outcome == "interrupted"

    def __enter__(self) -> Episode:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __contains__(self, topic: str) -> bool:
        """Whether the topic was recorded; as ``stream`` takes it."""
        return bool(self.counts.get(self.recorded_name(topic)))

    @property
    def name(self) -> str:
        """Of the episode."""
        return self.facts.name

    @property
    def outcome(self) -> str:
        """How it went, by what was said last."""
        return self.custom.get("dreamzero.outcome") or (self.ending and self.ending.outcome) or ""

    @property
    def robot(self) -> str:
        """Name of the robot, or the path of an installation's own file."""
        named = self.facts.robot
        return named if named.endswith(".py") else embodiments.locate(named, self._robots)

    @property
    def decoder(self) -> Decoder:
        """Of every type in the bag, by its own definitions."""
        return self._decoder

    @property
    def embodiment(self) -> Embodiment:
        """The robot layout.

        Raises:
            UnknownRobotError: this software has none of that name.
        """
        try:
            return embodiments.get(self.robot)
        except ValueError as error:
            raise UnknownRobotError(f"{self.folder}: {error}") from error

    @cached_property
    def span_ns(self) -> tuple[int, int]:
        """Log times of the first and of the last message; 0, 0 without messages."""
        chunks = self._chunk_indexes
        if not chunks:
            return 0, 0
        return (
            min(chunk.message_start_time for chunk in chunks),
            max(chunk.message_end_time for chunk in chunks),
        )

    def described(self, topic: str) -> tuple[Definition, tuple[Qos, ...]]:
        """Definition and offered quality of service of a recorded topic, as they were written."""
        channel, schema = self._described[topic]
        definition = Definition(
            schema.name, schema.data.decode(), channel.metadata.get("topic_type_hash", "")
        )
        return definition, qos_profiles(channel.metadata.get("offered_qos_profiles", ""))

    def recorded_name(self, topic: str) -> str:
        """The recorded topic of ours: by the facts, else the same below ``/``."""
        known = self.facts.topics.get(topic.lstrip("/"))
        return known or (topic if topic.startswith("/") else f"/{topic}")

    def stream(self, topic: str, msgtype: str | None = None) -> Stream:
        """The messages of a topic.

        Args:
            topic: our name of it, such as ``joint_states``, or the recorded one.
            msgtype: what it must be.

        Raises:
            MissingTopicError: it was not recorded, or has no message.
            WrongSchemaError: it is of another type.
        """
        name = self.recorded_name(topic)
        if not self.counts.get(name):
            have = ", ".join(sorted(one for one, count in self.counts.items() if count)) or "none"
            what = "no message of it" if name in self.counts else f"only {have}"
            raise MissingTopicError(f"{self.folder}: expected topic {name}, got {what}")
        found = self.types[name]
        if msgtype is not None and found != msgtype:
            raise WrongSchemaError(f"{self.folder}: {name}: expected {msgtype}, got {found}")
        return Stream(self._file, self._decoder, name, found, self._places(name))

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """The messages of some or all topics, by the time at which they were received."""
        wanted = self.counts if topics is None else map(self.recorded_name, topics)
        names = {self._channels[name]: name for name in wanted if self.counts.get(name)}
        for place in merge(*(self._places(name) for name in names.values())):
            yield self._file.message(names[place.channel], place)

    def decode(self, message: BagMessage) -> Any:
        """A message of ``messages``, decoded."""
        try:
            return self._decoder.decode(self.types[message.topic], message.data)
        except WrongSchemaError as error:
            raise WrongSchemaError(f"{message.topic}: {error}") from error

    def instruction_at(self, stamp_ns: int) -> str:
        """The instruction in force at an instant."""
        text = self.facts.prompt
        for event in self.events:
            if event.kind == "instruction" and event.stamp_ns <= stamp_ns:
                text = event.text
        return text

    def verify(self) -> None:
        """Reads all of it and compares every checksum.

        Raises:
            DamagedBagError: one is wrong.
        """
        for number in range(len(self._chunk_indexes)):
            self._file.checked(number)

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()

    def _read_records(self, metadata: Sequence[Metadata]) -> None:
        by_name: dict[str, list[Mapping[str, str]]] = {}
        for record in metadata:
            by_name.setdefault(record.name, []).append(record.metadata)
        if START not in by_name:
            raise NotABagError(f"{self.folder}: expected a bag of this software's recorder")
        self.facts = from_metadata(EpisodeFacts, by_name[START][0])
        events = [from_metadata(Event, one) for one in by_name.get(EVENT, ())]
        self.events = tuple(sorted(events, key=lambda event: event.stamp_ns))
        endings = by_name.get(END)
        self.ending = from_metadata(Ending, endings[-1]) if endings else None

    def _definitions(self, path: Path, summary: Summary) -> None:
        """Types by topic, and the decoder of all of them."""
        types, texts, self._described = {}, {}, {}
        for channel in summary.channels.values():
            schema = summary.schemas.get(channel.schema_id)
            encodings = (channel.message_encoding, schema and schema.encoding)
            if schema is None or encodings != (MESSAGE_ENCODING, SCHEMA_ENCODING):
                raise WrongSchemaError(
                    f"{path}: {channel.topic}: expected {MESSAGE_ENCODING} messages with a "
                    f"{SCHEMA_ENCODING} schema, got {encodings}"
                )
            types[channel.topic] = schema.name
            self._described[channel.topic] = (channel, schema)
            texts[schema.name] = schema.data.decode()
        self.types: Mapping[str, str] = types
        self._decoder = Decoder(texts)

    def _places(self, topic: str) -> list[Place]:
        """Where the messages of a topic are, by log time."""
        if topic not in self._index:
            self._index[topic] = self._file.places(self._channels[topic])
        return self._index[topic]


def _read_summary(path: Path) -> tuple[Summary, list[Metadata]]:
    """The index of a file, chunks in the order of the file, and its metadata records.

    Raises:
        NotABagError, TruncatedBagError, DamagedBagError: as ``Episode``.
    """
    try:
        with open(path, "rb") as file:
            reader = SeekingReader(file)
            summary = reader.get_summary()
            metadata = list(reader.iter_metadata())
    except OSError as error:
        raise NotABagError(f"{path}: expected an MCAP file, got: {error}") from error
    except (McapError, UnicodeDecodeError, *_TRUNCATED) as error:
        raise TruncatedBagError(
            f"{path}: expected a complete MCAP file, got one whose index cannot be read "
            f"({type(error).__name__}): it was cut off or damaged, and can be recovered"
        ) from error
    if summary is None:
        raise TruncatedBagError(f"{path}: expected an index at the end of the file, got none")
    summary.chunk_indexes.sort(key=lambda chunk: chunk.chunk_start_offset)
    return summary, metadata
