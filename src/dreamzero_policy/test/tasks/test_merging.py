"""Merging: any order, any number of times, one result; nothing counted twice; conflicts named."""

import shutil
import tempfile
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.tasks import catalogue, counting, plans
from dreamzero_policy.tasks.counting import Episode
from dreamzero_policy.tasks.merging import merge
from dreamzero_policy.tasks.store import TaskStoreError, open_store

DAY = "2026-03-02"
STATIONS = ("one", "two", "three")

_acts = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 4), st.sampled_from(["active", "proposed"])),
    st.tuples(st.just("decide"), st.integers(0, 4), st.sampled_from(["active", "retired"])),
    st.tuples(st.just("revise"), st.integers(0, 4), st.integers(30, 33)),
    st.tuples(st.just("count"), st.integers(0, 4), st.integers(0, 3)),
    st.tuples(st.just("discard"), st.integers(0, 3), st.booleans()),
)


def perform(store, act, now_ns, prefix):
    """One thing that a station does; what cannot be done there is not."""
    kind, which, more = act
    try:
        if kind == "add":
            catalogue.add_task(store, f"Area {which % 2}", f"do {which}", now_ns, status=more)
        elif kind == "decide":
            catalogue.decide(store, catalogue.find(store, f"do {which}"), more, now_ns)
        elif kind == "revise":
            catalogue.revise(store, catalogue.find(store, f"do {which}"), now_ns, seconds=more)
        elif kind == "count":
            one = Episode(f"{prefix}{more}", DAY, (catalogue.find(store, f"do {which}").id,))
            counting.count_episode(store, one, now_ns)
        else:
            counting.discard_episode(store, f"{prefix}{which}", now_ns, discarded=more)
    except ValueError:
        pass


def state(store):
    """Everything that stations agree on after merging; codes are each station's own."""
    tasks = {
        task.id: (task.count, task.status, task.seconds, task.instruction)
        for task in catalogue.tasks(store)
    }
    episodes = {
        row["id"]: (*row, counting.tasks_of(store, row["id"]))
        for row in store.rows("SELECT * FROM episode")
    }
    return tasks, episodes, {area.id for area in catalogue.areas(store)}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STATIONS), _acts), max_size=40), st.booleans())
def test_order_and_repetition_do_not_matter(history, shared_ids):
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.db" for name in STATIONS]
        for path in paths:
            open_store(path, create=True, station=path.stem).close()
        for now_ns, (name, act) in enumerate(history, start=1):
            with open_store(Path(folder) / f"{name}.db") as store:
                # Where ids are shared, two stations say different things of one episode.
                perform(store, act, now_ns // 3, "e" if shared_ids else f"{name}-")
        results = []
        for order in permutations(paths):
            target = Path(folder) / "target.db"
            shutil.copy(order[0], target)
            with open_store(target) as store:
                merge(store, order[1:])
                once = state(store)
                reports = merge(store, order)
                assert state(store) == once
                assert not any(sum(report.added.values()) for report in reports)
                results.append(once)
            target.unlink()
        assert all(result == results[0] for result in results)
        if not shared_ids:
            counted = {}
            for path in paths:
                with open_store(path) as store:
                    for task in catalogue.tasks(store):
                        counted[task.id] = counted.get(task.id, 0) + task.count
            assert {task: one[0] for task, one in results[0][0].items()} == counted


@pytest.fixture
def other(tmp_path):
    with open_store(tmp_path / "two.db", create=True, station="two") as opened:
        yield opened


def test_the_same_task_of_two_stations_is_one(store, other, kitchen):
    same, _ = catalogue.add_task(other, "KITCHEN", "do thing 2.", 99)
    counting.count_episode(other, Episode("b", DAY, (same.id,)), 1)
    counting.count_episode(store, Episode("a", DAY, (kitchen[1].id,)), 1)
    (report,) = merge(store, [other.path])
    assert report.added == {"area": 0, "task": 0, "plan": 0, "episode": 1}
    assert catalogue.find(store, "K02").count == 2
    assert report.notes == ["'do thing 2.': K01 there, K02 here"]
    assert "wording 'do thing 2.'" not in " ".join(report.conflicts)
    assert catalogue.find(store, "K02").instruction == "Do thing 2"


def test_a_code_that_is_taken_is_replaced_and_named(store, other, kitchen):
    catalogue.add_task(other, "Kitchen", "Dance", 5)
    catalogue.add_task(other, "Kiosk", "Sell", 5)
    catalogue.add_area(store, "Klinik", 5)
    (report,) = merge(store, [other.path])
    assert "'Dance': K01 there, K07 here" in report.notes
    assert [task.instruction for task in catalogue.tasks(store)].count("Do thing 1") == 1
    assert catalogue.find(store, "K01").instruction == "Do thing 1"  # printed sheets stay true


def test_conflicts_are_named_and_the_newest_is_kept(store, other, kitchen):
    theirs, _ = catalogue.add_task(other, "Kitchen", "Do thing 1", 1)
    catalogue.revise(other, theirs, 50, seconds=200)
    catalogue.decide(other, theirs, "retired", 60, "Bo")
    catalogue.revise(store, kitchen[0], 40, seconds=90)
    (report,) = merge(store, [other.path])
    assert len(report.conflicts) == 2
    assert "steps and time [], 90 s here, [], 200 s there; kept theirs" in report.conflicts[0]
    assert "decision active here, retired there; kept theirs" in report.conflicts[1]
    kept = catalogue.find(store, "K01")
    assert (kept.seconds, kept.status, kept.person) == (200, "retired", "Bo")
    (again,) = merge(store, [other.path])
    assert not again.conflicts
    assert not any(again.added.values())


def test_a_shared_episode_id_is_named(store, other, kitchen):
    theirs, _ = catalogue.add_task(other, "Kitchen", "Do thing 1", 1)
    counting.count_episode(other, Episode("e1", DAY, (theirs.id,), "Bo"), 9)
    counting.count_episode(store, Episode("e1", DAY, (kitchen[1].id,), "Ana"), 5)
    (report,) = merge(store, [other.path])
    (conflict,) = (line for line in report.conflicts if line.startswith("episode"))
    assert "two recordings share this id" in conflict
    assert "kept theirs" in conflict
    assert catalogue.find(store, "K01").count == 1
    assert catalogue.find(store, "K02").count == 0


def test_plans_come_along(store, other):
    task, _ = catalogue.add_task(other, "Bar", "Sell", 1)
    made = plans.make(other, task.area, DAY, 2, 0)
    (report,) = merge(store, [other.path])
    assert report.added["plan"] == 2
    catalogue.change_setting(store, "station", "two")
    assert [one.id for one in plans.plans(store, task.area, DAY)] == [one.id for one in made]


def test_a_bad_file_is_named_and_changes_nothing(store, kitchen, tmp_path):
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"x" * 9000)
    before = state(store)
    for path, says in ((bad, "is damaged"), (tmp_path / "none.db", "no task database")):
        with pytest.raises(TaskStoreError, match=says):
            merge(store, [path])
    with pytest.raises(TaskStoreError, match="merged into"):
        merge(store, [store.path])
    assert state(store) == before
