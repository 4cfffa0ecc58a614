"""Broken episodes are named among good ones, and a person's words find what is meant."""

import pytest

from dreamzero_policy.data.errors import NotABagError
from dreamzero_policy.episodes.found import folders, look, select


def test_every_episode_is_described_whatever_its_neighbours_are(station):
    found = {folder.name: look(folder) for folder in folders(station)}
    assert {name: one.state for name, one in found.items()} == {
        "cut": "cut off",
        "damaged": "complete",  # only reading all of it tells
        "good": "complete",
        "nonsense": "broken",
    }
    assert "dreamzero recover" in found["cut"].problem
    assert "expected metadata of rosbag2" in found["nonsense"].problem
    good = found["good"]
    assert (good.facts.robot, good.facts.operator, good.outcome) == ("droid", "ada", "success")
    assert good.seconds == pytest.approx(3.0)


def test_names_paths_and_folders_are_found(station):
    assert select(station, ["good"]) == [station / "good"]
    assert select(station, [str(station / "good"), "good"]) == [station / "good"]
    assert len(select(station, [])) == len(select(station, [str(station)])) == 4
    with pytest.raises(NotABagError, match="got 'other'"):
        select(station, ["other"])
    with pytest.raises(NotABagError, match="expected a folder of episodes"):
        folders(station / "none")
