"""What is written is what every reader of bags finds."""

import errno
import os
import resource

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosReliability

from dreamzero_policy.data import rosbag2_layout
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.bag_writer import BagWriter
from dreamzero_policy.data.episode_facts import Ending, Event
from dreamzero_policy.data.errors import TruncatedBagError, WrongSchemaError

START_NS = 1_700_000_000_000_000_000
NAMES = ("a", "b", "c")


def fill(writer, messages, count=50, size=(24, 32)):
    rng = np.random.default_rng(1)
    for step in range(count):
        now = START_NS + step * 10_000_000
        data = messages.joints(now - 5, NAMES, [step, 2 * step, -step], [1, 2, 3])
        writer.write("/joint_states", data, now, now - 2)
        if step % 5 == 0:
            pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            writer.write("/cam/left", messages.picture(now - 7, pixels), now + 1, now - 1)


def test_rosbags_reads_the_same_messages(new_bag, messages):
    folder, writer = new_bag()
    fill(writer, messages)
    writer.event(Event(START_NS + 9, "instruction", "now the blue one"))
    writer.finish(Ending(START_NS + 10**9, "success"))
    with AnyReader([folder]) as reader:
        assert reader.message_count == 60
        assert {c.topic: c.msgcount for c in reader.connections} == {
            "/joint_states": 50,
            "/cam/left": 10,
        }
        camera = next(c for c in reader.connections if c.topic == "/cam/left")
        assert camera.ext.offered_qos_profiles[0].reliability == QosReliability.BEST_EFFORT
        read = [(c.topic, stamp, bytes(raw)) for c, stamp, raw in reader.messages()]
        last = next(raw for c, _, raw in reader.messages() if c.topic == "/joint_states")
        decoded = reader.deserialize(last, "sensor_msgs/msg/JointState")
    assert list(decoded.name) == list(NAMES)
    assert [stamp for _, stamp, _ in read] == sorted(stamp for _, stamp, _ in read)
    assert read[0] == (
        "/joint_states",
        START_NS,
        messages.joints(START_NS - 5, NAMES, [0, 0, 0], [1, 2, 3]),
    )


