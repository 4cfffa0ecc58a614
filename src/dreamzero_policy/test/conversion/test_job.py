"""A conversion: the same whatever cuts it off, and never over something else."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from dreamzero_policy.conversion import part
from dreamzero_policy.conversion.job import convert, recordings
from dreamzero_policy.conversion.workshop import MARK, workshop
from dreamzero_policy.data.recovery import recover
from dreamzero_policy.datasets.errors import DiskFullError, ForeignFolderError
from dreamzero_policy.datasets.lerobot_reader import LeRobotDataset


def content(folder):
    """Hash by name of every file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def bags(record, tmp_path_factory):
    """Three good recordings."""
    folder = tmp_path_factory.mktemp("station")
    record("droid_0", folder=folder)
    record("droid_1", folder=folder, seconds=6.0, still=(2.5, 4.0), outcome="failure")
    record("droid_2", folder=folder, instructions=((0.0, "lift it"), (2.0, "drop it")))
    return folder


@pytest.fixture(scope="module")
def done(bags, settings, tmp_path_factory):
    out = tmp_path_factory.mktemp("done") / "dataset"
    return convert([bags], out, settings), out


def test_a_view_that_the_robot_has_not_is_named(bags, settings, tmp_path):
    with pytest.raises(ValueError, match=r"still views: droid has exterior_1, .* got \['left'\]"):
        convert([bags], tmp_path / "x", replace(settings, still_views=("left", "wrist")))
    assert not (tmp_path / "x").exists()


def test_every_recording_is_in_the_dataset(done):
    outcome, out = done
    assert not outcome.bugs
    data = LeRobotDataset(out)
    assert [entry.index for entry in data.episodes] == [0, 1, 2, 3]  # a pause ended one
    assert data.episodes[3].tasks == ("lift it", "drop it")
    texts = data.instructions(3)
    assert set(texts) == {"lift it", "drop it"}
    assert sorted(set(texts), key=texts.index) == ["lift it", "drop it"]
    page = (out / "report" / "index.html").read_text()
    assert "idle" in page
    assert all(f"droid_{n}" in page for n in range(3))
    assert (out / "report" / "droid_1.png").stat().st_size > 5000


def test_several_processes_make_the_same_dataset(done, bags, settings, tmp_path):
    convert([bags], tmp_path / "dataset", settings, count=2)
    assert content(tmp_path / "dataset") == content(done[1])


def test_a_second_run_makes_nothing_again(bags, settings, tmp_path):
    out = tmp_path / "dataset"
    first = convert([bags], out, settings)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = convert([bags], out, settings)
    assert (first.made, again.made) == (3, 0)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_what_was_made_before_a_setting_existed_is_gone_on_with(bags, settings, tmp_path):
    out = tmp_path / "dataset"
    convert([bags], out, settings)
    for file in (out / MARK, tmp_path / "dataset.parts" / "job.json"):
        about = json.loads(file.read_text())
        del about["settings"]["video_preset"]
        file.write_text(json.dumps(about))
    assert convert([bags], out, settings).made == 0


