"""Areas and tasks: stable ids, codes that are never reused, decisions, what a person may type."""

import pytest

from dreamzero_policy.tasks import catalogue, records, task_file
from dreamzero_policy.tasks.counting import Episode, count_episode


def test_ids_are_of_the_words_alone():
    kitchen = records.area_id("Kitchen")
    assert kitchen == records.area_id("  kitchen ")
    assert records.task_id(kitchen, "Wipe  the table.") == records.task_id(
        kitchen, "wipe the Table"
    )
    assert records.task_id(kitchen, "Wipe") != records.task_id(records.area_id("Bar"), "Wipe")


def test_a_task_is_added_once(store):
    task, new = catalogue.add_task(store, "Kitchen", "Wipe the table", 1, steps=["Take it"])
    assert new
    assert task.code == "K01"
    assert task.open
    assert task.steps == ("Take it",)
    same, new = catalogue.add_task(store, "kitchen", "wipe the table.", 2, seconds=5)
    assert same == task
    assert not new


@pytest.mark.parametrize(
    ("names", "prefixes"),
    [
        (["Kitchen", "Kiosk", "K"], ["K", "KI", "A"]),
        (["Living room", "Lab", "Lab"], ["L", "LA", "LA"]),
        (["Office", "Ice bar"], ["OF", "IB"]),
        (["台所", "台所2"], ["A", "B"]),
    ],
)
def test_every_area_has_letters_of_its_own(store, names, prefixes):
    assert [catalogue.add_area(store, name, 0).prefix for name in names] == prefixes


def test_many_areas_still_get_letters(store):
    made = {catalogue.add_area(store, f"Aisle {n}", 0).prefix for n in range(120)}
    assert len(made) == 120


def test_a_proposal_is_on_the_sheet_once_accepted(store):
    task, _ = catalogue.add_task(store, "Kitchen", "Dance", 1, status="proposed", person="Ana")
    assert not task.open
    assert task.person == "Ana"
    task = catalogue.decide(store, task, "active", 2)
    assert task.open
    assert task.person == "Ana"
    assert not catalogue.decide(store, task, "retired", 3, "Bo").open


def test_a_task_retires_by_its_count_and_by_the_setting(store, kitchen):
    catalogue.change_setting(store, "retire_after", "2")
    for number in range(2):
        count_episode(store, Episode(f"e{number}", "2026-03-02", (kitchen[0].id,)), 0)
    task = catalogue.by_id(store, kitchen[0].id)
    assert task.standing == "retired"
    assert not task.open
    catalogue.change_setting(store, "retire_after", "50")
    assert catalogue.by_id(store, task.id).open


@pytest.mark.parametrize("word", ["K03", "k3", "Do thing 3", " do THING 3. "])
def test_a_task_is_found_by_what_people_call_it(store, kitchen, word):
    assert catalogue.find(store, word).id == kitchen[2].id


def test_what_is_not_found_is_named(store, kitchen):
    with pytest.raises(ValueError, match="no task 'K99'"):
        catalogue.find(store, "K99")
    with pytest.raises(ValueError, match=r"no area 'Bar'; there are: Kitchen \(K\)"):
        catalogue.area(store, "Bar")
    catalogue.add_task(store, "Bar", "Do thing 3", 0)
    with pytest.raises(ValueError, match="'Do thing 3' is B01, K03"):
        catalogue.find(store, "Do thing 3")


@pytest.mark.parametrize(
    ("name", "value"),
    [("retire_after", "0"), ("retire_after", "many"), ("tasks_per_episode", "9"), ("colour", "1")],
)
def test_a_setting_that_cannot_be_is_refused(store, name, value):
    with pytest.raises(ValueError, match=name):
        catalogue.change_setting(store, name, value)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 1e9])
def test_a_time_that_cannot_be_is_refused(store, seconds):
    with pytest.raises(ValueError, match="seconds"):
        catalogue.add_task(store, "Kitchen", "Wipe", 0, seconds=seconds)
    assert not catalogue.areas(store)


def test_a_file_of_tasks(store, tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text(
        "Kitchen:\n  - Wipe the table\n  - {instruction: Sort, seconds: 90, steps: [A, B]}\n"
    )
    assert [task.code for task in task_file.load(store, path, 1)] == ["K01", "K02"]
    assert catalogue.find(store, "K02").steps == ("A", "B")
    assert task_file.load(store, path, 2) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- Wipe", "expected 'area: "),
        ("Kitchen: Wipe", "area 'Kitchen': expected a list"),
        ("Kitchen: [{step: x}]", "expected an instruction"),
        ("Kitchen: [{instruction: Sort, colour: red}]", "got instruction, colour"),
        ("Kitchen: [{instruction: Sort, seconds: long}]", "seconds: expected a number"),
        ("Kitchen: [Wipe, {instruction: Sort, steps: Take}]", "steps: expected a list"),
        ("Kitchen: [Wipe, '']", "instruction: expected 1 to 400"),
        ("Kitchen: [", "expected a YAML file"),
    ],
)
def test_a_bad_file_adds_nothing(store, tmp_path, text, says):
    path = tmp_path / "tasks.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=says):
        task_file.load(store, path, 1)
    assert not catalogue.tasks(store)
