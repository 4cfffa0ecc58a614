"""``dreamzero episodes`` on a folder with good and broken episodes, as a crew types it."""

import json
from dataclasses import replace

import pytest

from dreamzero_policy.cli import main as command_line
from dreamzero_policy.data.synthetic import write_recording
from dreamzero_policy.tasks import catalogue
from dreamzero_policy.tasks.store import open_store


@pytest.fixture
def station(tmp_path, droid):
    small = {"seconds": 2.0, "camera_hz": 5.0, "joint_hz": 50.0, "command_hz": 15.0, "jpeg": True}
    root = tmp_path / "episodes"
    for name in ("droid_1", "droid_2"):
        write_recording(root / name, droid, **small, facts={"task": "Kitchen: Wipe"})
    write_recording(root / "droid_3", droid, **small, finish=False)
    return root


@pytest.fixture
def episodes(station, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*words, code=0):
        assert command_line.main(["episodes", "--folder", str(station), *words]) == code
        said = capsys.readouterr()
        return said.out if code != 2 else said.err

    return run


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        command_line.main(["episodes", "--help"])
    assert "dreamzero episodes sync --to" in capsys.readouterr().out.partition("examples:")[2]


def test_a_broken_episode_among_good_ones_is_named(episodes, tmp_path):
    said = episodes("list")
    assert "2 episodes, 4.0 s" in said
    assert "droid_3: its recording was cut off" in said
    said = episodes("validate", code=1)
    assert "droid_3: bad" in said
    assert "dreamzero recover" in said
    assert "3 episodes: 2 good, 1 bad" in said
    assert "droid_3: not drawn" in episodes("show", code=1)
    assert {path.name for path in (tmp_path / "out/episodes").iterdir()} == {
        "droid_1.png",
        "droid_2.png",
    }
    said = episodes("sync", "--to", str(tmp_path / "usb"), code=1)
    assert "2 of 3 episodes are in" in said
    assert (tmp_path / "usb/droid_1/metadata.yaml").is_file()
    assert not (tmp_path / "usb/droid_3").exists()


def test_tags_and_trash_and_what_takes_all(episodes, station):
    assert "droid_1: golden" in episodes("tag", "droid_1", "--add", "golden")
    said = episodes("list", "--tag", "golden")
    assert "droid_1" in said
    assert "droid_2" not in said
    assert "expected names of episodes, or --all" in episodes("trash", code=2)
    assert "droid_1: is in" in episodes("trash", "droid_1")
    assert "droid_1" in episodes("list", "--trash")
    assert not (station / "droid_1").exists()
    assert "droid_1: is in" in episodes("restore", "droid_1")
    assert "expected an episode" in episodes("restore", "droid_1", code=1)
    said = episodes("trim", "--all", code=1)
    assert said.count("its ends are not idle") == 2


def test_the_task_sheets_follow(episodes, tmp_path):
    db = tmp_path / "tasks.db"
    with open_store(db, create=True, station="s") as store:
        catalogue.add_task(store, "Kitchen", "Wipe", 1)

    def counted():
        with open_store(db, write=False) as store:
            return catalogue.find(store, "K01").count

    said = episodes("count", "--db", str(db), code=1)
    assert "droid_1: K01" in said
    assert "counted before" in episodes("count", "droid_1", "--db", str(db))
    assert counted() == 2
    assert "out of the task counts" in episodes("trash", "droid_1", "--db", str(db))
    assert counted() == 1
    assert "back in the task counts" in episodes("restore", "droid_1", "--db", str(db))
    assert counted() == 2


def test_an_own_robot_is_known_by_its_folder(tmp_path, droid, episodes, station):
    config = tmp_path / "config" / "robots"
    config.mkdir(parents=True)
    (config / "widget.py").write_text(
        "from dataclasses import replace\n"
        "from dreamzero_policy.embodiments.droid import DROID as other\n"
        "WIDGET = replace(other, name='widget')\ndel other\n"
    )
    few = {"seconds": 2.0, "camera_hz": 5.0, "joint_hz": 50.0, "command_hz": 15.0, "jpeg": True}
    write_recording(station / "widget_1", replace(droid, name="widget"), **few)
    assert "unknown robot 'widget'" in episodes("validate", "widget_1", code=1)
    own = ["--config-dir", str(config.parent)]
    assert "widget_1: good" in episodes(*own, "validate", "widget_1")
    assert "its ends are not idle" in episodes(*own, "trim", "widget_1")


def test_one_plays_through_a_policy(episodes, tmp_path):
    pytest.importorskip("dreamzero_bringup")
    pytest.importorskip("torch")
    said = episodes("play", "droid_2", "--replan", "8", "--evaluations", "5")
    assert "untrained" in said
    figures = json.loads((tmp_path / "out/episodes/droid_2_play.json").read_text())
    assert figures["open_loop"]
    assert figures["chunks"]["compared"] >= 1
    assert (tmp_path / "out/episodes/droid_2_play.png").is_file()