def test_new_recordings_alone_are_made(done, bags, record, settings, tmp_path):
    station, out = tmp_path / "station", tmp_path / "dataset"
    shutil.copytree(bags, station)
    convert([station], out, settings)
    record("droid_3", folder=station)
    more = convert([station], out, settings)
    assert more.made == 1
    assert more.episodes == 5


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_at_any_time_it_ends_with_the_same_dataset(done, bags, tmp_path):
    out = tmp_path / "dataset"
    script = (
        "import sys; from pathlib import Path\n"
        "from dreamzero_policy.conversion.job import convert\n"
        "from dreamzero_policy.conversion.settings import ConversionSettings\n"
        "settings = ConversionSettings(robot='droid', least_chunks=1.0)\n"
        "print('begun', flush=True)\n"
        "convert([Path(sys.argv[1])], Path(sys.argv[2]), settings)\n"
    )
    command = [sys.executable, "-c", script, str(bags), str(out)]
    for patience_s in (0.2, 0.5, 0.8, 1.2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(patience_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists() or content(out) == content(done[1])
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    assert content(out) == content(done[1])


def test_what_is_wrong_with_one_leaves_the_others_alone(record, settings, tmp_path):
    station, out = tmp_path / "station", tmp_path / "dataset"
    good = record("good", folder=station)
    cut_off = record("cut_off", folder=station, finish=False)
    record("no_camera", folder=station, seconds=1.0,
           change=lambda n, t, v: None if n.startswith("wrist") else v)  # fmt: skip
    record("stranger", folder=station, seconds=1.0, facts={"robot": "r2d2"})
    record("other", folder=station, seconds=1.0, facts={"robot": "yam"})
    record("thrown_away", folder=station, seconds=1.0, outcome="discarded")
    before = content(station)
    outcome = convert([station], out, settings)
    kinds = {one.name: one.kind for one in outcome.parts}
    assert kinds == {
        "good": "",
        "cut_off": "TruncatedBagError",
        "no_camera": "MissingTopicError",
        "stranger": "UnknownRobotError",
        "other": "ValueError",
        "thrown_away": "ValueError",
    }
    assert outcome.episodes == 1
    assert content(station) == before
    page = (out / "report" / "index.html").read_text()
    assert all(one.rejected.splitlines()[0][:40] in page for one in outcome.parts if one.rejected)
    recover(cut_off)
    assert convert([station], out, settings).episodes == 2
    assert good.is_dir()


def test_a_robot_of_the_installations_own_is_converted(record, settings, tmp_path):
    file = tmp_path / "mini.py"
    file.write_text(
        "from dataclasses import replace\n"
        "from dreamzero_policy.embodiments import droid\n"
        'MINI = replace(droid.DROID, name="mini")\n'
    )
    # The recording names the file as it was where it was recorded.
    for name, robot in (("by_path", "/elsewhere/robots/mini.py"), ("by_name", "mini")):
        record(name, folder=tmp_path / "bags", facts={"robot": robot})
    record("droid", folder=tmp_path / "bags", seconds=1.0)
    chosen = replace(settings, robot=str(file))
    outcome = convert([tmp_path / "bags"], tmp_path / "data", chosen, count=2)
    assert [one.name for one in outcome.parts if one.rejected] == ["droid"]
    assert outcome.episodes == 2
    assert LeRobotDataset(tmp_path / "data").info["robot_type"] == "mini"


def test_a_bug_in_one_is_reported_and_tried_again(bags, settings, tmp_path, monkeypatch):
    def broken(episode, chosen):
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(part, "resample", broken)
        outcome = convert([bags], tmp_path / "dataset", settings)
        assert len(outcome.bugs) == 3
        assert outcome.dataset is None
        assert "a bug" in outcome.report.read_text()
    again = convert([bags], tmp_path / "dataset", settings)
    assert again.made == 3
    assert again.dataset is not None


def test_a_folder_with_something_else_is_not_touched(bags, settings, tmp_path):
    out = tmp_path / "precious"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(ForeignFolderError, match=r"thesis\.txt"):
        convert([bags], out, settings)
    assert content(tmp_path) == {
        "precious/thesis.txt": hashlib.sha256(b"years of work").hexdigest()
    }
    with pytest.raises(ForeignFolderError, match="expected a folder"):
        convert([bags], out / "thesis.txt", settings)


def test_another_dataset_or_other_settings_are_not_mixed(done, bags, settings):
    before = content(done[1])
    with pytest.raises(ForeignFolderError, match="crf 23 there and 30 here"):
        convert([bags], done[1], replace(settings, crf=30))
    assert content(done[1]) == before


def test_a_lerobot_dataset_of_somebody_else_is_not_touched(done, bags, settings, tmp_path):
    out = tmp_path / "theirs"
    shutil.copytree(done[1], out)
    (out / "meta" / "conversion.json").unlink()
    before = content(out)
    with pytest.raises(ForeignFolderError):
        convert([bags], out, settings)
    assert content(out) == before


def test_two_at_once_do_not_mix(bags, settings, tmp_path):
    with (
        workshop(tmp_path / "dataset", settings),
        pytest.raises(ValueError, match="another conversion"),
    ):
        convert([bags], tmp_path / "dataset", settings)


def test_a_folder_that_cannot_be_written_to_is_named(bags, settings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="can be written to"):
        convert([bags], tmp_path / "file" / "dataset", settings)


def test_a_full_disk_keeps_what_is_done(bags, settings, tmp_path, monkeypatch):
    made, real = [], part.draw

    def full(*args):
        if len(made) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        made.append(1)
        return real(*args)

    out = tmp_path / "dataset"
    with monkeypatch.context() as patch:
        patch.setattr(part, "draw", full)
        with pytest.raises(DiskFullError, match="what is done is kept"):
            convert([bags], out, settings)
    assert not out.exists()
    assert convert([bags], out, settings).made == 2


def test_recordings_are_found_and_named(bags, tmp_path):
    assert list(recordings([bags])) == ["droid_0", "droid_1", "droid_2"]
    twin = tmp_path / "droid_0"
    shutil.copytree(bags / "droid_0", twin)
    names = list(recordings([bags, twin]))
    assert len(names) == 4
    assert len(set(names)) == 4
    with pytest.raises(ValueError, match="got no folder"):
        recordings([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="or a folder of bags"):
        recordings([tmp_path / "empty"])
