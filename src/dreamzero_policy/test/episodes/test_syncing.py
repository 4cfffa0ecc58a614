"""A copy is verified, goes on where it was cut off, and is never made over anything else."""

import hashlib

import pytest

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.episodes import syncing
from dreamzero_policy.episodes.syncing import SUMS, sync
from dreamzero_policy.episodes.tags import change_tags


@pytest.fixture
def folder(tmp_path, record):
    return record(tmp_path / "episodes" / "droid_1", seconds=1.0)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_copy_is_whole_and_the_second_time_nothing_is_read(folder, tmp_path, monkeypatch):
    told = []
    done = sync(folder, tmp_path / "usb", tell=told.append)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert (done.problem, done.copied_bytes, sum(told)) == ("", size, size)
    place = tmp_path / "usb" / "droid_1"
    for path in folder.iterdir():
        assert digest(place / path.name) == digest(path)
        assert f"{digest(path)}  {path.name}\n" in (place / SUMS).read_text()
    with Episode(place) as episode:
        episode.verify()
    monkeypatch.setattr(syncing, "_hash", None)
    assert sync(folder, tmp_path / "usb").copied_bytes == 0


def test_it_goes_on_where_it_was_cut_off(folder, tmp_path):
    path = next(folder.glob("*.mcap"))
    place = tmp_path / "usb" / "droid_1"
    place.mkdir(parents=True)
    part, half = place / f".{path.name}.part", path.stat().st_size // 2
    part.write_bytes(path.read_bytes()[:half])
    done = sync(folder, tmp_path / "usb")
    assert done.problem == ""
    assert done.copied_bytes < path.stat().st_size - half + 100_000
    assert digest(place / path.name) == digest(path)
    assert not part.exists()


def test_a_part_that_is_of_something_else_is_begun_anew(folder, tmp_path):
    path = next(folder.glob("*.mcap"))
    place = tmp_path / "usb" / "droid_1"
    place.mkdir(parents=True)
    (place / f".{path.name}.part").write_bytes(b"x" * 1000)
    assert sync(folder, tmp_path / "usb").problem == ""
    assert digest(place / path.name) == digest(path)


def test_another_file_is_never_replaced(folder, tmp_path):
    path = next(folder.glob("*.mcap"))
    place = tmp_path / "usb" / "droid_1"
    place.mkdir(parents=True)
    (place / path.name).write_bytes(b"precious")
    done = sync(folder, tmp_path / "usb")
    assert "expected the same file" in done.problem
    assert (place / path.name).read_bytes() == b"precious"
    assert not (place / "metadata.yaml").exists()
    assert "another folder than its own" in sync(folder, folder.parent).problem


def test_damage_at_the_target_is_found_when_it_is_looked_for(folder, tmp_path):
    sync(folder, tmp_path / "usb")
    there = tmp_path / "usb" / "droid_1" / next(folder.glob("*.mcap")).name
    stat, content = there.stat(), bytearray(there.read_bytes())
    content[1000] ^= 1
    there.write_bytes(content)
    syncing.os.utime(there, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert sync(folder, tmp_path / "usb").problem == ""
    assert "expected the same file" in sync(folder, tmp_path / "usb", again=True).problem


def test_a_disk_that_returns_something_else_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(syncing, "_hash", lambda path, tell=None: "0")
    done = sync(folder, tmp_path / "usb")
    assert "is the disk failing" in done.problem
    assert not list((tmp_path / "usb" / "droid_1").iterdir())


def test_tags_of_a_copied_episode_come_after_when_asked_for(folder, tmp_path):
    sync(folder, tmp_path / "usb")
    change_tags(folder, ["golden"])
    assert "--notes brings them up to date" in sync(folder, tmp_path / "usb").problem
    assert sync(folder, tmp_path / "usb", notes=True).problem == ""
    with Episode(tmp_path / "usb" / "droid_1") as episode:
        assert episode.custom["dreamzero.tags"] == "golden"
