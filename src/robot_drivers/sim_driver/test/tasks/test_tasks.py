"""Task scenes: drawn from a seed bit for bit, in reach and apart, and named without a doubt."""

from collections import Counter

import numpy as np
import pytest

from dreamzero_policy import embodiments
from sim_driver import scene, tasks
from sim_driver.hardware import SimulatedRobot
from sim_driver.models import robots
from sim_driver.models.sketch import sketch

CASES = [(name, task.name) for name in robots.names() for task in tasks.of(robots.get(name))]
ALL = ("reach", "hover", "pick_place", "stack", "wipe", "push", "carry")
ARRAYS = ("body_pos", "body_quat", "geom_size", "geom_rgba", "mat_rgba", "light_pos", "cam_pos")


def lay(name, task, seed):
    robot = robots.get(name)
    return tasks.get(task, robot).lay(robot, seed)


def test_every_robot_has_the_tasks_that_it_has_arms_for():
    assert tasks.names(robots.get("droid")) == ALL[:-1]
    for name in ("yam", "agibot_g1"):
        assert tasks.names(robots.get(name)) == ALL


@pytest.mark.parametrize(
    ("name", "task"), [("droid", "fold"), ("droid", "carry"), ("yam", "Stack"), ("yam", "")]
)
def test_an_unknown_task_is_refused_with_those_there_are(name, task):
    robot = robots.get(name)
    with pytest.raises(ValueError, match="reach, hover, pick_place, stack, wipe, push") as refusal:
        tasks.get(task, robot)
    assert f"no task {task!r} for {name}" in str(refusal.value)
    assert ("carry" in str(refusal.value).split("there are")[1]) == (name != "droid")


@pytest.mark.parametrize(("name", "task"), CASES)
def test_the_same_seed_is_the_same_scene_bit_for_bit(name, task):
    robot = robots.get(name)
    one, two = lay(name, task, 5), lay(name, task, 5)
    assert one == two
    models = [scene.build(robot, 5, layout.items) for layout in (one, two)]
    for array in ARRAYS:
        first, second = (getattr(model, array) for model in models)
        assert first.tobytes() == second.tobytes(), array
    sims = [SimulatedRobot(robot, 5, 0, task=tasks.get(task, robot)) for _ in range(2)]
    for sim in sims:
        sim.advance(300_000_000)
    assert sims[0].scene_state().tobytes() == sims[1].scene_state().tobytes()
    other = scene.build(robot, 6, lay(name, task, 6).items)
    assert all((getattr(other, array) != getattr(models[0], array)).any() for array in
               ("mat_rgba", "light_pos", "cam_pos", "body_pos"))  # fmt: skip


@pytest.mark.parametrize(("name", "task"), CASES)
def test_one_picture_has_several_instructions_and_each_means_one_thing(name, task):
    kind = tasks.get(task, robots.get(name))
    for seed in range(20):
        layout = lay(name, task, seed)
        sentences = [kind.sentence(choice) for choice in layout.choices]
        assert len(set(sentences)) == len(sentences) >= 4
        for choice, sentence in zip(layout.choices, sentences, strict=True):
            assert choice.thing.colour in sentence
            assert choice.place.colour in sentence
        assert layout.choice(-1) == layout.choices[layout.drawn]
        assert layout.choice(1) == layout.choices[1]
    with pytest.raises(ValueError, match=f"at most {len(layout.choices) - 1}"):
        layout.choice(len(layout.choices))


@pytest.mark.parametrize(("name", "task"), CASES)
def test_other_words_say_the_same_without_a_doubt(name, task):
    kind, several = tasks.get(task, robots.get(name)), 0
    for seed in range(20):
        layout = lay(name, task, seed)
        wordings = [kind.wordings(layout, choice) for choice in layout.choices]
        assert [each[0] for each in wordings] == [kind.sentence(one) for one in layout.choices]
        said = [text for each in wordings for text in each]
        assert len(set(said)) == len(said)
        several += len(said) - len(wordings)
    assert bool(several) == (task in ("reach", "hover"))


@pytest.mark.parametrize("name", robots.names())
def test_words_for_places_are_those_of_who_stands_behind_the_robot(name):
    task, told = tasks.get("reach", robots.get(name)), set()
    for seed in range(30):
        layout = lay(name, "reach", seed)
        for choice in layout.choices:
            thing = choice.thing
            (twin,) = (o for o in layout.things if o.kind == thing.kind and o is not thing)
            where = {
                "farthest": thing.x > twin.x + 0.1,
                "nearest": thing.x < twin.x - 0.1,
                "leftmost": thing.y > twin.y + 0.1,
                "rightmost": thing.y < twin.y - 0.1,
            }
            said = " ".join(task.wordings(layout, choice))
            assert any(where.values())  # whatever its colour, it has a name
            assert all((word in said) == true for word, true in where.items())
            told |= {word for word, true in where.items() if true}
    assert len(told) == 4


@pytest.mark.parametrize(("name", "task"), CASES)
def test_objects_are_in_reach_and_apart(name, task):
    robot = robots.get(name)
    for seed in range(50):
        layout = lay(name, task, seed)
        arms = [robot.arms[index] for index in layout.arms]
        low = min(arm.y[0] for arm in arms) - 0.02
        high = max(arm.y[1] for arm in arms) + 0.02
        for item in layout.items:
            assert arms[0].x[0] - 0.03 <= item.x <= arms[0].x[1] + 0.03
            assert low <= item.y <= high
        if task == "carry":
            rows = sorted(item.x for item in layout.items)
            assert np.diff(rows).min() > 0.05
            continue
        for index, one in enumerate(layout.items):
            for two in layout.items[index + 1 :]:
                apart = np.hypot(one.x - two.x, one.y - two.y)
                assert apart > min(one.half[:2]) + min(two.half[:2]) + 0.005, (seed, one, two)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_seeds_draw_every_colour_place_and_arm(name, task):
    layouts = [lay(name, task, seed) for seed in range(150)]
    for what in ("thing", "place"):
        drawn = Counter(getattr(layout.choice(-1), what).colour for layout in layouts)
        assert set(drawn) == {"red", "green", "blue", "yellow", "purple"}
        assert min(drawn.values()) > 10
    both = {0, 1} if len(robots.get(name).arms) == 2 else {0}
    assert {arm for layout in layouts for arm in layout.arms} == both


def test_a_robot_without_arms_of_its_own_has_no_tasks():
    sketched = sketch(embodiments.get("droid"))
    assert tasks.names(sketched) == ()
    with pytest.raises(ValueError, match="no task 'stack' for droid; there are: none"):
        tasks.get("stack", sketched)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed: expected 0 or more, got -1"):
        lay("droid", "stack", -1)
