"""Pages and pictures of results that were made up: what was not run says so."""

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("matplotlib")

from paper import plot, report
from paper.recipes import Part, Recordings, Training, Trial
from paper.study import Arm, Claim, Study

TRAINING = Training((Part(Recordings("droid", ("reach",), 1.0)),), 1, 1, 1, 1)
TRIAL = Trial(TRAINING, "droid", ("reach",), 3, 0.2, 0.0, 160)
STUDY = Study(
    *("made_up", "New against old", "New is better.", "Everything."),
    (Arm("new", TRIAL), Arm("old", TRIAL), Arm("third", TRIAL)),
    (Claim("higher", "new", "old", "seen"), Claim("higher", "new", "third", "seen")),
    ("seen", "unseen"),
)
SETUP = {"tasks": ["reach", "hover"], "robot": "droid", "size": {"steps": 5, "own_minutes": 1}}


def rollouts(share, seeds=3, count=40, split="seen"):
    return {
        seed: [
            SimpleNamespace(
                *(),
                task="reach",
                seed=at,
                choice=0,
                split=split,
                success=at < share * count,
                progress=share,
            )
            for at in range(count)
        ]
        for seed in range(seeds)
    }


@pytest.fixture
def found():
    made = {"new": rollouts(0.75), "old": rollouts(0.25), "third": {}}
    return report.result(STUDY, made, SETUP)


def test_rows_have_errors_or_say_that_they_were_not_run(found):
    rows = {(row["arm"], row["split"]): row for row in found["rows"]}
    assert len(rows) == 6
    new = rows["new", "seen"]
    assert new["success"]["mean"] == 0.75
    assert new["success"]["by_seed"] == {0: 0.75, 1: 0.75, 2: 0.75}
    assert new["success"]["rollouts"] == 120
    assert 0.02 < new["success"]["error"] < 0.06
    assert rows["third", "seen"]["state"] == rows["new", "unseen"]["state"] == "not run"
    assert report.cells(rows["third", "seen"])[4] == "not run"
    assert report.cells(new)[:5] == ("new", "seen", "3", "120", "75 ± 4 %")


def test_the_same_scene_is_another_attempt_under_another_task():
    rows = rollouts(1.0, seeds=1)[0]
    rows += [SimpleNamespace(**{**vars(row), "task": "hover"}) for row in rows]
    assert len(report.outcomes({0: rows}, "seen", "success")[0]) == 2 * 40


def test_conclusions_come_of_the_figures(found):
    verdicts = [(one["measure"], one["verdict"]) for one in found["conclusions"]]
    assert verdicts == [
        ("success", "reproduces"),
        ("progress", "reproduces"),
        ("success", "not run"),
        ("progress", "not run"),
    ]
    assert found["verdict"] == "reproduces: 1 of 2 claims; not run: 1 of 2 claims"


def test_the_page_says_what_the_paper_found_and_what_is_different(found):
    text = report.page(found, "| table |")
    for part in ("# New against old", "New is better.", "Everything.", "| table |", "**not run**"):
        assert part in text
    json.dumps(found)


def test_the_picture_is_drawn_whatever_there_is(found, tmp_path):
    plot.draw(found, tmp_path / "a.png")
    nothing = report.result(STUDY, {"new": {}, "old": {}, "third": {}}, SETUP)
    plot.draw(nothing, tmp_path / "b.png")
    for name in "ab":
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
