"""``dreamzero tasks`` from the first day to the merge, as a crew types it."""

import re

import pytest

from dreamzero_policy.cli.main import main
from dreamzero_policy.cli.tasks import _ACTIONS
from dreamzero_policy.tasks.actions import ACTIONS


@pytest.fixture
def tasks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words, db="tasks.db", code=0):
        assert main(["tasks", "--db", str(tmp_path / db), *words]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    return run


def test_every_action_is_declared():
    assert set(_ACTIONS) == {"init", *ACTIONS}


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        main(["tasks", "--help"])
    assert "dreamzero tasks sheet Kitchen" in capsys.readouterr().out.partition("examples:")[2]


def test_a_day(tasks, tmp_path):
    assert "dreamzero tasks init" in tasks("list", code=2)
    assert "station 'robot-3'" in tasks("init", "--station", "robot-3")
    for number in range(3):
        tasks("add", "Kitchen", f"Do {number}", "--step", "First", "--seconds", "100")
    assert "there already" in tasks("add", "Kitchen", "do 1.")
    assert "proposed" in tasks("propose", "Kitchen", "Dance", "--by", "Ana")
    assert "K04" in tasks("accept", "K04")
    assert "2 episodes" in tasks("sheet", "K", "--episodes", "2", "--day", "2026-03-02")
    page = (tmp_path / "out/sheets/kitchen-2026-03-02.html").read_text()
    assert page.count('<div class="plan"') == 2
    assert "counted" in tasks("count", "ep1", "K01", "k2", "Dance", "--day", "2026-03-02")
    done = ("--plan", "2", "--day", "2026-03-02")
    assert "counted" in tasks("count", "ep2", "K01", *done)
    tasks("discard", "ep2")
    assert "no episode 9 is planned" in tasks("count", "ep3", "K01", "--plan", "9", code=2)
    assert "counted before" in tasks("count", "ep1", "K01", "k2", "K04", "--day", "2026-03-02")
    assert re.search(r"K01 .* 1 of 50", tasks("list"))
    assert "2026-03-02: 1 episodes" in tasks("counts", "--day", "2026-03-02")
    tasks("log", "--day", "2026-03-02")
    assert (tmp_path / "out/logs/tasks-2026-03-02.csv").is_file()
    assert "1 of 1" in tasks("set", "retire_after", "1") + tasks("list", "--status", "retired")
    tasks("copy", str(tmp_path / "carried.db"))
    tasks("init", "--station", "robot-4", db="four.db")
    merged = tasks("merge", str(tmp_path / "carried.db"), db="four.db")
    assert "1 areas, 4 tasks, 2 plans, 2 episodes" in merged
    assert "nothing new" in tasks("merge", str(tmp_path / "carried.db"), db="four.db")


def test_what_the_user_got_wrong_is_named(tasks):
    tasks("init")
    assert "no area 'Bar'" in tasks("plan", "Bar", code=2)
    assert "no task 'K09'" in tasks("retire", "K09", code=2)
    assert "day: expected YYYY-MM-DD" in tasks("counts", "--day", "yesterday", code=2)
