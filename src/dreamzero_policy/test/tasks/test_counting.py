"""Counts: once per episode, whatever is said again, and only what was not discarded."""

import pytest

from dreamzero_policy.tasks import catalogue, counting
from dreamzero_policy.tasks.counting import Episode, count_episode, discard_episode

DAY = "2026-03-02"


def count(store, task):
    return catalogue.by_id(store, task.id).count


def test_an_episode_counts_once(store, kitchen):
    one = Episode("e1", DAY, tuple(task.id for task in kitchen[:3]), "Ana", 300.0)
    first = count_episode(store, one, 1)
    assert first.new
    assert [task.count for task in first.tasks] == [1, 1, 1]
    again = count_episode(store, one, 2)
    assert not again.new
    assert [task.count for task in again.tasks] == [1, 1, 1]
    assert counting.counts_of_day(store, DAY) == dict.fromkeys(one.tasks, 1)
    assert counting.counts_of_day(store, "2026-03-03") == {}
    assert counting.days(store) == [(DAY, 1, 300.0)]
    assert counting.episodes(store, DAY) == [(one, "one")]


def test_the_episode_that_fills_a_task_says_so(store, kitchen):
    catalogue.change_setting(store, "retire_after", "2")
    assert not count_episode(store, Episode("e1", DAY, (kitchen[0].id,)), 1).retired
    full = count_episode(store, Episode("e2", DAY, (kitchen[0].id, kitchen[1].id)), 1)
    assert [task.code for task in full.retired] == ["K01"]
    late = count_episode(store, Episode("e3", DAY, (kitchen[0].id,)), 1)
    assert late.new
    assert not late.retired
    assert count(store, kitchen[0]) == 3


def test_the_same_id_with_other_tasks_is_refused(store, kitchen):
    count_episode(store, Episode("e1", DAY, (kitchen[0].id,)), 1)
    with pytest.raises(ValueError, match="e1 is counted with K01, now it comes with K02"):
        count_episode(store, Episode("e1", DAY, (kitchen[1].id,)), 2)
    assert count(store, kitchen[1]) == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": " "}, "expected an id"),
        ({"tasks": ()}, "at least one task"),
        ({"tasks": ("x", "x")}, "each once"),
        ({"tasks": ("t0",)}, "no task with the id 't0'"),
        ({"day": "2026-02-30"}, "day"),
        ({"day": "2.3.2026"}, "day"),
    ],
)
def test_what_cannot_be_counted_changes_nothing(store, kitchen, change, says):
    told = {"id": "e1", "day": DAY, "tasks": (kitchen[0].id,)} | change
    with pytest.raises(ValueError, match=says):
        count_episode(store, Episode(**told), 1)
    assert not store.rows("SELECT 1 FROM episode")


def test_a_discarded_episode_counts_no_more_and_can_be_taken_back(store, kitchen):
    count_episode(store, Episode("e1", DAY, (kitchen[0].id,)), 1)
    discard_episode(store, "e1", 2)
    assert count(store, kitchen[0]) == 0
    assert counting.days(store) == []
    assert not count_episode(store, Episode("e1", DAY, (kitchen[0].id,)), 3).new
    assert count(store, kitchen[0]) == 0  # said again, it stays discarded
    discard_episode(store, "e1", 4, discarded=False)
    assert count(store, kitchen[0]) == 1
    with pytest.raises(ValueError, match="no episode 'e2'"):
        discard_episode(store, "e2", 5)
