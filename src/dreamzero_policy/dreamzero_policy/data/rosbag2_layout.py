"""The layout of a rosbag2 bag: a folder with ``metadata.yaml`` and ``<name>_0.mcap``.

As ``ros2 bag`` of Jazzy writes it: metadata version 9, storage ``mcap``, profile ``ros2``, messages
``cdr``, schemas ``ros2msg``; from rosbag2's own sources (branch jazzy: ``rosbag2_storage`` yaml.hpp
and qos.cpp, ``rosbag2_storage_mcap`` mcap_storage.cpp).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dreamzero_policy.data.errors import NotABagError, TruncatedBagError

METADATA = "metadata.yaml"
PROFILE, MESSAGE_ENCODING, SCHEMA_ENCODING = "ros2", "cdr", "ros2msg"
METADATA_RECORD = "rosbag2"
"""Name of the MCAP metadata record in which rosbag2 keeps ``metadata.yaml`` once more."""

_VERSION = 9
_DISTRO = "jazzy"
_ROOT = "rosbag2_bagfile_information"
_UNSET = {"sec": 9223372036, "nsec": 854775807}  # RMW_DURATION_INFINITE


@dataclass(frozen=True)
class Qos:
    """Quality of service that a publisher offers, as rosbag2 names it.

    Attributes:
        depth: messages kept.
        reliability: ``reliable`` or ``best_effort``.
        durability: ``volatile`` or ``transient_local``.
    """

    depth: int = 10
    reliability: str = "reliable"
    durability: str = "volatile"

    def plain(self) -> dict[str, Any]:
        """As in the YAML."""
        return {
            "history": "keep_last",
            "depth": self.depth,
            "reliability": self.reliability,
            "durability": self.durability,
            "deadline": dict(_UNSET),
            "lifespan": dict(_UNSET),
            "liveliness": "automatic",
            "liveliness_lease_duration": dict(_UNSET),
            "avoid_ros_namespace_conventions": False,
        }


@dataclass(frozen=True)
class TopicSummary:
    """A topic as ``metadata.yaml`` lists it."""

    name: str
    msgtype: str
    type_hash: str
    qos: tuple[Qos, ...]
    count: int


@dataclass(frozen=True)
class BagSummary:
    """What ``metadata.yaml`` says.

    Attributes:
        file: name of the MCAP file in the folder.
        start_ns: log time of the first message; 0 without messages.
        duration_ns: from the first to the last.
        topics: all of them.
        custom: text by name, which rosbag2 keeps and does not read.
    """

    file: str
    start_ns: int
    duration_ns: int
    topics: tuple[TopicSummary, ...]
    custom: Mapping[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Messages of all topics."""
        return sum(topic.count for topic in self.topics)


def mcap_name(name: str) -> str:
    """What the file of a bag is called."""
    return f"{name}_0.mcap"


def qos_text(profiles: Sequence[Qos]) -> str:
    """The profiles as a channel's metadata has them."""
    return _dump([profile.plain() for profile in profiles])


def qos_profiles(text: str) -> tuple[Qos, ...]:
    """The inverse of ``qos_text``; what is not known of a profile has its usual value."""
    found = yaml.safe_load(text) if text else None
    return tuple(
        Qos(one["depth"], str(one["reliability"]), str(one["durability"])) for one in found or ()
    )


def plain(summary: BagSummary) -> dict[str, Any]:
    """The summary in rosbag2's words."""
    start = {"nanoseconds_since_epoch": summary.start_ns}
    duration = {"nanoseconds": summary.duration_ns}
    return {
        "version": _VERSION,
        "storage_identifier": "mcap",
        "duration": duration,
        "starting_time": start,
        "message_count": summary.count,
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": topic.name,
                    "type": topic.msgtype,
                    "serialization_format": MESSAGE_ENCODING,
                    "offered_qos_profiles": [profile.plain() for profile in topic.qos],
                    "type_description_hash": topic.type_hash,
                },
                "message_count": topic.count,
            }
            for topic in summary.topics
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [summary.file],
        "files": [
            {
                "path": summary.file,
                "starting_time": dict(start),
                "duration": dict(duration),
                "message_count": summary.count,
            }
        ],
        "custom_data": dict(summary.custom),
        "ros_distro": _DISTRO,
    }


def text(summary: BagSummary) -> str:
    """The summary as rosbag2's metadata record has it."""
    return _dump(plain(summary))


def write_metadata(folder: Path, summary: BagSummary) -> None:
    """Writes ``metadata.yaml``, whole or not at all; a bag that has it is complete."""
    replace_file(folder / METADATA, _dump({_ROOT: plain(summary)}))


def read_metadata(folder: Path) -> dict[str, Any]:
    """What ``metadata.yaml`` says, in rosbag2's words.

    Raises:
        NotABagError: no folder, or a file that is not rosbag2's.
        TruncatedBagError: there is an MCAP file without ``metadata.yaml``.
    """
    path = folder / METADATA
    if not path.is_file():
        if folder.is_dir() and any(folder.glob("*.mcap")):
            raise TruncatedBagError(
                f"{folder}: expected {METADATA} beside the recording, got none: it is still being "
                "recorded, or was cut off and can be recovered"
            )
        raise NotABagError(f"{folder}: expected a folder with {METADATA} and an MCAP file")
    try:
        found = yaml.safe_load(path.read_text())[_ROOT]
        if found["storage_identifier"] != "mcap" or len(found["relative_file_paths"]) != 1:
            raise NotABagError(
                f"{path}: expected one mcap file, got {found['relative_file_paths']} of storage "
                f"{found['storage_identifier']!r}"
            )
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise NotABagError(f"{path}: expected metadata of rosbag2, got: {error!r}") from error
    return found


def annotate(folder: Path, values: Mapping[str, str]) -> None:
    """Adds text to a complete bag's ``custom_data``, for what is learned after it was recorded.

    Raises:
        NotABagError, TruncatedBagError: as ``read_metadata``.
    """
    found = read_metadata(folder)
    found["custom_data"] = {**(found.get("custom_data") or {}), **values}
    replace_file(folder / METADATA, _dump({_ROOT: found}))


def replace_file(path: Path, content: str) -> None:
    """Gives a file a new content that is on the disk before the old one is gone."""
    new = path.with_name(f".{path.name}.new")
    with open(new, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Has the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
