"""Tags come and go without the recording being touched."""

import pytest

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import TruncatedBagError
from dreamzero_policy.episodes.tags import change_tags, tags_of


def test_tags_are_added_and_removed_and_the_recording_stays(station):
    folder = station / "good"
    path = next(folder.glob("*.mcap"))
    before = path.stat().st_mtime_ns, path.read_bytes()
    assert change_tags(folder, ["golden", "day-1"]) == ["day-1", "golden"]
    assert change_tags(folder, ["golden"], ["day-1", "never"]) == ["golden"]
    with Episode(folder) as episode:
        assert tags_of(episode.custom) == ("golden",)
        assert episode.outcome == "success"
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


def test_what_is_no_tag_or_no_complete_bag_is_refused(station):
    for bad in ("two words", "", "-", "x" * 41):
        with pytest.raises(ValueError, match="tag: expected"):
            change_tags(station / "good", [bad])
    with pytest.raises(TruncatedBagError):
        change_tags(station / "cut", ["golden"])
