"""What a checkpoint's settings say of time and views, read without torch."""

import subprocess
import sys
from dataclasses import replace

import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint import load as checkpoint
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from dreamzero_policy.checkpoint.seen_robot import seen
from dreamzero_policy.embodiments.embodiment import TimeBase
from dreamzero_policy.weights.errors import CheckpointError

ROBOT = embodiments.get("droid")
SMALL = ("num_layers=1", "text.num_layers=1", "image.num_layers=2")


@pytest.fixture(scope="module")
def slower(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "slower"
    robot = replace(ROBOT, time_base=TimeBase(20, 6, 48))
    make_random("tiny", path, robot, changes=SMALL, dtype="float32")
    return path


def test_the_settings_say_what_the_loaded_model_has(slower):
    loaded = checkpoint.load(slower, ROBOT)
    robot = seen(str(slower), ROBOT)
    assert robot.time_base == loaded.time_base == TimeBase(20, 6, 48)
    assert robot.view_size == loaded.embodiment.view_size


@pytest.mark.parametrize("source", ["random:tiny", "random:tiny:3"])
@pytest.mark.parametrize("rows", [0, 48])
def test_random_weights_have_the_robot_s_times_or_the_rows_that_are_set(source, rows):
    base = ROBOT.time_base.of_rows(rows) if rows else None
    loaded = checkpoint.load(source, ROBOT, time_base=base)
    assert seen(source, ROBOT, rows) == loaded.embodiment


def test_no_torch_is_needed(slower):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from dreamzero_policy import embodiments\n"
        "from dreamzero_policy.checkpoint.seen_robot import seen\n"
        "print(seen(sys.argv[1], embodiments.get('droid')).time_base.rows_per_chunk)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, slower], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("48", 0), done.stderr


def test_what_says_nothing_is_refused(slower, tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json"):
        seen(str(tmp_path), ROBOT)
    with pytest.raises(CheckpointError, match="no robot"):
        seen(str(slower), embodiments.get("yam"))
    with pytest.raises(ValueError, match="huge"):
        seen("random:huge", ROBOT)
