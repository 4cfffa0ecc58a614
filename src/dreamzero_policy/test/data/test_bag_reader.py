"""Reading an episode, and every way in which it may be wrong, by name."""

import numpy as np
import pytest

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.bag_writer import BagWriter
from dreamzero_policy.data.definitions import define
from dreamzero_policy.data.episode_facts import Ending, EpisodeFacts, Event
from dreamzero_policy.data.errors import (
    BagError,
    ClockJumpError,
    DamagedBagError,
    JointsChangedError,
    MissingTopicError,
    NewerFormatError,
    NotABagError,
    OlderMessagesError,
    TruncatedBagError,
    UnknownRobotError,
    WrongSchemaError,
)

START_NS = 1_700_000_000_000_000_000
JOINTS = "sensor_msgs/msg/JointState"


def ns(step):
    return START_NS + step * 10_000_000


@pytest.fixture
def recorded(new_bag, messages):
    """An episode with joints and pictures that are known."""
    folder, writer = new_bag()
    for step in range(20):
        positions = np.array([step, 2.0 * step])
        order = ["a", "b"] if step % 2 == 0 else ["b", "a"]
        given = positions if step % 2 == 0 else positions[::-1]
        velocity = given + 1 if step < 10 else []
        data = messages.joints(ns(step) - 9, order, given, velocity)
        writer.write("/joint_states", data, ns(step), ns(step) - 4)
        pixels = np.full((4, 6, 3), step, np.uint8)
        writer.write("/cam/left", messages.picture(ns(step) - 8, pixels), ns(step) + 1, ns(step))
    writer.event(Event(ns(5), "instruction", "lift it"))
    writer.event(Event(ns(12), "quality", "gap of 0.4 s", "/cam/left"))
    writer.finish(Ending(ns(20), "success", notes="went well", dropped={"/cam/left": 2}))
    return folder


def test_an_episode_says_what_is_known_of_it(recorded, facts):
    with Episode(recorded) as episode:
        assert episode.facts == facts
        assert (episode.name, episode.embodiment.name) == ("droid_1", "droid")
        assert [event.text for event in episode.events] == ["lift it", "gap of 0.4 s"]
        assert episode.events[1].stream == "/cam/left"
        assert (episode.ending.outcome, episode.ending.notes) == ("success", "went well")
        assert episode.ending.dropped == {"/cam/left": 2}
        assert episode.counts == {"/joint_states": 20, "/cam/left": 20}
        assert episode.span_ns == (ns(0), ns(19) + 1)
        assert episode.instruction_at(ns(5) - 1) == "pick up the red block"
        assert episode.instruction_at(ns(5)) == "lift it"
        assert not episode.recovered


def test_joints_are_read_by_name_whatever_their_order(recorded):
    with Episode(recorded) as episode:
        series = episode.stream("joint_states", JOINTS).joints()
    assert series.names == ("a", "b")
    np.testing.assert_array_equal(series.stamps_ns, [ns(step) - 9 for step in range(20)])
    np.testing.assert_array_equal(series.positions, [[s, 2 * s] for s in range(20)])
    np.testing.assert_array_equal(series.velocities[:10], [[s + 1, 2 * s + 1] for s in range(10)])
    assert np.isnan(series.velocities[10:]).all()


def test_pictures_are_decoded_when_asked_for(recorded):
    with Episode(recorded) as episode:
        camera = episode.stream("exterior_1/image_raw")  # recorded as /cam/left
        assert camera.topic == "/cam/left"
        assert camera.picture(7).shape == (4, 6, 3)
        assert [int(pixels[0, 0, 0]) for pixels in camera.pictures()] == list(range(20))
        np.testing.assert_array_equal(camera.log_ns, [ns(step) + 1 for step in range(20)])
        assert camera.newest_until(ns(3)) == 2
        assert camera.newest_until(ns(0)) == -1
        kept = camera.picture(19)
    assert kept[0, 0, 0] == 19  # outlives the episode


