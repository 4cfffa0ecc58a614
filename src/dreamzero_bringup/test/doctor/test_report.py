"""The doctor's findings, printed and written."""

import json

import pytest
from rich.console import Console

from dreamzero_bringup.doctor.finding import Finding, Level, failed, passed, skipped, warned
from dreamzero_bringup.doctor.report import Report

REPORT = Report(
    "droid",
    7,
    {
        "machine": (passed("Python", "3.12"), skipped("CPU governor", "not said")),
        "cameras": (
            failed("wrist: size", "640x480", expected="320x180", fix="set 320x180 [pixels]"),
            warned("wrist: picture", "black", fix="take the lens cap off"),
        ),
    },
)


def printed(report, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(report.table())
    return console.export_text()


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_has_every_finding_and_fits(width):
    text = printed(REPORT, width)
    assert max(map(len, text.splitlines())) <= width
    for words in ("droid, domain 7", "Python", "640x480", "expected: 320x180", "[pixels]", "black"):
        assert words in text


def test_nothing_is_cut_off_in_a_narrow_terminal():
    name = "AMENT_PREFIX_PATH_WITH_A_VERY_LONG_NAME_INDEED"
    text = printed(Report("droid", None, {"DDS": (passed(name, "x" * 100),)}), 60)
    assert text.count("x") == 100
    assert "…" not in text


def test_counts_and_exit():
    assert REPORT.failed
    assert REPORT.summary() == "1 pass, 1 warn, 1 fail, 1 skipped"
    sound = Report("droid", None, {"machine": (passed("Python", "3.12"),)})
    assert not sound.failed
    assert sound.summary() == "1 pass, 0 warn, 0 fail"


def test_json_holds_everything(tmp_path):
    REPORT.write(tmp_path / "doctor.json")
    content = json.loads((tmp_path / "doctor.json").read_text())
    assert content["robot"] == "droid"
    assert content["domain_id"] == 7
    assert content["summary"] == {"pass": 1, "warn": 1, "fail": 1, "skip": 1}
    assert content["findings"][2] == {
        "section": "cameras",
        "level": "fail",
        "what": "wrist: size",
        "found": "640x480",
        "expected": "320x180",
        "fix": "set 320x180 [pixels]",
    }


def test_a_file_that_cannot_be_written_is_the_users_to_put_right(tmp_path):
    with pytest.raises(ValueError, match="json: expected a file that can be written"):
        REPORT.write(tmp_path / "no" / "folder.json")


def test_a_complaint_needs_a_way_out():
    with pytest.raises(AssertionError):
        Finding(Level.FAIL, "disk", "full")