def test_the_layout_is_that_of_rosbag2(new_bag, messages):
    folder, writer = new_bag()
    fill(writer, messages)
    writer.finish(Ending(START_NS))
    assert sorted(path.name for path in folder.iterdir()) == ["droid_1_0.mcap", "metadata.yaml"]
    found = yaml.safe_load((folder / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert list(found) == [
        "version",
        "storage_identifier",
        "duration",
        "starting_time",
        "message_count",
        "topics_with_message_count",
        "compression_format",
        "compression_mode",
        "relative_file_paths",
        "files",
        "custom_data",
        "ros_distro",
    ]
    assert (found["version"], found["storage_identifier"]) == (9, "mcap")
    assert found["files"][0]["path"] == found["relative_file_paths"][0] == "droid_1_0.mcap"
    topic = found["topics_with_message_count"][0]["topic_metadata"]
    assert topic["serialization_format"] == "cdr"
    assert topic["type_description_hash"].startswith("RIHS01_")
    assert topic["offered_qos_profiles"][0]["history"] == "keep_last"
    with open(folder / "droid_1_0.mcap", "rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert {s.encoding for s in summary.schemas.values()} == {"ros2msg"}
        assert {c.message_encoding for c in summary.channels.values()} == {"cdr"}
        channel = next(c for c in summary.channels.values() if c.topic == "/cam/left")
        assert yaml.safe_load(channel.metadata["offered_qos_profiles"])[0]["depth"] == 1
        names = [record.name for record in reader.iter_metadata()]
        assert names == ["dreamzero.start", "dreamzero.end", "rosbag2"]
        kept = next(r for r in reader.iter_metadata() if r.name == "rosbag2")
        assert yaml.safe_load(kept.metadata["serialized_metadata"]) == found


def test_a_definition_has_every_type_in_it_and_the_hash_that_ros_gives_it(messages):
    joints = messages.definition("sensor_msgs/msg/JointState")
    # What `ros2 topic info -v` shows for this type on Jazzy.
    assert joints.type_hash == (
        "RIHS01_a13ee3a330e346c9d87b5aa18d24e11690752bd33a0350f11c5882bc9179260e"
    )
    canvas = messages.definition("dreamzero_msgs/msg/Canvas").text
    assert [line for line in canvas.splitlines() if line.startswith("MSG: ")] == [
        "MSG: std_msgs/Header",
        "MSG: sensor_msgs/Image",
        "MSG: sensor_msgs/CompressedImage",
        "MSG: builtin_interfaces/Time",
        "MSG: builtin_interfaces/Duration",
    ]
    assert "# in the checkpoint's view order" in canvas


def test_what_was_flushed_is_in_the_file_and_the_bag_is_not_complete(new_bag, messages):
    folder, writer = new_bag(chunk_bytes=1 << 30)
    fill(writer, messages)
    before = writer.written
    writer.flush()
    writer.sync()
    after = writer.written
    assert before.file_bytes < after.file_bytes == writer.path.stat().st_size
    assert after.messages == 60
    assert after.payload_bytes < after.file_bytes
    with pytest.raises(TruncatedBagError, match="still being recorded, or was cut off"):
        Episode(folder)
    writer.abandon()


def test_an_episode_is_never_written_over(new_bag, facts):
    folder, writer = new_bag()
    with pytest.raises(FileExistsError):
        BagWriter(folder, facts)
    writer.abandon()


def test_one_type_has_one_definition(new_bag, messages):
    from dataclasses import replace

    _, writer = new_bag()
    joints = messages.definition("sensor_msgs/msg/JointState")
    writer.add_topic("/joint_states", joints)
    with pytest.raises(WrongSchemaError, match="/other: two definitions of"):
        writer.add_topic("/other", replace(joints, type_hash="RIHS01_0"))
    with pytest.raises(WrongSchemaError, match="/joint_states: expected sensor_msgs/msg/JointSta"):
        writer.add_topic("/joint_states", messages.definition("std_msgs/msg/Header"))
    writer.abandon()


def test_a_full_disk_leaves_what_was_written_before(new_bag, messages, monkeypatch):
    _, writer = new_bag(chunk_bytes=1 << 14)
    fill(writer, messages)
    writer.flush()
    size, real = writer.path.stat().st_size, os.write

    def full(descriptor, data):
        if len(data) > 100:
            return real(descriptor, data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        fill(writer, messages, 500)
    assert writer.path.stat().st_size == size
    writer.abandon()


def test_a_note_after_the_recording_leaves_everything_else(new_bag, messages):
    folder, writer = new_bag()
    fill(writer, messages)
    writer.finish(Ending(START_NS, "failure"))
    rosbag2_layout.annotate(folder, {"tags": "good, slow — näßchen"})
    with Episode(folder) as episode:
        assert episode.custom == {"dreamzero.outcome": "failure", "tags": "good, slow — näßchen"}
        assert episode.ending.outcome == "failure"
    with AnyReader([folder]) as reader:
        assert reader.message_count == 60


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_messages_come_back_as_they_were(compression, data, tmp_path_factory, facts, messages):
    folder = tmp_path_factory.mktemp("bag") / "droid_1"
    folder.mkdir()
    topics = [f"/t{number}" for number in range(data.draw(st.integers(1, 4)))]
    sent = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(topics),
                st.binary(max_size=3000),
                st.integers(0, 2**62),
                st.integers(0, 2**62),
            ),
            max_size=60,
        )
    )
    writer = BagWriter(
        folder, facts, compression=compression, chunk_bytes=data.draw(st.integers(1, 9000))
    )
    definition = messages.definition("std_msgs/msg/Header")
    for topic in topics:
        writer.add_topic(topic, definition)
    for topic, payload, log_ns, publish_ns in sent:
        writer.write(topic, payload, log_ns, publish_ns)
        if data.draw(st.integers(0, 9)) == 0:
            writer.flush()
    writer.finish(Ending(5))
    with Episode(folder) as episode:
        read = [(m.topic, bytes(m.data), m.log_ns, m.publish_ns) for m in episode.messages()]
        assert sorted(read) == sorted(sent)
        assert [one[2] for one in read] == sorted(one[2] for one in sent)
        assert episode.counts == {t: sum(s[0] == t for s in sent) for t in topics}
        assert episode.ending.counts == episode.counts
        episode.verify()


def test_memory_stays_what_a_chunk_takes(new_bag, messages):
    _, writer = new_bag()
    picture = messages.picture(START_NS, np.zeros((480, 640, 3), np.uint8))
    for step in range(20):
        writer.write("/cam/left", picture, START_NS + step, START_NS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for step in range(200):
        writer.write("/cam/left", picture, START_NS + 20 + step, START_NS)
    writer.finish(Ending(START_NS))
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 100_000
