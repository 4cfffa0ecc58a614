"""Recorded commands move the simulated robot, through the gate, as they moved the recorded one."""

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("dreamzero_msgs.msg")

from dreamzero_bringup.episodes import simulate
from dreamzero_policy import embodiments
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.synthetic import write_recording


def test_the_simulated_robot_follows_what_was_commanded(tmp_path):
    robot = embodiments.get("droid")
    fast = {"camera_hz": 2.0, "joint_hz": 30.0, "command_hz": 30.0, "jpeg": True}
    folder = write_recording(tmp_path / "droid_1", robot, seconds=3.0, **fast)
    said = []
    assert simulate.run(folder, tmp_path / "out", said.append, task="", seed=0) == 0
    assert (tmp_path / "out" / "droid_1_simulated.png").is_file()
    with Episode(folder) as episode:
        done = simulate.replay(episode, task="", seed=0, tell=lambda *_: None)
    assert not done.held
    arm = [robot.joint(name).kind == "revolute" for name in robot.state_joints]
    moved = np.nanmax(done.recorded, axis=0) - np.nanmin(done.recorded, axis=0)
    assert (moved[arm] > 0.1).all()
    assert (done.errors[arm] < 0.35 * moved[arm]).all(), done.errors / moved
