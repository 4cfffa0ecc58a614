"""A bag that was cut off anywhere is mended, with everything that was flushed."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.highlevel import AnyReader

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.bag_writer import BagWriter
from dreamzero_policy.data.episode_facts import Ending, Event
from dreamzero_policy.data.errors import BagError, NotABagError, TruncatedBagError
from dreamzero_policy.data.recovery import recover
from dreamzero_policy.data.rosbag2_layout import Qos

START_NS = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def written(tmp_path_factory, messages):
    """A complete bag, and (file size, messages) after every flush."""
    from dreamzero_policy.data.episode_facts import EpisodeFacts

    folder = tmp_path_factory.mktemp("written") / "droid_1"
    folder.mkdir()
    facts = EpisodeFacts("droid_1", "droid", START_NS, prompt="pick up the cup")
    writer = BagWriter(folder, facts, chunk_bytes=5000)
    writer.add_topic("/joint_states", messages.definition("sensor_msgs/msg/JointState"), [Qos()])
    head = writer.path.stat().st_size
    flushed = [(head, 0)]
    for step in range(120):
        now = START_NS + step * 10_000_000
        writer.write("/joint_states", messages.joints(now, "ab", [step, -step]), now, now - 1)
        if step == 60:
            writer.event(Event(now, "instruction", "put it down"))
        if step % 20 == 19:
            writer.flush()
            flushed.append((writer.path.stat().st_size, step + 1))
    writer.finish(Ending(START_NS, "success"))
    return folder, flushed


def cut(folder, target, keep, tail=b""):
    """The bag as it is after the process died with ``keep`` bytes on the disk."""
    target.mkdir()
    data = (folder / "droid_1_0.mcap").read_bytes()
    (target / f"{target.name}_0.mcap").write_bytes(data[:keep] + tail)
    return target


def test_every_length_recovers(written, tmp_path):
    """Killed after any byte: the bag opens with both readers and has every flushed message."""
    folder, flushed = written
    size = (folder / "droid_1_0.mcap").stat().st_size
    lengths = {
        0,
        7,
        8,
        9,
        size,
        size - 1,
        size - 8,
        *np.random.default_rng(0).integers(0, size, 60),
    }
    lengths |= {length + offset for length, _ in flushed for offset in (-1, 0, 1)}
    for number, keep in enumerate(sorted(int(length) for length in lengths)):
        bag = cut(folder, tmp_path / f"cut{number}", keep)
        with pytest.raises(TruncatedBagError):
            Episode(bag)
        result = recover(bag)
        least = max((count for length, count in flushed if length <= keep), default=0)
        assert result.messages >= least, keep
        with AnyReader([bag]) as reader:
            assert reader.message_count == result.messages
            stamps = [stamp for _, stamp, _ in reader.messages()]
        assert stamps == [START_NS + step * 10_000_000 for step in range(result.messages)]
        with Episode(bag) as episode:
            episode.verify()
            assert episode.recovered == (episode.ending.outcome == "interrupted")
            if keep >= flushed[0][0]:
                assert episode.facts.prompt == "pick up the cup"
            if result.messages > 80:
                assert episode.events[0].text == "put it down"
        assert len(list(bag.glob("*.mcap"))) == 1
        shutil.rmtree(bag)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(keep=st.integers(0, 12_000), tail=st.binary(max_size=64), zeros=st.integers(0, 5000))
def test_whatever_a_power_cut_leaves_at_the_end_recovers(
    written, tmp_path_factory, keep, tail, zeros
):
    folder, _ = written
    bag = cut(folder, tmp_path_factory.mktemp("t") / "bag", keep, tail + bytes(zeros))
    recover(bag)
    with AnyReader([bag]) as reader:
        assert reader.message_count == len(list(reader.messages()))


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_bags_recover_to_the_last_chunk(new_bag, messages, compression):
    folder, writer = new_bag(compression=compression, chunk_bytes=1 << 20)
    for step in range(30):
        writer.write("/joint_states", messages.joints(step, "ab", [step, 1]), step, step)
        if step % 10 == 9:
            writer.flush()
    writer.abandon()
    path = writer.path
    path.write_bytes(path.read_bytes()[:-300])
    result = recover(folder)
    assert result.messages in (20, 30)
    with Episode(folder) as episode:
        assert len(episode.stream("joint_states")) == result.messages


def test_a_damaged_chunk_costs_only_itself(written, tmp_path):
    folder, _ = written
    bag = cut(folder, tmp_path / "bag", 10**9)
    path = bag / "bag_0.mcap"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    result = recover(bag)
    assert result.damaged <= 1
    assert result.messages > 60
    with Episode(bag) as episode:
        episode.verify()


def test_the_old_file_stays_until_the_new_one_is_verified(written, tmp_path, monkeypatch):
    folder, _ = written
    bag = cut(folder, tmp_path / "bag", 9000)
    from dreamzero_policy.data import recovery

    monkeypatch.setattr(recovery, "_fingerprint", lambda path: -1)
    with pytest.raises(BagError, match="not what is read back"):
        recover(bag)
    assert [path.name for path in bag.iterdir()] == ["bag_0.mcap"]
    monkeypatch.undo()
    recover(bag, keep_original=True)
    assert (bag / "bag_0.mcap").stat().st_size == 9000
    with Episode(bag) as episode:
        assert episode.recovered


def test_a_recovery_that_was_cut_off_begins_again(written, tmp_path):
    folder, _ = written
    bag = cut(folder, tmp_path / "bag", 9000)
    (bag / "bag_0_recovered.mcap").write_bytes(b"half of it")
    assert recover(bag).messages > 0


def test_what_needs_no_recovery_is_left_alone(new_bag, messages, tmp_path):
    folder, writer = new_bag()
    with pytest.raises(BagError, match="still being recorded"):
        recover(folder)
    writer.finish(Ending(1))
    with pytest.raises(NotABagError, match="got a complete one"):
        recover(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotABagError, match="one MCAP file, got"):
        recover(tmp_path / "empty")


def test_a_bag_killed_before_its_metadata_keeps_its_outcome(new_bag, messages):
    folder, writer = new_bag()
    writer.write("/joint_states", messages.joints(1, "ab", [0, 1]), 1, 1)
    writer.finish(Ending(2, "success", notes="fine"))
    (folder / "metadata.yaml").unlink()
    recover(folder)
    with Episode(folder) as episode:
        assert (episode.ending.outcome, episode.ending.notes) == ("success", "fine")
        assert not episode.recovered


def test_facts_survive_whole(new_bag, messages, facts):
    folder, writer = new_bag()
    writer.abandon()
    recover(folder)
    with Episode(folder) as episode:
        assert episode.facts == replace(facts, name="droid_1")
        assert episode.span_ns == (0, 0)
