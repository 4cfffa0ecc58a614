"""``dreamzero recover`` mends what was cut off and leaves the rest alone."""

from dreamzero_policy.cli import main as command_line
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.bag_writer import BagWriter
from dreamzero_policy.data.episode_facts import Ending, EpisodeFacts, Event


def record(folder, complete):
    folder.mkdir()
    writer = BagWriter(folder, EpisodeFacts(folder.name, "droid", 1))
    writer.event(Event(5, "note", "hm"))
    if complete:
        writer.finish(Ending(1))
    else:
        writer.abandon()


def test_every_episode_that_was_cut_off_is_mended(tmp_path, capsys):
    record(tmp_path / "droid_1", complete=True)
    record(tmp_path / "droid_2", complete=False)
    record(tmp_path / "droid_3", complete=False)
    (tmp_path / "droid_3" / "droid_3_0.mcap").write_bytes(b"")
    assert command_line.main(["recover", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "2 episodes were cut off" in said
    assert "droid_2: 0 messages recovered" in said
    for name in ("droid_1", "droid_2", "droid_3"):
        with Episode(tmp_path / name) as episode:
            assert episode.recovered == (name != "droid_1")
    assert command_line.main(["recover", str(tmp_path)]) == 0
    assert "0 episodes" in capsys.readouterr().out


def test_one_episode_and_what_is_none(tmp_path, capsys):
    record(tmp_path / "droid_2", complete=False)
    assert command_line.main(["recover", "--keep", str(tmp_path / "droid_2")]) == 0
    assert len(list((tmp_path / "droid_2").glob("*.mcap"))) == 2
    assert command_line.main(["recover", str(tmp_path / "droid_2")]) == 1
    assert "got a complete one" in capsys.readouterr().out
    assert command_line.main(["recover", str(tmp_path / "nothing")]) == 2
