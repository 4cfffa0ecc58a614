"""An instruction finds the scene in which it means something."""

import pytest

from sim_driver import tasks
from sim_driver.models import robots
from sim_driver.tasks.offered import offered

ROBOT = robots.get("droid")
REACH, HOVER = (tasks.get(name, ROBOT) for name in ("reach", "hover"))


@pytest.mark.parametrize("task", [REACH, HOVER], ids=lambda task: task.name)
def test_every_instruction_of_a_scene_finds_it(task):
    layout = task.lay(ROBOT, 7)
    for index, choice in enumerate(layout.choices):
        for words in task.wordings(layout, choice):
            for said in (words, f"  {words.upper()} ."):
                found = offered(ROBOT, (REACH, HOVER), [7], said.replace(" .", "."))
                assert (found.task, found.seed, found.choice) == (task.name, 7, index)


def test_seeds_are_looked_through_in_order():
    found = offered(ROBOT, (REACH, HOVER), range(100_000, 100_100), "hover over the purple disc")
    assert found.task == "hover"
    for seed in range(100_000, found.seed):
        assert offered(ROBOT, (HOVER,), [seed], "hover over the purple disc") is None
    layout = HOVER.lay(ROBOT, found.seed)
    assert HOVER.sentence(layout.choices[found.choice]) == "hover over the purple disc"


def test_what_no_scene_has_is_not_found():
    for words in ("", "reach", "reach for the moon", "pick up the red cube"):
        assert offered(ROBOT, (REACH, HOVER), range(50), words) is None


def test_a_name_by_colour_is_found_only_where_nothing_else_has_the_colour():
    found = offered(ROBOT, (REACH,), range(1000), "reach for the red one")
    things = REACH.lay(ROBOT, found.seed).things
    assert sum(thing.colour == "red" for thing in things) == 1


def test_an_unseen_pair_says_that_it_is_one():
    assert offered(ROBOT, (REACH,), range(1000), "reach for the yellow block").unseen
    assert not offered(ROBOT, (HOVER,), range(1000), "hover over the yellow block").unseen
