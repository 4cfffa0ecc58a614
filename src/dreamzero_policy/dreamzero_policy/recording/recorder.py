"""From streams to episodes: takes messages all the time, and records them while an episode runs.

This is the whole recorder but for ROS. Messages come in as bytes; nothing is decoded but what the
quality watch looks at: a stamp of each, a picture now and then, poses, and the driver's refusals.
"""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dreamzero_policy.data.definitions import Decoder, Definition
from dreamzero_policy.data.episode_facts import Ending, EpisodeFacts, Event, EventKind, Outcome
from dreamzero_policy.data.episode_store import EpisodeStore
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.data.rosbag2_layout import Qos, annotate, read_metadata
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.recording.disk import DiskWatch, Room
from dreamzero_policy.recording.jpeg import COMPRESSED, RAW, SUFFIX, JpegEncoder
from dreamzero_policy.recording.peek import Input, Peek
from dreamzero_policy.recording.quality import QualityWatch, StreamReport, Thresholds
from dreamzero_policy.recording.recorded_streams import RecordedStream
from dreamzero_policy.recording.recording import Progress, RecordedTopic, Recording
from dreamzero_policy.types import NS_PER_S

OUTCOMES: tuple[Outcome, ...] = ("unknown", "success", "failure", "partial")
"""What a person may say of an episode."""

_MIB = 1 << 20


