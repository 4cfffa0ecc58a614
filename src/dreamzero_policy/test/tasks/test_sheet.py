"""What is printed and logged holds every task, code and count, and no markup of a crew's."""

import csv
import io
import re

import pytest

from dreamzero_policy.tasks import catalogue, daily_log, plans
from dreamzero_policy.tasks.counting import Episode, count_episode
from dreamzero_policy.tasks.sheet import sheet

DAY = "2026-03-02"


def text_of(page):
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.partition("</style>")[2]))


def test_the_sheet_holds_plans_tasks_and_steps(store, kitchen):
    task = catalogue.revise(store, kitchen[0], 1, steps=["Take <it>", "Put it"])
    catalogue.add_task(store, "Kitchen", "Dance", 0, status="proposed")
    made = plans.make(store, task.area, DAY, 4, 0)
    page = sheet(task.area, DAY, "robot & co", made, catalogue.tasks(store))
    assert "Take &lt;it&gt;" in page
    assert "robot &amp; co" in page
    text = text_of(page)
    assert "Dance" not in text
    assert "Kitchen" in text
    assert DAY in text
    for one in kitchen:
        assert one.instruction in text
        listed = sum(one.code == other.code for plan in made for other in plan.tasks)
        assert len(re.findall(rf"\b{one.code}\b", text)) == listed + 1
    assert page.count('<div class="plan"') == 4
    assert "src=" not in page
    assert "http" not in page


def test_a_retired_task_leaves_the_sheet(store, kitchen):
    catalogue.change_setting(store, "retire_after", "1")
    count_episode(store, Episode("e", DAY, (kitchen[0].id,)), 0)
    page = sheet(kitchen[0].area, DAY, "one", (), catalogue.tasks(store))
    assert "K01" not in page
    assert "K02" in page


def test_the_daily_log_adds_up(store, kitchen, tmp_path):
    catalogue.change_setting(store, "retire_after", "2")
    ids = tuple(task.id for task in kitchen[:3])
    count_episode(store, Episode("e1", "2026-03-01", ids, "Ana", 300), 0)
    count_episode(store, Episode("e2", DAY, ids[:2], "Bo <b>", 240), 0)
    paths = daily_log.export(store, DAY, tmp_path / "logs")
    rows = list(csv.DictReader(io.StringIO(paths[0].read_text())))
    assert [(row["code"], row["today"], row["total"]) for row in rows[:4]] == [
        ("K01", "1", "2"), ("K02", "1", "2"), ("K03", "0", "1"), ("K04", "0", "0"),
    ]  # fmt: skip
    assert [row["status"] for row in rows[:3]] == ["retired", "retired", "active"]
    text = text_of(paths[1].read_text())
    assert "1 episodes, 4 min, 2 different tasks, retired today: K01, K02" in text.replace(
        "  ", " "
    ).replace(" ,", ",")
    assert "e2" in text
    assert "e1" not in text
    assert "Bo &lt;b&gt;" in text


def test_a_folder_that_cannot_be_written_is_named(store, tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(ValueError, match="cannot be written"):
        daily_log.export(store, DAY, tmp_path / "logs")
