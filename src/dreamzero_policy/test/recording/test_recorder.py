"""The recorder but for ROS: from streams to kept, discarded and spoiled episodes."""

import errno
import os
from collections import namedtuple

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.episode_facts import EpisodeFacts
from dreamzero_policy.data.episode_store import EpisodeStore
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.data.rosbag2_layout import Qos
from dreamzero_policy.recording import disk
from dreamzero_policy.recording.jpeg import COMPRESSED
from dreamzero_policy.recording.recorded_streams import streams_of
from dreamzero_policy.recording.recorder import Recorder, RecorderSettings, Source
from dreamzero_policy.types import NS_PER_S

DROID = embodiments.get("droid")
GIB = 1 << 30


class Bench:
    """A recorder whose streams come as they should."""

    def __init__(self, root, messages, **settings):
        self.messages, self.store = messages, EpisodeStore(root)
        self.store.acquire()
        self.streams = streams_of(DROID)
        types = {COMPRESSED, *(stream.msgtype for stream in self.streams)}
        definitions = {msgtype: messages.definition(msgtype) for msgtype in types}
        small = {"disk_start_bytes": 0, "disk_stop_bytes": 0, **settings}
        self.recorder = Recorder(
            DROID, self.streams, definitions, self.store, RecorderSettings(**small)
        )
        self.sources = {s.name: Source(f"/{s.name}", (Qos(1),)) for s in self.streams}
        self.sources["wrist/image_raw"] = Source("/hand/color")
        self.now, self.sequence = 1_700_000_000 * NS_PER_S, 0
        self.rng = np.random.default_rng(0)

    def run(self, seconds, lose=0):
        """Every stream at 20 Hz."""
        recorder, messages = self.recorder, self.messages
        for step in range(round(seconds * 20)):
            self.now += NS_PER_S // 20
            self.sequence += 1 + (lose if step == 3 else 0)
            joints = messages.joints(self.now, DROID.state_joints, np.sin(np.arange(8) + step))
            self.take("joint_states", joints)
            for view in DROID.views:
                pixels = self.rng.integers(30, 255, (18, 32, 3), dtype=np.uint8)
                self.take(f"{view.name}/image_raw", messages.picture(self.now, pixels))
            self.take("driver_status", self.driver_status(0))
            if step % 10 == 0:
                self.look = recorder.look(self.now)

    def take(self, name, data):
        self.recorder.take(name, data, self.now + 1, self.now, self.sequence)

    def driver_status(self, refused):
        return self.messages.bytes(
            self.messages.new(
                "dreamzero_msgs/msg/DriverStatus",
                header=self.messages.header(self.now),
                session_id=1,
                mode=1,
                message="",
                commands_taken=9,
                commands_refused=refused,
                last_refusal="too far" if refused else "",
            )
        )

    def begin(self, prompt="wipe the table"):
        facts = EpisodeFacts("", "", 0, prompt=prompt, operator="ada")
        return self.recorder.begin(facts, self.sources, self.now)

    def end(self, **how):
        return self.recorder.complete(self.recorder.detach(), self.now, **how)


@pytest.fixture
def bench(tmp_path, messages):
    bench = Bench(tmp_path / "episodes", messages)
    yield bench
    if bench.recorder.recording:
        bench.end()
    bench.store.release()


def test_an_episode_has_what_came_between_its_begin_and_its_end(bench):
    bench.run(1)
    facts = bench.begin()
    assert bench.recorder.recording
    bench.run(2)
    bench.recorder.mark("instruction", "rinse the cloth", bench.now)
    bench.run(1)
    ended = bench.end(outcome="success", notes="fine")
    bench.run(1)
    assert (ended.kept, ended.written_whole, ended.dropped) == (True, True, 0)
    with Episode(ended.folder) as episode:
        assert episode.name == facts.name == ended.folder.name
        assert episode.outcome == "success"
        assert len(episode.stream("joint_states")) == 60
        # The driver's last status was there before: whoever reads must not have to wait for one.
        assert len(episode.stream("driver_status")) == 61
        wrist = episode.stream("wrist/image_raw", COMPRESSED)
        assert (wrist.topic, len(wrist)) == ("/hand/color/compressed", 60)
        assert wrist.picture(0).shape == (18, 32, 3)
        assert episode.embodiment is DROID
        assert episode.facts.embodiment["joints"][0]["velocity"] == DROID.joints[0].velocity
        assert episode.facts.operator == "ada"
        assert [event.text for event in episode.events] == ["rinse the cloth"]
        assert episode.instruction_at(bench.now) == "rinse the cloth"


def test_pictures_as_received_are_the_same_to_the_last_bit(tmp_path, messages):
    bench = Bench(tmp_path, messages, jpeg_quality=0)
    bench.run(1)
    bench.begin()
    pixels = bench.rng.integers(0, 255, (18, 32, 3), dtype=np.uint8)
    data = messages.picture(bench.now, pixels)
    bench.take("exterior_1/image_raw", data)
    ended = bench.end()
    with Episode(ended.folder) as episode:
        stream = episode.stream("exterior_1/image_raw")
        assert bytes(stream.raw(0).data) == data
        np.testing.assert_array_equal(stream.picture(0), pixels)


