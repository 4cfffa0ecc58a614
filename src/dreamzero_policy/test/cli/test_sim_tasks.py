"""``dreamzero sim-tasks`` lists what there is, explains a task, and draws scenes."""

import pytest

from dreamzero_policy.cli import main as command_line

pytest.importorskip("sim_driver.tasks")


def test_it_lists_every_robots_tasks(capsys):
    assert command_line.main(["sim-tasks"]) == 0
    said = capsys.readouterr().out
    for robot in ("agibot_g1:", "droid:", "yam:"):
        assert robot in said
    assert said.count("carry ") == 4  # twice as a name, twice in its sentence


def test_it_explains_one_task_with_every_instruction(capsys):
    assert command_line.main(["sim-tasks", "droid", "--task", "push", "--seed", "4"]) == 0
    said = capsys.readouterr().out
    assert "Done: the named puck's centre is within 30 mm" in said
    assert said.count("choice ") == 4
    assert said.count("<- drawn by the seed") == 1


def test_it_draws_what_the_cameras_see(tmp_path, capsys):
    from matplotlib import image

    pytest.importorskip("mujoco.egl")
    arguments = ["sim-tasks", "droid", "--task", "stack", "--pictures", str(tmp_path)]
    assert command_line.main(arguments) == 0
    (path,) = tmp_path.iterdir()
    assert str(path) in capsys.readouterr().out
    assert image.imread(path).shape[:2] == (180, 960)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ur5"], "unknown robot 'ur5'; known robots: agibot_g1, droid, yam"),
        (
            ["droid", "--task", "fold"],
            "no task 'fold' for droid; there are: reach, hover, pick_place",
        ),
        (["droid", "--seed", "-1"], "seed: expected 0 or more, got -1"),
    ],
)
def test_what_is_not_there_is_named(arguments, message, capsys):
    assert command_line.main(["sim-tasks", *arguments]) == 2
    assert message in capsys.readouterr().err
