"""What the demo runs where nobody chose, and in which scene."""

import pytest

from dreamzero_bringup.demo import trained
from dreamzero_bringup.demo.trained import chosen


@pytest.fixture(params=["has", "has not"])
def there(request, monkeypatch, tmp_path):
    found = tmp_path if request.param == "has" else None
    monkeypatch.setattr(trained, "trained_checkpoint", lambda robot: found)
    return found


def settings(run):
    return dict(override.split("=") for override in run.overrides)


def test_the_trained_policy_at_its_task_where_the_robot_has_one(there):
    run = chosen("droid", None, ("sim_driver.seed=3",))
    if there is None:
        assert (run.checkpoint, run.overrides) == (None, ("sim_driver.seed=3",))
    else:
        assert run.checkpoint == str(there)
        assert settings(run)["sim_driver.task"] == "reach"
        assert run.overrides[-1] == "sim_driver.seed=3"
    assert not run.notice


def test_what_the_user_says_is_stronger(there):
    run = chosen("droid", "random:tiny", ())
    assert (run.checkpoint, run.overrides) == ("random:tiny", ())
    assert settings(chosen("droid", None, ("sim_driver.task=push",)))["sim_driver.task"] == "push"


@pytest.mark.parametrize("task", ["reach for", "hover over"])
def test_an_instruction_has_a_scene_in_which_it_means_something(there, task):
    run = chosen("droid", None, (), f"{task.capitalize()} the blue disc")
    if there is None:  # nobody said which task
        assert not run.overrides
        return
    scene = settings(run)
    assert int(scene["sim_driver.seed"]) >= 100_000
    assert _asks(scene) == f"{task} the blue disc"


def test_a_scene_that_the_user_chose_judges_the_instruction(there):
    pytest.importorskip("mujoco")
    asked = ("sim_driver.task=push", "sim_driver.seed=4")
    wanted = {_asks({**dict(a.split("=") for a in asked), "sim_driver.choice": n}) for n in (0, 1)}
    for words in wanted:
        run = chosen("droid", "random:tiny", asked, words)
        assert _asks(settings(run)) == words
        assert run.overrides[-2:] == asked
    # Whoever says which choice wants that one.
    run = chosen("droid", "random:tiny", (*asked, "sim_driver.choice=1"), wanted.pop())
    assert settings(run)["sim_driver.choice"] == "1"


def test_an_instruction_that_no_scene_has_is_said_to_be_none(there):
    asked = ("sim_driver.task=reach", "sim_driver.seed=4")
    run = chosen("droid", None, asked, "make coffee")
    assert "no scene of reach with seed 4 has what 'make coffee' asks for" in run.notice
    assert "sim_driver.choice" not in settings(run)


def _asks(scene):
    pytest.importorskip("mujoco")
    from sim_driver import tasks
    from sim_driver.models import robots

    robot = robots.get("droid")
    task = tasks.get(scene["sim_driver.task"], robot)
    layout = task.lay(robot, int(scene["sim_driver.seed"]))
    return task.sentence(layout.choices[int(scene["sim_driver.choice"])])
