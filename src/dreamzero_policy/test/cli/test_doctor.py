"""``dreamzero doctor`` hands the user's choices over and turns the report into an exit code."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("dreamzero_bringup", reason="needs the built workspace")

from dreamzero_bringup.doctor import examination
from dreamzero_bringup.doctor.examination import Request
from dreamzero_bringup.doctor.finding import failed, passed
from dreamzero_bringup.doctor.report import Report
from dreamzero_policy import embodiments
from dreamzero_policy.cli import main as command_line


@pytest.fixture
def asked(monkeypatch):
    seen = {"findings": (passed("Python", "3.12"),)}

    def gather(request):
        seen["request"] = request
        nodes = seen.get("nodes", ("/controller", "/proprioception"))
        return SimpleNamespace(
            robot=embodiments.get(request.robot),
            expected=SimpleNamespace(simulated=seen.get("simulated", False)),
            live=SimpleNamespace(nodes=nodes),
            configuration=SimpleNamespace(nodes=()),
        )

    def judge(gathered):
        return Report(gathered.robot.name, None, {"machine": seen["findings"]})

    monkeypatch.setattr(examination, "gather", gather)
    monkeypatch.setattr(examination, "judge", judge)
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


@pytest.mark.parametrize(
    ("words", "seen", "why"),
    [
        ("--walk --sim", {}, "expected a running graph, got --sim"),
        ("--walk --yes", {}, "expected the simulated robot, this one is real"),
        ("--walk", {}, "expected a terminal"),
        ("--walk --yes", {"nodes": ("/sim_driver",)}, "not there: controller, proprioception"),
    ],
)
def test_a_walk_that_may_not_begin(asked, capsys, words, seen, why, tmp_path):
    asked |= seen
    assert command_line.main(["doctor", *words.split(), "--out", str(tmp_path)]) == 2
    assert why in capsys.readouterr().err


def test_nothing_moves_while_a_check_fails(asked, capsys, tmp_path):
    asked["findings"] = (failed("disk", "full", fix="make room"),)
    asked["simulated"] = True
    assert command_line.main(["doctor", "--walk", "--yes", "--out", str(tmp_path)]) == 1
    assert "nothing is moved while a check fails" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_misspelt_joint_is_refused_before_anything_is_looked_at(asked, capsys):
    assert command_line.main(["doctor", "yam", "--walk", "--joints", "left_joint1,left_grip"]) != 0
    assert "yam has no joint 'left_grip'; its joints are left_joint1" in capsys.readouterr().err
    assert "request" not in asked
