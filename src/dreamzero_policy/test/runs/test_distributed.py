"""Two processes by torchrun equal one, and a state goes on with another number of them."""

import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.training.train import train

pytestmark = pytest.mark.timeout(600)

_CHILD = """
import pickle, sys, torch
from pathlib import Path
from dreamzero_policy.training.train import train
torch.set_num_threads(1)
train(pickle.loads(Path(sys.argv[1]).read_bytes()))
"""


def by_torchrun(run, folder, processes=2):
    (folder / "asked").write_bytes(pickle.dumps(run))
    (folder / "child.py").write_text(_CHILD)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), str(folder / "child.py"), str(folder / "asked")]
    done = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def assert_close(ours, theirs, log_of):
    one, two = (
        load_file(run.folder / "checkpoint" / "model.safetensors") for run in (ours, theirs)
    )
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-4)
    for mine, other in zip(log_of(ours), log_of(theirs), strict=True):
        for figure in ("step", "loss", "video", "actions", "norm"):
            assert mine[figure] == pytest.approx(other[figure], rel=1e-4, abs=1e-4)


@pytest.mark.long
def test_two_processes_are_one_over_twenty_steps_and_one_goes_on_from_two(run_of, log_of, tmp_path):
    alone = run_of("alone", ema=0.9, checkpointing=True)
    train(alone)
    two = run_of("two", ema=0.9, checkpointing=True, micro_batch=1)
    by_torchrun(two, tmp_path)
    assert len(log_of(two)) == 20
    assert_close(two, alone, log_of)
    # The number of processes changes: from the state of two at step 10 one goes on.
    shutil.rmtree(two.folder / "states" / "step_00000020")
    shutil.rmtree(two.folder / "checkpoint")
    heard = []
    train(two, say=heard.append)
    assert "goes on from step 10" in heard
    assert_close(two, alone, log_of)


def test_a_batch_that_does_not_divide_is_refused(run_of):
    run = run_of(steps=2)
    with pytest.raises(TrainingError, match="batch: expected a multiple of 1 processes times"):
        train(replace(run, config=replace(run.config, micro_batch=3)))


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_bfloat16_alone_runs_in_a_mesh_of_one(run_of, log_of, mode):
    run = run_of(steps=3, precision="bfloat16", checkpointing=True, mode=mode)
    train(run)
    assert all(line["loss"] > 0 for line in log_of(run))
