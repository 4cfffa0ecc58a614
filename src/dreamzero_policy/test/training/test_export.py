"""A checkpoint of several robots says of each what it needs; disks are looked at before."""

from collections import namedtuple
from dataclasses import replace

import pytest
import torch

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.robot_facts import Experiment
from dreamzero_policy.embodiments.embodiment import Key
from dreamzero_policy.model.presets import TINY as TINY_MODEL
from dreamzero_policy.runs.distributed import World
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.training import preflight
from dreamzero_policy.training.config import TINY
from dreamzero_policy.training.export import facts_of, write_experiment
from dreamzero_policy.training.memory import estimate
from dreamzero_policy.weights.untrained import action_statistics, state_statistics


def robot_and_facts(name):
    robot = embodiments.get(name)
    statistics = state_statistics(robot), action_statistics(robot)
    return robot, facts_of(robot, TINY_MODEL, statistics)


def test_two_robots_stand_in_one_checkpoint(tmp_path):
    pairs = [robot_and_facts(name) for name in ("droid", "yam")]
    write_experiment(tmp_path, pairs)
    experiment = Experiment.read(tmp_path)
    for robot, facts in pairs:
        found = experiment.robot(robot.tag)
        assert found.state_keys == facts.state_keys
        assert found.action_keys == facts.action_keys
        assert found.view_size == robot.view_size


def test_what_the_layout_cannot_say_is_refused(tmp_path):
    robot, facts = robot_and_facts("droid")
    other = replace(facts, tag="other", action_keys=(Key("joint_position", 7),))
    with pytest.raises(TrainingError, match="relative for one and absolute for another"):
        write_experiment(tmp_path, [(robot, facts), (robot, other)])


def test_a_disk_that_is_too_small_is_refused_before_the_start(tmp_path, monkeypatch):
    estimated = estimate(TINY_MODEL, TINY, World(0, 1, torch.device("cpu"), None))
    preflight.check_room(tmp_path / "not" / "yet", estimated, TINY)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage(1, 1, 1 << 20))
    with pytest.raises(TrainingError, match=r"GiB free for 3 states and the checkpoint"):
        preflight.check_room(tmp_path, estimated, TINY)