def test_messages_of_all_topics_come_by_time(recorded):
    with Episode(recorded) as episode:
        read = list(episode.messages())
        assert [m.topic for m in read[:4]] == ["/joint_states", "/cam/left"] * 2
        assert episode.decode(read[0]).name == ["a", "b"]
        assert len(list(episode.messages(["joint_states"]))) == 20


def test_a_clock_that_is_set_back_is_named(new_bag, messages):
    folder, writer = new_bag()
    for step, stamp in enumerate([0, 3, 1, 4, 500, 2]):
        data = messages.joints(START_NS + stamp * 10**9 // 10, "ab", [0, 0])
        writer.write("/joint_states", data, ns(step), ns(step))
    writer.finish(Ending(1))
    with Episode(folder) as episode:
        stream = episode.stream("joint_states")
        with pytest.raises(ClockJumpError, match=r"set back by 49\.800 s at message 5"):
            _ = stream.stamps_ns
        with pytest.raises(ClockJumpError):
            stream.joints()
        assert len(stream.raw_stamps_ns) == 6


@pytest.mark.parametrize(
    ("names", "positions", "match"),
    [
        ("abc", [1, 2, 3], "expected joints a, b, got a, b, c with 3 positions in message 3"),
        ("ac", [1, 2], "expected joints a, b, got a, c"),
        ("a", [1], "expected joints a, b, got a with 1"),
        ("ab", [1], "got a, b with 1 positions"),
        ("aa", [1, 2], "got a, a"),
    ],
)
def test_joints_that_change_are_named(new_bag, messages, names, positions, match):
    folder, writer = new_bag()
    for step in range(3):
        writer.write("/joint_states", messages.joints(step, "ab", [1, 2]), step, step)
    writer.write("/joint_states", messages.joints(4, names, positions), 4, 4)
    writer.finish(Ending(1))
    with Episode(folder) as episode, pytest.raises(JointsChangedError, match=match):
        episode.stream("joint_states").joints()


def test_a_missing_topic_is_named_with_those_there_are(new_bag, messages):
    folder, writer = new_bag()
    writer.write("/joint_states", messages.joints(1, "ab", [1, 2]), 1, 1)
    writer.finish(Ending(1))
    with Episode(folder) as episode:
        with pytest.raises(
            MissingTopicError, match="topic /wrist/image_raw, got only /joint_state"
        ):
            episode.stream("wrist/image_raw")
        with pytest.raises(MissingTopicError, match="topic /cam/left, got no message of it"):
            episode.stream("exterior_1/image_raw")
        assert "joint_states" in episode
        assert "exterior_1/image_raw" not in episode


def test_another_type_is_named(recorded):
    with Episode(recorded) as episode:
        with pytest.raises(WrongSchemaError, match="/joint_states: expected sensor_msgs/msg/Image"):
            episode.stream("joint_states", "sensor_msgs/msg/Image")
        with pytest.raises(WrongSchemaError, match="expected pictures, got sensor_msgs/msg/JointS"):
            episode.stream("joint_states").picture(0)
        with pytest.raises(WrongSchemaError, match="/cam/left: expected joint states"):
            episode.stream("/cam/left").joints()


def test_data_that_does_not_fit_its_type_is_named(new_bag, messages):
    folder, writer = new_bag()
    writer.write("/joint_states", b"\0\1\0\0" + b"\xff" * 30, 1, 1)
    writer.write("/joint_states", messages.joints(1, "ab", [1, 2])[:-9], 2, 2)
    writer.write("/cam/left", messages.picture(1, np.zeros((2, 2, 3), np.uint8))[:-3], 2, 2)
    writer.finish(Ending(1))
    with Episode(folder) as episode:
        stream = episode.stream("joint_states")
        for index in range(2):
            with pytest.raises(
                WrongSchemaError, match=r"/joint_states: .*JointState: .* do not fit"
            ):
                _ = stream[index]
        with pytest.raises(WrongSchemaError, match="/cam/left"):
            episode.stream("/cam/left").picture(0)


def test_messages_of_an_older_version_are_read_by_their_own_definition(tmp_path, facts, messages):
    old = "builtin_interfaces/Time observation_stamp\nstring[] joint_names\nuint32 sequence\n"
    msgtype = "dreamzero_msgs/msg/ActionChunk"
    folder = tmp_path / "droid_1"
    folder.mkdir()
    writer = BagWriter(folder, facts)
    definition = define(msgtype, lambda one: old if one == msgtype else messages.text(one))
    assert definition.type_hash != messages.definition(msgtype).type_hash
    writer.add_topic("/action_chunk", definition)
    from dreamzero_policy.data.definitions import Decoder

    encoder = Decoder({msgtype: definition.text})
    stamp = encoder.new("builtin_interfaces/msg/Time", sec=3, nanosec=7)
    message = encoder.new(msgtype, observation_stamp=stamp, joint_names=["a"], sequence=4)
    writer.write("/action_chunk", encoder.encode(msgtype, message), 5, 5)
    writer.finish(Ending(1))
    with Episode(folder) as episode:
        stream = episode.stream("action_chunk", msgtype)
        assert stream[0].sequence == 4
        assert stream.stamps_ns.tolist() == [3 * 10**9 + 7]
        stream.require("sequence", "joint_names")
        with pytest.raises(OlderMessagesError, match="with prefix_rows, got a version"):
            stream.require("sequence", "prefix_rows")


def test_an_unknown_robot_is_named(tmp_path):
    folder = tmp_path / "r2_1"
    folder.mkdir()
    BagWriter(folder, EpisodeFacts("r2_1", "r2d2", 1)).finish(Ending(1))
    with Episode(folder) as episode, pytest.raises(UnknownRobotError, match="'r2d2'; known robots"):
        _ = episode.embodiment


def test_a_newer_format_is_named(tmp_path):
    folder = tmp_path / "n_1"
    folder.mkdir()
    BagWriter(folder, EpisodeFacts("n_1", "droid", 1, format=99)).finish(Ending(1))
    with pytest.raises(NewerFormatError, match="format 1 or older, got 99"):
        Episode(folder)


@pytest.mark.parametrize("what", ["nothing", "file", "empty", "yaml", "storage"])
def test_what_is_no_bag_is_named(tmp_path, what):
    folder = tmp_path / "bag"
    if what == "file":
        folder.write_text("x")
    elif what != "nothing":
        folder.mkdir()
    if what == "yaml":
        (folder / "metadata.yaml").write_text("a: [")
    if what == "storage":
        (folder / "metadata.yaml").write_text(
            "rosbag2_bagfile_information: {storage_identifier: sqlite3, relative_file_paths: [a]}"
        )
    with pytest.raises(NotABagError, match="bag"):
        Episode(folder)


def test_another_recorders_bag_is_named(recorded):
    """A bag of `ros2 bag record` has none of our facts."""
    from mcap.writer import Writer

    path = recorded / "droid_1_0.mcap"
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start("ros2", "other")
        writer.finish()
    with pytest.raises(NotABagError, match="of this software's recorder"):
        Episode(recorded)


def test_a_file_without_its_end_is_named(recorded):
    path = recorded / "droid_1_0.mcap"
    data = path.read_bytes()
    for keep in (0, 5, 100, len(data) // 2, len(data) - 20, len(data) - 1):
        path.write_bytes(data[:keep])
        with pytest.raises(TruncatedBagError, match="can be recovered"):
            Episode(recorded)
    path.unlink()
    with pytest.raises(NotABagError, match="No such file"):
        Episode(recorded)


def test_one_flipped_bit_is_found(recorded):
    path = recorded / "droid_1_0.mcap"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with Episode(recorded) as episode, pytest.raises(DamagedBagError, match="chunk 0"):
        episode.verify()


def test_every_error_is_one_that_the_command_line_says_in_a_line():
    assert issubclass(BagError, ValueError)
