"""Recording: nothing waits for the disk, what does not fit is counted, a kill costs a second."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dreamzero_policy.data import rosbag2_layout
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.episode_facts import Ending, EpisodeFacts, Event
from dreamzero_policy.data.recovery import recover
from dreamzero_policy.recording.jpeg import COMPRESSED, RAW, JpegEncoder
from dreamzero_policy.recording.recording import RecordedTopic, Recording

KILLS = Path(__file__).resolve().parents[4] / "benchmarks" / "recorder_kills.py"


@pytest.fixture
def record(tmp_path, messages):
    """Starts a recording of one joint topic and one camera."""
    started = []

    def make(quality=0, **options):
        folder = tmp_path / f"droid_{len(started)}"
        folder.mkdir()
        raw, compressed = messages.definition(RAW), messages.definition(COMPRESSED)
        camera = RecordedTopic("/cam", raw)
        if quality:
            camera = RecordedTopic("/cam/c", compressed, (), JpegEncoder(raw, compressed, quality))
        joints = messages.definition("sensor_msgs/msg/JointState")
        topics = {"/joints": RecordedTopic("/joints", joints), "/cam": camera}
        options = {"queue_bytes": 1 << 26, "encoders": 2 if quality else 0, **options}
        recording = Recording(folder, EpisodeFacts(folder.name, "droid", 1), topics, **options)
        started.append(recording)
        return recording, folder

    yield make
    for recording in started:
        recording._end()


def test_everything_that_was_taken_is_in_the_bag(record, messages):
    recording, folder = record()
    sent = [messages.joints(step, "ab", [step, 0]) for step in range(3000)]
    for step, data in enumerate(sent):
        assert recording.put("/joints", data, step, step)
    recording.event(Event(5, "note", "hm"))
    recording.finish(Ending(9, "success"))
    with Episode(folder) as episode:
        assert [bytes(m.data) for m in episode.messages()] == sent
        assert [event.text for event in episode.events] == ["hm"]
        assert episode.ending.dropped == {}


def test_raw_pictures_become_jpeg_in_their_order(record, messages):
    recording, folder = record(quality=95)
    y, x = np.mgrid[0:48, 0:64]
    for step in range(40):
        pixels = np.stack([x * 3, y * 4, np.full_like(x, step * 5)], -1).astype(np.uint8)
        recording.put("/cam", messages.picture(step * 1000, pixels), step, step)
    recording.put("/cam", b"\0\1\0\0not a picture", 99, 99)
    recording.finish(Ending(9))
    with Episode(folder) as episode:
        camera = episode.stream("/cam/c", COMPRESSED)
        assert camera.stamps_ns.tolist() == [step * 1000 for step in range(40)]
        for step in range(40):
            picture = camera.picture(step).astype(int)
            assert abs(picture[..., 0] - x * 3).max() <= 12
            assert abs(picture[..., 2].mean() - step * 5) < 3
        assert episode.ending.dropped == {"/cam/c": 1}


def test_what_does_not_fit_is_counted_and_nobody_waits(record, messages, monkeypatch):
    gate = threading.Event()
    real = os.write

    def slow(descriptor, data):
        gate.wait()
        return real(descriptor, data)

    recording, folder = record(queue_bytes=100_000)
    monkeypatch.setattr(os, "write", slow)
    data = messages.joints(1, "ab", [1, 2])
    began = time.monotonic()
    took = [recording.put("/joints", data, step, step) for step in range(30_000)]
    assert time.monotonic() - began < 20
    gate.set()
    missed = took.count(False)
    assert 0 < missed < 30_000
    assert recording.progress().dropped == {"/joints": missed}
    recording.finish(Ending(1))
    with Episode(folder) as episode:
        assert episode.counts["/joints"] == 30_000 - missed
        assert episode.ending.dropped == {"/joints": missed}


def test_a_full_disk_is_said_and_what_was_written_recovers(record, messages, monkeypatch):
    recording, folder = record(flush_s=0.05)
    data = messages.joints(1, "ab", [1, 2])
    recording.put("/joints", data, 1, 1)
    while recording.progress().written.file_bytes < 1500:
        time.sleep(0.01)

    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    recording.put("/joints", data, 2, 2)
    while not recording.progress().failure:
        time.sleep(0.01)
    assert not recording.put("/joints", data, 3, 3)
    assert "No space left on device" in recording.progress().failure
    with pytest.raises(OSError, match="No space left"):
        recording.finish(Ending(1))
    monkeypatch.undo()
    recover(folder)
    with Episode(folder) as episode:
        assert episode.counts["/joints"] == 1


def test_a_disk_that_fills_up_at_the_very_end_leaves_what_can_be_recovered(
    record, messages, monkeypatch
):
    recording, folder = record()
    recording.put("/joints", messages.joints(1, "ab", [1, 2]), 1, 1)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rosbag2_layout, "replace_file", full)
    with pytest.raises(OSError, match="No space left"):
        recording.finish(Ending(1, "success"))
    monkeypatch.undo()
    recover(folder)
    with Episode(folder) as episode:
        assert (episode.counts["/joints"], episode.outcome) == (1, "success")


def test_a_picture_that_no_jpeg_can_hold_is_counted_and_the_rest_goes_on(record, messages):
    recording, folder = record(quality=90)
    recording.put("/cam", messages.picture(1, np.zeros((1, 70_000, 3), np.uint8)), 1, 1)
    recording.put("/cam", messages.picture(2, np.zeros((8, 8, 3), np.uint8)), 2, 2)
    recording.finish(Ending(9))
    with Episode(folder) as episode:
        assert episode.stream("/cam/c").stamps_ns.tolist() == [2]
        assert episode.ending.dropped == {"/cam/c": 1}


def test_what_is_flushed_is_at_most_half_a_second_old(record, messages):
    recording, _ = record()
    data = messages.joints(1, "ab", [1, 2])
    for step in range(20):
        recording.put("/joints", data, step, step)
        time.sleep(0.05)
    time.sleep(0.7)
    assert recording.path.stat().st_size > 20 * len(data)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not KILLS.is_file(), reason="not in the source tree")
def test_a_kill_at_any_of_10_instants_costs_at_most_the_last_second():
    command = [sys.executable, KILLS, "--quick"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=590, check=False)
    assert run.returncode == 0, run.stderr + run.stdout
