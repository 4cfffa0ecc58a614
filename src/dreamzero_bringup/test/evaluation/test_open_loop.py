"""Open loop as the command does it: figures, a page, and only what is missing is scored again."""

import json
import re

import pytest

from dreamzero_bringup.evaluation import open_loop
from dreamzero_bringup.evaluation.open_loop import ROWS, evaluate
from dreamzero_bringup.evaluation.open_loop_page import SUMMARY
from dreamzero_bringup.evaluation.specs import parse
from dreamzero_policy import embodiments
from dreamzero_policy.cli import main as cli
from dreamzero_policy.cli.evaluate import _numbers
from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.synthetic import write_recording

FAST = {"camera_hz": 15.0, "joint_hz": 30.0, "jpeg": True}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder, robot = tmp_path_factory.mktemp("open_loop"), embodiments.get("droid")
    for number in range(2):
        write_recording(folder / "bags" / f"droid_{number}", robot, seconds=3.6, **FAST)
    convert([folder / "bags"], folder / "dataset", ConversionSettings(robot="droid"))
    return folder / "dataset"


def test_figures_page_and_resumption(dataset, tmp_path, monkeypatch, capsys):
    out, scored = tmp_path / "out", []
    real = open_loop.score

    def counted(policy, folder, index, **how):
        scored.append((policy.description[:4], index))
        if len(scored) == 2:
            raise KeyboardInterrupt
        return real(policy, folder, index, **how)

    monkeypatch.setattr(open_loop, "score", counted)
    command = ["evaluate", "droid", "--policy", "hold", "--policy", "base=random:tiny",
               "--engine", "evaluations=1", "--engine", "threads=1",
               "--dataset", str(dataset), "--episodes", "1", "--films", "1",
               "--out", str(out)]  # fmt: skip
    assert cli.main(command) == 130
    assert cli.main(command) == 0
    assert scored == [("hold", 1), ("untr", 1), ("untr", 1)]
    shown = capsys.readouterr().out
    assert "its previous chunk, shifted" in shown
    assert "joint_position" in shown
    assert "[rad, m, share of a gripper]" in shown
    assert "[dB]" in shown
    summary = json.loads((out / SUMMARY).read_text())
    assert summary["untrained"] == ["base"]
    hold, base = summary["scores"]["hold"], summary["scores"]["base"]
    assert hold["rmse"]["policy"] == hold["rmse"]["hold"] == base["rmse"]["hold"]
    assert base["rmse"]["policy"]["joint_position"] > hold["rmse"]["policy"]["joint_position"]
    assert len(hold["rmse_by_row"]["policy"]["gripper_position"]) == 24
    assert hold["psnr_by_frame"] == [None] * 8
    assert base["psnr_by_frame"][0] > 3
    assert base["divergence"] > 0
    text = (out / "index.html").read_text()
    links = re.findall(r'src="([^"]+)"', text)
    assert {"rmse.png", "psnr.png", "films/hold_1.mp4", "films/base_1.mp4"} == set(links)
    assert all((out / link).stat().st_size > 500 for link in links)
    lines = (out / ROWS).read_text().splitlines()
    assert len(lines) == 2


def test_what_does_not_fit(dataset, tmp_path):
    specs = [parse("hold")]
    with pytest.raises(ValueError, match=r"expected episodes of 0 to 1, got \[5\]"):
        evaluate("droid", specs, dataset, [0, 5], tmp_path / "a")
    with pytest.raises(ValueError, match="expected a video"):
        evaluate("yam", specs, dataset, [], tmp_path / "b")
    with pytest.raises(ValueError, match="it cannot be scored on a dataset"):
        evaluate("droid", [parse("expert")], dataset, [0], tmp_path / "c")
    evaluate("droid", specs, dataset, [0], tmp_path / "d", video=False, films=0)
    with pytest.raises(ValueError, match="holds another evaluation"):
        evaluate("droid", specs, dataset, [0], tmp_path / "d")


def test_numbers():
    assert _numbers("0,3,8-10,3") == [0, 3, 8, 9, 10]
    assert _numbers("") == []
    with pytest.raises(ValueError, match="expected numbers as 0,3,8-12"):
        _numbers("one")
