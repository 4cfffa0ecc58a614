"""One episode while it is recorded: a bounded queue, a thread that writes, a clock that flushes.

Whoever receives messages only puts them into the queue. What does not fit is counted by topic and
left out; nothing ever waits for the disk but the thread that writes. Another thread has the disk
keep what was flushed, since that may take longer than the queue lasts.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from dreamzero_policy.data.bag_writer import BagWriter, Written
from dreamzero_policy.data.definitions import Definition
from dreamzero_policy.data.episode_facts import Ending, EpisodeFacts, Event
from dreamzero_policy.data.rosbag2_layout import BagSummary, Qos

Encode = Callable[[bytes], bytes]
"""Serialised message to serialised message, in a thread of its own."""


@dataclass(frozen=True)
class RecordedTopic:
    """A topic as it is written.

    Attributes:
        name: in the bag.
        definition: of its messages there.
        qos: what its publishers offer.
        encode: what is done with each message first; None for nothing.
    """

    name: str
    definition: Definition
    qos: tuple[Qos, ...] = ()
    encode: Encode | None = None


class _Item(NamedTuple):
    topic: str
    data: bytes | Future
    size: int
    log_ns: int
    publish_ns: int


@dataclass(frozen=True)
class Progress:
    """How far a recording is.

    Attributes:
        written: what is in the bag.
        dropped: messages by topic that did not fit into the queue or could not be encoded.
        queued: share of the queue in use.
        failure: why nothing is written any more; empty while all is well.
    """

    written: Written
    dropped: Mapping[str, int]
    queued: float
    failure: str


class Recording:
    """Writes one episode.

    Args:
        folder: of the bag, empty.
        facts: what is known of it.
        topics: what will be written, by the topic that it is received from.
        queue_bytes: of messages between receiving and writing.
        flush_s: what is older than that survives the process.
        sync_s: what is older than that survives the machine.
        encoders: threads that encode; 0 where no topic is encoded.
        compression: of the file's chunks.
    """

    def __init__(
        self,
        folder: Path,
        facts: EpisodeFacts,
        topics: Mapping[str, RecordedTopic],
        *,
        queue_bytes: int,
        flush_s: float = 0.5,
        sync_s: float = 1.0,
        encoders: int = 0,
        compression: str = "none",
    ) -> None:
        self._writer = BagWriter(folder, facts, compression=compression)
        self._topics = dict(topics)
        for topic in self._topics.values():
            self._writer.add_topic(topic.name, topic.definition, topic.qos)
        self._queue_bytes, self._flush_s, self._sync_s = queue_bytes, flush_s, sync_s
        self._items: deque[_Item | Event] = deque()
        self._waiting = 0
        self._dropped: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._wake, self._ended = threading.Event(), threading.Event()
        self._failure = ""
        self._pool = ThreadPoolExecutor(encoders, "encode") if encoders else None
        self._threads = [
            threading.Thread(target=self._write_all, name="write", daemon=True),
            threading.Thread(target=self._sync_all, name="sync", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def path(self) -> Path:
        """The MCAP file."""
        return self._writer.path

    def put(self, topic: str, data: bytes, log_ns: int, publish_ns: int) -> bool:
        """Takes a message; never waits.

        Args:
            topic: that it was received from.
            data: serialised.
            log_ns: when it was received.
            publish_ns: when it was published.

        Returns:
            Whether there was room for it.
        """
        known, size = self._topics[topic], len(data)
        with self._lock:
            if self._failure or self._ended.is_set() or self._waiting + size > self._queue_bytes:
                self._dropped[known.name] += 1
                return False
            self._waiting += size
            if known.encode is not None and self._pool is not None:
                data = self._pool.submit(known.encode, data)
            self._items.append(_Item(known.name, data, size, log_ns, publish_ns))
        self._wake.set()
        return True

    def event(self, event: Event) -> None:
        """Notes an event, behind the messages that were taken before it."""
        with self._lock:
            self._items.append(event)
        self._wake.set()

    def progress(self) -> Progress:
        """How far it is; callable from any thread."""
        with self._lock:
            return Progress(
                self._writer.written,
                dict(self._dropped),
                self._waiting / self._queue_bytes,
                self._failure,
            )

    def finish(self, ending: Ending) -> BagSummary:
        """Writes what is left and completes the bag.

        Raises:
            OSError: it could not be written to its end; what was written can be recovered.
        """
        self._end()
        if self._failure:
            self._writer.abandon()
            raise OSError(self._failure)
        try:
            return self._writer.finish(replace(ending, dropped=dict(self._dropped)))
        except OSError:
            self._writer.abandon()
            raise

    def _end(self) -> None:
        """Has both threads end after what is in the queue."""
        self._ended.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()
        if self._pool is not None:
            self._pool.shutdown()

    def _write_all(self) -> None:
        """The thread that writes."""
        flush_at = time.monotonic() + self._flush_s
        try:
            while True:
                self._wake.wait(max(0.0, flush_at - time.monotonic()))
                ended = self._ended.is_set()
                self._wake.clear()
                while self._items and time.monotonic() < flush_at:
                    self._write_one()
                if time.monotonic() >= flush_at:
                    self._writer.flush()
                    flush_at = time.monotonic() + self._flush_s
                if self._items:
                    self._wake.set()
                elif ended:
                    return
        except Exception as error:  # noqa: BLE001  # whatever it is, the crew must learn of it
            why = error.strerror if isinstance(error, OSError) else repr(error)
            with self._lock:
                self._failure = f"writing {self._writer.path} failed: {why}"
                self._drop_queue()

    def _write_one(self) -> None:
        item = self._items.popleft()
        if isinstance(item, Event):
            self._writer.event(item)
            return
        data = item.data
        if isinstance(data, Future):
            try:
                data = data.result()
            except ValueError:  # a picture that is none
                with self._lock:
                    self._waiting -= item.size
                    self._dropped[item.topic] += 1
                return
        self._writer.write(item.topic, data, item.log_ns, item.publish_ns)
        with self._lock:
            self._waiting -= item.size

    def _drop_queue(self) -> None:
        for item in self._items:
            if isinstance(item, _Item):
                self._dropped[item.topic] += 1
        self._items.clear()
        self._waiting = 0

    def _sync_all(self) -> None:
        """The thread that waits for the disk."""
        while not self._ended.wait(self._sync_s):
            try:
                self._writer.sync()
            except OSError as error:
                with self._lock:
                    self._failure = f"{self._writer.path}: {error.strerror or error}"
                return
