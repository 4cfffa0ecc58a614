"""Whether an episode is what it must be, with every finding and the command that mends it.

Looks at everything: each byte against its checksum, each stream's type, clock and joints, whether
it can become training rows, and the recorder's quality thresholds once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dreamzero_policy.conversion.resample import camera_stream, joint_sources, site_of
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.episode_facts import Event
from dreamzero_policy.data.errors import BagError, WrongSchemaError
from dreamzero_policy.data.rosbag2_layout import read_metadata
from dreamzero_policy.episodes.found import look, seconds_of
from dreamzero_policy.episodes.requality import judge
from dreamzero_policy.recording.jpeg import COMPRESSED, RAW
from dreamzero_policy.recording.quality import Thresholds
from dreamzero_policy.types import NS_PER_S

Weight = Literal["error", "warning"]

_JOINTS, _TWIST = "sensor_msgs/msg/JointState", "geometry_msgs/msg/Twist"
_SAME_NS = 2 * NS_PER_S


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        weight: an ``error`` keeps the episode, or a part of it, from being used.
        text: a sentence.
        at_s: since the episode's begin; None for what has no instant.
    """

    weight: Weight
    text: str
    at_s: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What validation found of an episode.

    Attributes:
        folder: of the bag.
        findings: errors first, then in time order.
        remedy: a command that mends it; empty where there is none, or nothing to mend.
        seconds: its length; 0 where it cannot be opened.
    """

    folder: Path
    findings: tuple[Finding, ...]
    remedy: str = ""
    seconds: float = 0.0

    @property
    def grade(self) -> str:
        """``good``, ``marked`` for warnings alone, ``bad``."""
        if any(one.weight == "error" for one in self.findings):
            return "bad"
        return "marked" if self.findings else "good"


def validate(
    folder: Path, thresholds: Thresholds | None = None, robots: Path | None = None
) -> Verdict:
    """Looks at all of an episode; whatever is wrong with it is in the answer.

    Args:
        folder: of the bag.
        thresholds: of its quality; the recorder's defaults without.
        robots: folder of an installation's own robots.
    """
    found = look(folder)
    if found.state == "recording":
        return Verdict(folder, (Finding("error", "it is still being recorded"),))
    findings: list[Finding] = []
    seconds = 0.0
    try:
        with Episode(folder, robots) as episode:
            seconds = seconds_of(episode)
            for one in _findings(episode, thresholds):
                findings.append(one)  # one by one: what was found stays, whatever comes then
    except (BagError, OSError) as error:
        findings.append(Finding("error", str(error)))
    remedy = f"dreamzero recover {folder}" if found.state == "cut off" else ""
    ordered = sorted(findings, key=lambda one: (one.weight != "error", one.at_s or 0.0))
    return Verdict(folder, tuple(ordered), remedy, seconds)


def _findings(episode: Episode, thresholds: Thresholds | None) -> Iterator[Finding]:
    yield from _whole(episode)
    yield from _decodable(episode)
    try:
        required = _required(episode)
    except ValueError as error:
        yield Finding("error", str(error))
        return
    yield from _streams(episode, required)
    yield from _told(episode)
    marks, _ = judge(episode, required, thresholds)
    began_ns = episode.facts.started_ns or episode.span_ns[0]
    for mark in _united(marks, [one for one in episode.events if one.kind == "quality"]):
        name = f"{mark.stream}: " if mark.stream else ""
        yield Finding("warning", name + mark.text, max(0.0, (mark.stamp_ns - began_ns) / NS_PER_S))


def _whole(episode: Episode) -> Iterator[Finding]:
    """Whether every byte and every message is there."""
    try:
        episode.verify()
    except BagError as error:
        yield Finding("error", str(error))
    said, count = read_metadata(episode.folder)["message_count"], sum(episode.counts.values())
    if said != count:
        yield Finding("error", f"expected {said} messages as metadata.yaml says, got {count}")
    if episode.ending is None:
        yield Finding("warning", "it says nothing of how it ended")
        return
    for topic, expected in episode.ending.counts.items():
        if episode.counts.get(topic, 0) != expected:
            got = episode.counts.get(topic, 0)
            yield Finding("error", f"{topic}: expected {expected} messages, got {got}")
    for topic, count in episode.ending.dropped.items():
        if count:
            yield Finding("warning", f"{topic}: {count} messages came and were not recorded")
    if episode.recovered:
        yield Finding("warning", "its recording was cut off and has been recovered")


def _decodable(episode: Episode) -> Iterator[Finding]:
    """Whether the first and the last message of every stream fit their definition."""
    for topic, count in episode.counts.items():
        try:
            stream = episode.stream(topic) if count else ()
            for index in {0, count - 1} if count else ():
                _ = stream[index]
        except BagError as error:
            yield Finding("error", str(error))


def _required(episode: Episode) -> dict[str, str]:
    """The view by our topic of what must be there, empty for joints.

    Raises:
        UnknownRobotError, WrongSchemaError: the robot, or its file, is not known.
    """
    robot = episode.embodiment
    required = {}
    for view in robot.views:
        raw = f"{view.name}/image_raw"
        compressed = f"{raw}/compressed"
        required[compressed if compressed in episode else raw] = view.name
    return required | dict.fromkeys(joint_sources(robot, site_of(episode)), "")


def _streams(episode: Episode, required: dict[str, str]) -> Iterator[Finding]:
    """Types, clocks and joints of what training rows are made from."""
    for topic, view in required.items():
        try:
            if not view:
                episode.stream(topic, _JOINTS).joints()
                continue
            stream = camera_stream(episode, view)
            if stream.msgtype not in (RAW, COMPRESSED):
                raise WrongSchemaError(f"{topic}: expected pictures, got {stream.msgtype}")
            _ = stream.picture(0), stream.stamps_ns
        except BagError as error:
            yield Finding("error", str(error))
    try:
        named = episode.stream("joint_commands", _JOINTS).joints().names
        joints = [joint.name for joint in episode.embodiment.joints if joint.kind != "base"]
        if missing := [name for name in joints if name not in named]:
            text = f"joint_commands: expected commands of every joint, got none of {missing}"
            yield Finding("error", text)
        if any(joint.kind == "base" for joint in episode.embodiment.joints):
            _ = episode.stream("base_command", _TWIST).stamps_ns
    except BagError as error:
        yield Finding("error", str(error))


def _told(episode: Episode) -> Iterator[Finding]:
    """Whether it says what a dataset must know."""
    spoken = [episode.facts.prompt, *(e.text for e in episode.events if e.kind == "instruction")]
    if not any(map(str.strip, spoken)):
        yield Finding("error", "it has no instruction: `dreamzero convert --instruction` gives one")
    if episode.outcome in ("", "unknown"):
        yield Finding("warning", "nobody said how it went")


def _united(again: list[Event], recorded: list[Event]) -> list[Event]:
    """Marks found now, and those of the recording that are not among them."""
    return again + [
        mark
        for mark in recorded
        if not any(
            mark.stream.split("/")[0] == one.stream.split("/")[0]
            and abs(mark.stamp_ns - one.stamp_ns) < _SAME_NS
            for one in again
        )
    ]
