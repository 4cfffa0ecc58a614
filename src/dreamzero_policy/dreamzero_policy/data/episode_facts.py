"""What is known of an episode besides its messages: kept inside the bag as MCAP metadata records.

Three kinds of record, of which every value is text: one ``dreamzero.start`` at the head of the
file, a ``dreamzero.event`` for whatever happens, where it happens, and one ``dreamzero.end`` behind
the last message. Tools that do not know them pass over them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar

from dreamzero_policy.data.errors import DamagedBagError, NewerFormatError
from dreamzero_policy.types import NS_PER_S

FORMAT = 1
"""Version of these records."""

START, EVENT, END = "dreamzero.start", "dreamzero.event", "dreamzero.end"

EventKind = Literal["instruction", "quality", "note"]
Outcome = Literal["unknown", "success", "failure", "partial", "discarded", "interrupted"]


@dataclass(frozen=True)
class EpisodeFacts:
    """What is known when an episode begins.

    Attributes:
        name: of the episode and of its folder.
        robot: name of the embodiment.
        started_ns: ROS time.
        prompt: instruction at the start.
        task: name of the task; several episodes share it. Empty where there is none.
        operator: who records.
        place: where.
        checkpoint: which weights drive, or empty where a human does.
        software: version of this software.
        robot_file: text of the installation's file of the robot.
        embodiment: the robot layout as plain data, limits included.
        limits: limits that the controller was given, as plain data.
        topics: the recorded topic by our name of it, where an installation's topics are others or
            what is recorded differs from what came (a raw picture that was compressed).
        host: the recording machine.
        extra: whatever else, as text.
        format: version of these records.
    """

    name: str
    robot: str
    started_ns: int
    prompt: str = ""
    task: str = ""
    operator: str = ""
    place: str = ""
    checkpoint: str = ""
    software: str = ""
    robot_file: str = ""
    embodiment: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    topics: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True)
class Event:
    """Something that happened at an instant of an episode.

    Attributes:
        stamp_ns: ROS time.
        kind: ``instruction`` for a sub-task that begins, ``quality`` for a threshold that was
            broken, ``note`` for what a person said.
        text: the instruction, the reason, the note.
        stream: topic that a quality mark is of; else empty.
    """

    stamp_ns: int
    kind: EventKind
    text: str
    stream: str = ""

    def since(self, began_ns: int) -> str:
        """The event in a line, with its instant counted from the episode's begin."""
        at = (self.stamp_ns - began_ns) / NS_PER_S
        return f"{at:.1f} s: {self.stream + ': ' if self.stream else ''}{self.text}"


@dataclass(frozen=True)
class Ending:
    """What is known when an episode ends.

    Attributes:
        ended_ns: ROS time.
        outcome: how it went.
        reason: why it ended, in a sentence.
        notes: of the operator.
        counts: messages by recorded topic.
        dropped: messages by topic that came and were not recorded.
        figures: of the whole episode by name, such as rates and the longest gaps.
    """

    ended_ns: int
    outcome: Outcome = "unknown"
    reason: str = ""
    notes: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)


Record = TypeVar("Record", EpisodeFacts, Event, Ending)


def to_metadata(record: EpisodeFacts | Event | Ending) -> dict[str, str]:
    """A record as text by name: text as it is, anything else as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in asdict(record).items()
    }


def from_metadata(cls: type[Record], metadata: Mapping[str, str]) -> Record:
    """The record of a metadata map; what it does not know is left out.

    Raises:
        NewerFormatError: written by a newer version.
        DamagedBagError: a value is missing or not of its kind.
    """
    try:
        if int(metadata.get("format", FORMAT)) > FORMAT:
            raise NewerFormatError(
                f"expected records of format {FORMAT} or older, got {metadata['format']}: "
                "update this software"
            )
        values = {
            one.name: _value(one.type, metadata[one.name])
            for one in fields(cls)
            if one.name in metadata
        }
        return cls(**values)
    except (TypeError, ValueError) as error:
        if isinstance(error, NewerFormatError):
            raise
        raise DamagedBagError(f"{cls.__name__}: expected its values, got {error}") from error


def _value(kind: str, text: str) -> Any:
    """The value of a field; ``kind`` is its annotation."""
    if kind in ("str", "EventKind", "Outcome"):
        return text
    value = json.loads(text)
    expected = int if kind == "int" else dict
    if not isinstance(value, expected):
        raise ValueError(f"{text!r} where {expected.__name__} was expected")
    return value