def test_a_missing_stream_and_a_running_episode_refuse_the_start(bench):
    with pytest.raises(BagError, match="exterior_1/image_raw: no message yet; exterior_2"):
        bench.begin()
    assert not list(bench.store.entries())
    bench.run(1)
    bench.begin()
    with pytest.raises(BagError, match="still being recorded"):
        bench.begin()


def test_discard_moves_to_the_trash_and_the_next_has_another_name(bench):
    bench.run(1)
    first = bench.begin()
    ended = bench.end(discard=True)
    assert ended.folder == bench.store.root / "trash" / first.name
    with Episode(ended.folder) as episode:
        assert episode.outcome == "discarded"
    assert bench.begin().name != first.name


def test_an_episode_that_broke_a_threshold_says_so_in_the_bag(bench):
    bench.run(1)
    bench.begin()
    bench.run(2, lose=4)
    bench.take("driver_status", bench.driver_status(3))
    bench.now += NS_PER_S
    bench.recorder.look(bench.now)
    ended = bench.end()
    with Episode(ended.folder) as episode:
        marks = {f"{event.stream}: {event.text}" for event in episode.events}
        assert "joint_states: 4 messages were not recorded" in marks
        assert "joint_commands: the driver refused 3 commands: too far" in marks
        assert "wrist/image_raw: nothing for 1.0 s" in marks
        assert episode.ending.figures["marks"] == len(marks)
    assert ended.dropped == 20  # four of each stream
    assert "20 messages are missing" in ended.message


def test_the_disk_refuses_a_start_and_ends_an_episode(bench, monkeypatch):
    free = 8 * GIB
    Stat = namedtuple("Stat", "f_bavail f_frsize")
    monkeypatch.setattr(disk.os, "statvfs", lambda _: Stat(free // 4096, 4096))
    bench.recorder._disk = disk.DiskWatch(bench.store.root, 10 * GIB, 2 * GIB)
    bench.run(1)
    with pytest.raises(BagError, match=r"at least 10\.0 GiB free to begin, got 8\.0 GiB"):
        bench.begin()
    free = 12 * GIB
    bench.begin()
    bench.run(1)
    assert bench.look.must_end == ""
    assert bench.look.room.seconds_left > 0
    free = GIB
    bench.run(1)
    assert "nearly full: 1.0 GiB are free, 2.0 stay" in bench.look.must_end
    ended = bench.end(reason=bench.look.must_end)
    with Episode(ended.folder) as episode:
        assert "nearly full" in episode.ending.reason


def test_a_disk_that_is_full_all_the_same_is_said_and_loses_nothing_written(bench, monkeypatch):
    from dreamzero_policy.data.recovery import recover

    bench.run(1)
    bench.begin()
    bench.run(1)
    recording = bench.recorder._recording
    while recording.progress().written.file_bytes < 5000:
        pass

    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    bench.run(1)
    while not recording.progress().failure:
        pass
    bench.run(1)
    assert "No space left on device" in bench.look.must_end
    ended = bench.end()
    monkeypatch.undo()
    assert not ended.written_whole
    assert "can be recovered" in ended.message
    assert recover(ended.folder).messages >= 20
    assert bench.begin().name != ended.folder.name  # others are unaffected


def test_an_outcome_may_be_said_later(bench):
    bench.run(1)
    bench.begin()
    ended = bench.end()
    assert bench.recorder.annotate("", "failure", "dropped it") == ended.folder.name
    bench.recorder.annotate(ended.folder.name, "partial", "one of two")
    with Episode(ended.folder) as episode:
        assert episode.outcome == "partial"
        assert episode.custom["dreamzero.notes"] == "dropped it\none of two"
        assert episode.ending.outcome == "unknown"
    with pytest.raises(BagError, match="outcome: expected one of unknown, success"):
        bench.recorder.annotate("", "great", "")
    with pytest.raises(BagError, match="'x', which is none"):
        bench.recorder.annotate("x", "success", "")


def test_what_cannot_be_noted_is_named(bench):
    with pytest.raises(BagError, match="there is none"):
        bench.recorder.mark("instruction", "x", 1)
    with pytest.raises(BagError, match="there is none"):
        bench.recorder.detach()
    bench.run(1)
    bench.begin()
    with pytest.raises(BagError, match="text of the instruction, got none"):
        bench.recorder.mark("instruction", "  ", 1)


def test_a_message_that_cannot_be_read_is_recorded_as_it_came(bench):
    bench.run(1)
    bench.begin()
    bench.take("driver_status", b"\0\1\0\0nonsense!")
    bench.take("proprioception", b"")
    ended = bench.end()
    with Episode(ended.folder) as episode:
        assert bytes(episode.stream("driver_status").raw(1).data) == b"\0\1\0\0nonsense!"
