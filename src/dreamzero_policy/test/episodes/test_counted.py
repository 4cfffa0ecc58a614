"""A recorded episode is on the task sheets once, by its id, with the tasks that it names."""

import pytest

from dreamzero_policy.episodes.counted import count, task_text
from dreamzero_policy.tasks import catalogue, counting, plans
from dreamzero_policy.tasks.store import open_store

NOW = 1_700_000_000_000_000_000


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "tasks.db", create=True, station="s") as opened:
        for area in ("Kitchen", "Lab"):
            for what in ("Wipe the table", "Fold a towel"):
                catalogue.add_task(opened, area, what, NOW)
        yield opened


def test_codes_and_instructions_become_what_an_episode_says(store):
    assert task_text(store, ["K01", "k2"]) == "Kitchen: Wipe the table | Kitchen: Fold a towel"
    assert task_text(store, ["wipe the table."], "Lab") == "Lab: Wipe the table"
    with pytest.raises(ValueError, match="say which by its code"):
        task_text(store, ["Wipe the table"])
    with pytest.raises(ValueError, match="no task 'K09'"):
        task_text(store, ["K09"])


def test_an_episode_counts_once_and_under_its_plan(store, tmp_path, record):
    text = task_text(store, ["K02", "K01"])
    folder = record(tmp_path / "droid_1", seconds=1.0, facts={"task": text})
    day = "2023-11-14"
    planned = plans.make(store, catalogue.area(store, "Kitchen"), day, 1, NOW)
    done = count(store, folder, NOW)
    assert done.new
    assert [(task.code, task.count) for task in done.tasks] == [("K02", 1), ("K01", 1)]
    assert not count(store, folder, NOW).new
    ((kept, _),) = counting.episodes(store, day)
    assert (kept.id, kept.operator, kept.seconds) == ("droid_1", "ada", pytest.approx(1.0))
    assert kept.plan in {one.id for one in planned} | {""}


def test_what_names_no_task_or_was_trimmed_is_not_counted(store, tmp_path, record):
    for number, facts in enumerate(
        ({"task": ""}, {"task": "dance"}, {"task": "K01", "extra": {"trimmed_from": "droid_9"}})
    ):
        folder = record(tmp_path / f"droid_{number}", seconds=1.0, facts=facts)
        with pytest.raises(ValueError):
            count(store, folder, NOW)
    assert counting.days(store) == []
