"""A shadow run of the real graph: the stack sends nothing to the driver, and leaves a report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.shadow import loop
from dreamzero_bringup.shadow.log import FILE, read

DREAMZERO = Path(sys.executable).with_name("dreamzero")


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_policy_is_scored_beside_a_moving_robot(tmp_path):
    out = tmp_path / "run"
    # Beside other tests a chunk took three seconds at full cost, and was refused as too late.
    cheap = ["--set", "policy.guidance_scale=1.0", "--set", "policy.evaluations=1"]
    command = [DREAMZERO, "shadow", "droid", "--sim", "--seconds", "6", "--out", out, *cheap]
    env = {**os.environ, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    env.pop("ROS_DOMAIN_ID", None)
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    run = read(out / FILE)
    assert run.complete
    assert run.untrained
    assert run.chunks
    assert len(run.planned[0])
    # The robot moved as the stand-in said, not as the policy: its commands are the only ones.
    summary = json.loads((out / "shadow.json").read_text())
    assert summary["reference"] == "commands"
    assert summary["joints"]["panda_joint1"]["human_range"] > 0.05
    gaps = abs(run.human[1][1:, 0] - run.human[1][:-1, 0])
    assert np.quantile(gaps, 0.95) < 0.02
    assert gaps.max() < 0.05  # 0.015 a command, and a busy machine loses one now and then
    assert "UNTRAINED" in (out / "index.html").read_text()


def test_a_graph_that_sends_commands_is_no_shadow(tmp_path):
    with pytest.raises(ValueError, match="dry run"):
        loop.run(Options("droid"), seconds=1, out=tmp_path, instruction="x", say=print)


def test_a_negative_length_is_refused(tmp_path):
    options = Options("droid", dry_run=True)
    with pytest.raises(ValueError, match="seconds"):
        loop.run(options, seconds=-1, out=tmp_path, instruction="x", say=print)
