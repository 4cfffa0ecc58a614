"""Which combinations are held out: the same everywhere, every colour still seen on both sides."""

from itertools import islice, pairwise

import pytest

from sim_driver import tasks
from sim_driver.models import robots
from sim_driver.tasks.split import SPLITS, first_scenes, further, held_out, said, scenes
from sim_driver.tasks.task import COLOURS, Choice, Item

ROBOT = robots.get("droid")
STACK, REACH, HOVER = (tasks.get(name, ROBOT) for name in ("stack", "reach", "hover"))


def choice(thing, place):
    items = [Item(f"{c}_block", "block", c, (0, 0, 0), 0, 0, 0, (1, 1, 1)) for c in (thing, place)]
    return Choice(*items)


def alone(kind, colour):
    item = Item(f"{colour}_{kind}", kind, colour, (0, 0, 0), 0, 0, 0, (1, 1, 1))
    return Choice(item, item)


def test_one_place_of_each_thing_is_held_out():
    out = {(t, p) for t in COLOURS for p in COLOURS if held_out(STACK, choice(t, p))}
    assert len(out) == len(COLOURS)
    assert {t for t, _ in out} == {p for _, p in out} == set(COLOURS)
    assert all(t != p for t, p in out)


PAIRS = [(kind, colour) for kind in ("block", "goal") for colour in COLOURS]


@pytest.mark.parametrize("task", [REACH, HOVER], ids=["reach", "hover"])
def test_of_what_is_named_by_colour_and_shape_every_word_is_seen(task):
    seen = {pair for pair in PAIRS if not held_out(task, alone(*pair))}
    assert 0 < len(seen) < len(PAIRS)
    assert {colour for _, colour in seen} == set(COLOURS)
    blocks, goals = ({c for k, c in seen if k == kind} for kind in ("block", "goal"))
    assert len(blocks) == len(goals) == 4
    assert len(blocks & goals) == 3  # where a colour alone does not tell what is meant


def test_what_one_task_holds_out_another_asks_for():
    for one, other in ((REACH, HOVER), (HOVER, REACH)):
        out = [pair for pair in PAIRS if held_out(one, alone(*pair))]
        assert out
        assert not any(held_out(other, alone(*pair)) for pair in out)


@pytest.mark.parametrize("name", tasks.names(ROBOT))
def test_scenes_of_a_split(name):
    task = tasks.get(name, ROBOT)
    seen, unseen, whole = (
        first_scenes(ROBOT, task, split, 50, 8) for split in ("seen", "unseen", "all")
    )
    for found, flag in ((seen, False), (unseen, True)):
        assert len({scene.seed for scene in found}) == 8
        for scene in found:
            chosen = task.lay(ROBOT, scene.seed).choices[scene.choice]
            assert held_out(task, chosen) is scene.unseen is flag
    assert [scene.seed for scene in whole] == list(range(50, 58))
    assert first_scenes(ROBOT, task, "seen", 50, 3) == seen[:3]


def test_an_instruction_is_needed_to_know_what_to_do():
    for name in tasks.names(ROBOT):
        for seed in range(5):
            layout = tasks.get(name, ROBOT).lay(ROBOT, seed)
            sentences = {tasks.get(name, ROBOT).sentence(one) for one in layout.choices}
            assert len(sentences) == len(layout.choices) >= 4


@pytest.mark.parametrize("split", SPLITS)
def test_every_choice_of_a_scene_is_had_once(split):
    drawn = first_scenes(ROBOT, REACH, split, 50, 6)
    every = scenes(ROBOT, REACH, split, 50, every_choice=True)
    for one in drawn:
        layout = REACH.lay(ROBOT, one.seed)
        fit = [n for n, each in enumerate(layout.choices) if said(REACH, layout, each, split)]
        found = list(islice(every, len(fit)))
        assert [(scene.seed, scene.choice) for scene in found] == [(one.seed, n) for n in fit]
        assert one in found


def test_what_else_is_asked_for_in_a_scene():
    task, more = tasks.get("reach", ROBOT), 0
    for scene in first_scenes(ROBOT, task, "seen", 0, 20):
        found = further(ROBOT, task, scene, "seen", 4)
        assert found == further(ROBOT, task, scene, "seen", 4)
        choices = task.lay(ROBOT, scene.seed).choices
        assert not any(held_out(task, choices[index]) for index in found)
        both = [scene.choice, *found]
        assert all(one != two for one, two in pairwise(both))
        alone = sum(not held_out(task, choice) for choice in choices) == 1
        assert len(found) == (0 if alone else 4)
        more += len(found)
    assert more


@pytest.mark.parametrize("name", tasks.names(ROBOT))
def test_no_demonstration_says_what_is_held_out(name):
    task, shown = tasks.get(name, ROBOT), 0
    for scene in first_scenes(ROBOT, task, "taught", 0, 40):
        layout = task.lay(ROBOT, scene.seed)
        held = {task.sentence(one) for one in layout.choices if held_out(task, one)}
        for one in layout.choices:
            words = said(task, layout, one, "taught")
            assert not held & set(words)
            assert words == task.wordings(layout, one) or held_out(task, one)
        assert said(task, layout, layout.choices[scene.choice], "taught")
        shown += scene.unseen
    assert bool(shown) is (name in ("reach", "hover"))  # these things have another name


def test_words_of_a_split():
    looked_at = set()
    for layout in (REACH.lay(ROBOT, seed) for seed in range(10)):
        for one in layout.choices:
            words = {split: said(REACH, layout, one, split) for split in SPLITS}
            assert words["all"] == REACH.wordings(layout, one)
            looked_at.add(held_out(REACH, one))
            if held_out(REACH, one):
                assert words["unseen"] == (REACH.sentence(one),)
                assert words["taught"] == words["all"][1:]
                assert words["seen"] == ()
            else:
                assert words["seen"] == (REACH.sentence(one),)
                assert words["taught"] == words["all"]
                assert words["unseen"] == ()
    assert looked_at == {True, False}


def test_an_unknown_split():
    with pytest.raises(ValueError, match="split: expected one of seen, unseen, all, taught, got"):
        first_scenes(ROBOT, tasks.get("push", ROBOT), "new", 0, 1)