@dataclass(frozen=True)
class RecorderSettings:
    """How to record.

    Attributes:
        jpeg_quality: of raw pictures, which are recorded compressed; 0 to record them as they come.
        queue_bytes: of messages between receiving and writing.
        flush_s: what is older survives the process.
        sync_s: what is older survives the machine.
        encoders: threads that compress pictures.
        disk_start_bytes, disk_stop_bytes: free, to begin an episode and to go on with it.
        thresholds: of the quality watch.
        still_views: views whose pictures may stay the same.
    """

    jpeg_quality: int = 92
    queue_bytes: int = 256 * _MIB
    flush_s: float = 0.5
    sync_s: float = 1.0
    encoders: int = 1
    disk_start_bytes: int = 10 << 30
    disk_stop_bytes: int = 2 << 30
    thresholds: Thresholds = field(default_factory=Thresholds)
    still_views: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where a stream comes from in this installation.

    Attributes:
        topic: its resolved name.
        qos: what its publishers offer.
    """

    topic: str
    qos: tuple[Qos, ...] = ()


@dataclass(frozen=True)
class Look:
    """What one look at everything found.

    Attributes:
        reports: every stream.
        room: on the disk.
        progress: of the episode; None without one.
        must_end: why the episode must end now; empty if it need not.
    """

    reports: Sequence[StreamReport]
    room: Room
    progress: Progress | None
    must_end: str


@dataclass(frozen=True)
class Ended:
    """How an episode ended.

    Attributes:
        folder: where it is now.
        kept: false for one in the trash.
        written_whole: false for one that was cut off and can be recovered.
        message: the same in a sentence.
        messages, dropped: counts.
    """

    folder: Path
    kept: bool
    written_whole: bool
    message: str
    messages: int
    dropped: int


class Recorder:
    """Episodes of one robot in one folder.

    Args:
        robot: the layout.
        streams: what is recorded.
        definitions: by type, of every stream and of compressed pictures.
        store: where; acquired already.
        settings: how.

    Attributes:
        facts: of this episode, or of the last one.
        folder: where that is.
        instruction: in force.
        missed: messages by stream that were published during it and are not in the bag.
    """

    def __init__(
        self,
        robot: Embodiment,
        streams: Sequence[RecordedStream],
        definitions: Mapping[str, Definition],
        store: EpisodeStore,
        settings: RecorderSettings,
    ) -> None:
        self._robot, self._definitions = robot, definitions
        self._store, self._settings = store, settings
        self._decoder = Decoder({one.msgtype: one.text for one in definitions.values()})
        self._inputs = {
            stream.name: Input(stream, self._decoder.stamped(stream.msgtype)) for stream in streams
        }
        self._watch = QualityWatch(robot, streams, settings.thresholds, settings.still_views)
        self._peek = Peek(robot, self._decoder, self._watch)
        self._disk = DiskWatch(store.root, settings.disk_start_bytes, settings.disk_stop_bytes)
        self._recording: Recording | None = None
        self._lost: Counter[str] = Counter()
        self.facts: EpisodeFacts | None = None
        self.missed: Counter[str] = Counter()
        self.instruction = ""
        self.folder: Path | None = None

    @property
    def recording(self) -> bool:
        """Whether an episode is being recorded."""
        return self._recording is not None

    @property
    def marks(self) -> list[Event]:
        """Thresholds that this episode, or the last one, broke."""
        return self._watch.marks

    @property
    def idle_share(self) -> float:
        """Share of the episode in which the robot stood still; -1 while not known."""
        return self._watch.idle_share

    def take(
        self, name: str, data: bytes, log_ns: int, publish_ns: int, sequence: int | None = None
    ) -> None:
        """Takes a message; never waits for the disk.

        Args:
            name: of the stream.
            data: serialised.
            log_ns: when it was received.
            publish_ns: when it was published.
            sequence: the publisher's count of its messages, where the middleware says it.
        """
        known = self._inputs[name]
        stamp_ns = known.stamp_ns(data)
        self._watch.took(name, log_ns, stamp_ns)
        lost = known.lost(sequence)
        if known.stream.latched:
            known.latest = (data, publish_ns)
        if self._recording is not None:
            self._recording.put(name, data, log_ns, publish_ns)
            self._lost[name] += lost
        try:
            self._peek.look(known, data, stamp_ns)
        except ValueError:
            return  # recorded as it came; whoever reads it names what is wrong

    def refusal(self, now_ns: int) -> str:
        """Why no episode may begin now, as a sentence; empty if one may."""
        if self._recording is not None:
            return f"{self.facts.name if self.facts else 'an episode'} is still being recorded"
        missing = self._watch.missing(now_ns)
        if missing:
            return "; ".join(missing)
        return self._disk.refusal()

    def begin(
        self, facts: EpisodeFacts, sources: Mapping[str, Source], now_ns: int
    ) -> EpisodeFacts:
        """Begins an episode.

        Args:
            facts: what is known of it; its name, robot, start and topics are filled in here.
            sources: where each stream comes from.
            now_ns: ROS time.

        Raises:
            BagError: it may not begin, or its folder cannot be written to.
        """
        if refusal := self.refusal(now_ns):
            raise BagError(refusal)
        topics = {
            name: self._recorded(known, sources[name]) for name, known in self._inputs.items()
        }
        folder = self._store.new_folder(self._robot.name, now_ns)
        facts = replace(
            facts,
            name=folder.name,
            robot=self._robot.name,
            started_ns=now_ns,
            embodiment=json.loads(json.dumps(asdict(self._robot))),
            topics={name: topic.name for name, topic in topics.items() if topic.name != f"/{name}"},
            host=socket.gethostname(),
            checkpoint=facts.checkpoint or self._weights(),
        )
        settings = self._settings
        try:
            recording = Recording(
                folder,
                facts,
                topics,
                queue_bytes=settings.queue_bytes,
                flush_s=settings.flush_s,
                sync_s=settings.sync_s,
                encoders=settings.encoders if settings.jpeg_quality else 0,
            )
        except OSError as error:
            raise BagError(f"{folder}: cannot be written to: {error.strerror}") from error
        self._lost.clear()
        self.missed = Counter()
        self._watch.begin(now_ns)
        for name, known in self._inputs.items():
            if known.latest is not None:
                recording.put(name, known.latest[0], now_ns, known.latest[1])
        self.facts, self.folder, self.instruction = facts, folder, facts.prompt
        self._recording = recording
        return facts

    def mark(self, kind: EventKind, text: str, now_ns: int) -> None:
        """Notes an instruction or a note in the episode.

        Raises:
            BagError: no episode is being recorded, or there is nothing to note.
        """
        if self._recording is None:
            raise BagError("expected an episode that is being recorded, there is none")
        if not text.strip():
            raise BagError(f"expected the text of the {kind}, got none")
        self._recording.event(Event(now_ns, kind, text))
        if kind == "instruction":
            self.instruction = text

    def look(self, now_ns: int) -> Look:
        """Looks at every stream and at the disk; a few times a second."""
        progress = self._recording.progress() if self._recording else None
        rate, must_end = 0.0, ""
        if progress is not None and self.facts is not None:
            self.missed = self._missed(progress)
            for name, count in self.missed.items():
                self._watch.dropped(name, count)
            elapsed_s = max(1e-3, (now_ns - self.facts.started_ns) / NS_PER_S)
            rate = progress.written.file_bytes / elapsed_s
            must_end = progress.failure or self._disk.must_stop()
        reports, marks = self._watch.check(now_ns)
        for mark in marks:
            if self._recording is not None:
                self._recording.event(mark)
        return Look(reports, self._disk.room(rate), progress, must_end)

    def detach(self) -> Recording:
        """Takes no more messages into the episode; what it holds is to be given to ``complete``.

        Raises:
            BagError: no episode is being recorded.
        """
        if self._recording is None:
            raise BagError("expected an episode that is being recorded, there is none")
        recording, self._recording = self._recording, None
        self._watch.end()
        return recording

    def complete(
        self,
        recording: Recording,
        now_ns: int,
        *,
        outcome: Outcome = "unknown",
        notes: str = "",
        reason: str = "",
        discard: bool = False,
    ) -> Ended:
        """Writes what is left of an episode and closes it; waits for the disk, in any thread.

        Args:
            recording: of ``detach``.
            now_ns: ROS time.
            outcome: how it went.
            notes: of the operator.
            reason: why it ended.
            discard: move it to the trash.
        """
        self.missed = self._missed(recording.progress())
        missed = sum(self.missed.values())
        ending = Ending(
            now_ns,
            "discarded" if discard else outcome,
            reason,
            notes,
            figures={"idle_share": self.idle_share, "marks": float(len(self.marks))},
        )
        folder = recording.path.parent
        try:
            messages = recording.finish(ending).count
        except OSError as error:
            text = f"{folder.name} was cut off: {error}; what was written can be recovered"
            return Ended(folder, True, False, text, 0, missed)
        if discard:
            folder = self._store.discard(folder.name)
        self.folder = folder
        what = "discarded, it is in" if discard else "saved in"
        text = f"{folder.name}: {messages} messages {what} {folder}"
        if missed:
            text += f"; {missed} messages are missing"
        return Ended(folder, not discard, True, text, messages, missed)

    def annotate(self, name: str, outcome: str, notes: str) -> str:
        """Says how an episode went that has ended.

        Args:
            name: of the episode; empty for the last one.
            outcome: one of ``OUTCOMES``.
            notes: added to those there are.

        Returns:
            Its name.

        Raises:
            BagError: there is no such episode, it has not ended, or the outcome is none.
        """
        if outcome not in OUTCOMES:
            raise BagError(f"outcome: expected one of {', '.join(OUTCOMES)}, got {outcome!r}")
        if not name and self.folder is None:
            raise BagError("expected the name of an episode: none was recorded since the start")
        known = {entry.name: entry.folder for entry in self._store.entries()}
        name = name or self.folder.name
        if name not in known:
            raise BagError(f"{self._store.root}: expected an episode, got {name!r}, which is none")
        before = (read_metadata(known[name]).get("custom_data") or {}).get("dreamzero.notes", "")
        joined = "\n".join(filter(None, (before, notes)))
        annotate(known[name], {"dreamzero.outcome": outcome, "dreamzero.notes": joined})
        return name

    def _recorded(self, known: Input, source: Source) -> RecordedTopic:
        """How a stream is written."""
        stream, quality = known.stream, self._settings.jpeg_quality
        if stream.msgtype == RAW and stream.view and quality:
            raw, compressed = self._definitions[RAW], self._definitions[COMPRESSED]
            encoder = JpegEncoder(raw, compressed, quality)
            return RecordedTopic(source.topic + SUFFIX, compressed, source.qos, encoder)
        return RecordedTopic(source.topic, self._definitions[stream.msgtype], source.qos)

    def _missed(self, progress: Progress) -> Counter[str]:
        """Messages of this episode by stream that were published and are not in the bag."""
        missed = Counter(self._lost)
        names = {self.facts.topics.get(name, f"/{name}"): name for name in self._inputs}
        for topic, count in progress.dropped.items():
            missed[names[topic]] += count
        return missed

    def _weights(self) -> str:
        """Which weights the policy says that it runs; empty without a policy."""
        policy = self._inputs.get("policy_status")
        if policy is None or policy.latest is None:
            return ""
        return str(self._decoder.decode(policy.stream.msgtype, policy.latest[0]).weights)
