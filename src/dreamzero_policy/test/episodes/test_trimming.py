"""Idle ends go, what lies between stays message by message, and the original is never lost."""

import pytest

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import BagError, DamagedBagError
from dreamzero_policy.episodes import trimming
from dreamzero_policy.episodes.tags import change_tags, tags_of
from dreamzero_policy.episodes.trimming import trim
from dreamzero_policy.episodes.validation import validate
from dreamzero_policy.types import NS_PER_S


@pytest.fixture
def idle(tmp_path, record):
    """Nothing moves in the first two of five seconds."""
    return record(
        tmp_path / "episodes" / "droid_1",
        seconds=5.0,
        still=(0.0, 2.0),
        instructions=((0.0, "wait"), (1.5, "pick it up"), (4.0, "put it down")),
    )


def test_idle_ends_are_cut_off_and_the_original_is_in_the_trash(idle):
    change_tags(idle, ["golden"])
    made = trim(idle, keep_s=0.2)
    assert made.original == idle.parent / "trash" / "droid_1"
    assert made.cut.tail_s == 0.0
    assert made.cut.head_s == pytest.approx(1.6, abs=0.4)
    with Episode(made.folder) as new, Episode(made.original) as old:
        kept = [m for m in old.messages() if m.log_ns >= made.cut.first_ns]
        assert sorted((m.topic, m.log_ns, bytes(m.data)) for m in new.messages()) == sorted(
            (m.topic, m.log_ns, bytes(m.data)) for m in kept
        )
        assert new.facts.extra["trimmed_from"] == "droid_1"
        assert new.facts.prompt == old.instruction_at(made.cut.first_ns)
        assert [event.text for event in new.events][-1] == "put it down"
        assert (new.outcome, tags_of(new.custom)) == ("success", ("golden",))
        assert new.facts.robot_file == old.facts.robot_file
    assert validate(made.folder).grade == "good"
    assert trim(made.folder, keep_s=0.3) is None
    assert not (idle.parent / ".trimming").exists()


def test_an_episode_without_idle_ends_stays_as_it_is(tmp_path, record):
    folder = record(tmp_path / "episodes" / "droid_1")
    assert trim(folder) is None
    assert [path.name for path in folder.parent.iterdir()] == ["droid_1"]


def test_one_in_which_nothing_moves_is_not_emptied(tmp_path, record):
    folder = record(tmp_path / "episodes" / "droid_1", still=(0.0, 9.0))
    with pytest.raises(BagError, match="nothing moves"):
        trim(folder)
    assert folder.is_dir()


def test_what_is_not_read_back_as_written_costs_nothing(idle, monkeypatch):
    whole = trimming._write

    def lossy(episode, cut, *rest):
        whole(episode, trimming.Cut(cut.first_ns + NS_PER_S // 2, cut.last_ns, 0.0, 0.0), *rest)

    monkeypatch.setattr(trimming, "_write", lossy)
    with pytest.raises(DamagedBagError, match="stays"):
        trim(idle)
    assert validate(idle).grade == "good"
    assert not idle.with_name("droid_1_trimmed").exists()


def test_killed_before_the_original_went_it_goes_on(idle, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(trimming.EpisodeStore, "discard", lambda *_: (_ for _ in ()).throw(OSError))
        with pytest.raises(OSError):
            trim(idle)
    assert idle.is_dir()
    assert idle.with_name("droid_1_trimmed").is_dir()
    made = trim(idle)
    assert made.original.is_dir()
    assert not idle.exists()


def test_another_episode_of_the_name_is_left_alone(idle, record):
    other = record(idle.with_name("droid_1_trimmed"), seconds=1.0)
    with pytest.raises(BagError, match="got another episode"):
        trim(idle)
    assert idle.is_dir()
    assert other.is_dir()
