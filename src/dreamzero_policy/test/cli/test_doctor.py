"""``dreamzero doctor`` hands the user's choices over and turns the report into an exit code."""

import json
from pathlib import Path

import pytest

pytest.importorskip("dreamzero_bringup", reason="needs the built workspace")

from dreamzero_bringup.doctor import examination
from dreamzero_bringup.doctor.examination import Request
from dreamzero_bringup.doctor.finding import failed, passed
from dreamzero_bringup.doctor.report import Report
from dreamzero_policy.cli import main as command_line


@pytest.fixture
def asked(monkeypatch):
    seen = {"findings": (passed("Python", "3.12"),)}

    def examine(request):
        seen["request"] = request
        return Report(request.robot, None, {"machine": seen["findings"]})

    monkeypatch.setattr(examination, "examine", examine)
    return seen


def test_every_choice_arrives(asked, tmp_path):
    words = "doctor yam --sim --seconds 5 --checkpoint random:tiny --config-dir c --domain-id 9"
    words += f" --set controller.rate_hz=25 --discovery-range SUBNET --json {tmp_path / 'd.json'}"
    assert command_line.main(words.split()) == 0
    assert asked["request"] == Request(
        "yam", True, 5.0, 9, "SUBNET", Path("c"), "random:tiny", ("controller.rate_hz=25",)
    )
    assert json.loads((tmp_path / "d.json").read_text())["summary"]["pass"] == 1


def test_defaults(asked, capsys):
    assert command_line.main(["doctor"]) == 0
    assert asked["request"] == Request("droid")
    assert "1 pass, 0 warn, 0 fail" in capsys.readouterr().out


def test_a_failure_is_exit_code_1(asked):
    asked["findings"] = (failed("disk", "full", fix="make room"),)
    assert command_line.main(["doctor"]) == 1


@pytest.mark.parametrize("words", [["no_such_robot"], ["droid", "--seconds", "0"]])
def test_wrong_use_is_exit_code_2(words, capsys):
    assert command_line.main(["doctor", *words]) == 2
    assert "dreamzero: error:" in capsys.readouterr().err
