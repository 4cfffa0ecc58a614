"""The folder that a demo leaves."""

import json

from dreamzero_bringup.demo.folder import write_folder
from dreamzero_bringup.demo.process_usage import Usage
from dreamzero_bringup.demo.recording import Recording
from dreamzero_bringup.demo.report import checks
from dreamzero_policy.embodiments.droid import DROID

PROCESSES = {"policy": Usage(80.0, 700.0, 500.0), "controller": Usage(10.0, 100.0, 50.0)}


def test_figures_pictures_and_verdict(recording, tmp_path):
    write_folder(tmp_path, recording, "test", checks(recording, None), PROCESSES, 1 / 30)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["loop_closed"] is True
    assert summary["weights"] == "untrained tiny"
    assert summary["canvases_with_prediction"] == 15
    assert summary["all_processes"] == {
        "cpu_percent": 90.0,
        "resident_mib": 800,
        "share_mib": 550,
    }
    assert summary["machine"]["cores"] >= 1
    assert "torch" in summary["versions"]
    assert summary["commit"]
    for name in ("timeline.png", "canvas.mp4"):
        assert (tmp_path / name).stat().st_size > 10_000


def test_pictures_of_an_earlier_run_do_not_stay(tmp_path):
    (tmp_path / "timeline.png").write_text("old")
    empty = Recording(DROID, started_ns=1)
    write_folder(tmp_path, empty, "test", checks(empty, "policy died"), {}, 1 / 30)
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["loop_closed"] is False
    assert summary["checks"][0]["detail"] == "policy died"
