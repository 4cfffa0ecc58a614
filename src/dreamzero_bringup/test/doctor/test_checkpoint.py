"""Checkpoints beside robots, from their headers."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs torch")

from dreamzero_bringup.doctor.checkpoint import CheckpointFacts, check, check_memory, look
from dreamzero_bringup.doctor.finding import Level
from dreamzero_bringup.facts.machine_facts import Gpu
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from dreamzero_policy.embodiments.droid import DROID
from dreamzero_policy.embodiments.yam import YAM

GIB = 1 << 30
BASE = DROID.time_base


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "tiny"
    make_random("tiny", path, DROID, seed=0)
    return path


def test_a_checkpoint_of_this_robot(directory, complaints):
    facts = look(str(directory), DROID, BASE)
    assert facts.error == ""
    assert facts.differences == ()
    assert facts.untrained
    assert facts.parameters > 100_000
    trained = replace(facts, untrained=False)
    assert not complaints(check(trained, DROID))


def test_a_checkpoint_of_another_robot(directory):
    facts = look(str(directory), YAM, YAM.time_base)
    (row,) = [f for f in check(facts, YAM) if f.level is Level.FAIL]
    assert row.what == "embodiment tag"
    assert row.found == f"checkpoint: {DROID.tag}"
    assert row.expected == f"{YAM.tag}, as the robot yam has"


def test_every_difference_is_a_row_with_both_sides(directory):
    other = replace(DROID, native_size=(360, 640), state_keys=DROID.action_keys)
    facts = look(str(directory), other, replace(BASE, control_hz=30))
    rows = {f.what: f for f in check(facts, other) if f.level is Level.FAIL}
    assert len(rows) >= 2
    row = rows["recorded view (height, width)"]
    assert row.found == "checkpoint: (180, 320)"
    assert row.expected == "(360, 640), as the robot droid has"
    assert str(directory) in row.fix


def test_untrained_weights_are_called_so(complaints):
    facts = look("random:tiny:3", DROID, BASE)
    complaint = complaints(check(facts, DROID))
    assert complaint["checkpoint"].level is Level.WARN
    assert "no purpose" in complaint["checkpoint"].found


@pytest.mark.parametrize("source", ["random:", "random:bogus", "random:tiny:x", "/no/such/folder"])
def test_what_cannot_be_read_is_one_failure(source, machine):
    facts = look(source, DROID, BASE)
    (row,) = check(facts, DROID)
    assert row.level is Level.FAIL
    assert "expected" in row.found or "no preset" in row.found
    (row,) = check_memory(facts, machine)
    assert row.level is Level.SKIP


def test_a_folder_without_a_checkpoint(tmp_path):
    (tmp_path / "config.json").write_text("{")
    (row,) = check(look(str(tmp_path), DROID, BASE), DROID)
    assert row.level is Level.FAIL


def test_what_is_needed_depends_on_how_it_is_run():
    """One estimate, the policy's own; in bfloat16 with guidance some 60 GiB."""
    plain = look("random:droid_14b", DROID, BASE)
    assert plain.gpu_bytes / GIB == pytest.approx(60, abs=1.5)
    assert plain.run == "precision none, 2 caches"
    small = EngineOptions(precision="fp8", guidance_scale=1.0, text_on_cpu=True)
    small = look("random:droid_14b", DROID, BASE, small)
    assert small.gpu_bytes / GIB == pytest.approx(30, abs=1.5)
    assert small.run == "precision fp8, 1 cache"


LARGE = CheckpointFacts(
    "x", parameters=22_924_172_116, gpu_bytes=60 * GIB, cpu_bytes=110 * GIB, run="precision none"
)
SMALL = CheckpointFacts("x", parameters=2_000_000)


@pytest.mark.parametrize(
    ("facts", "free", "error", "level", "found"),
    [
        (LARGE, 139, "", Level.PASS, "needs 60.0 GiB for 22.92 G parameters: precision none"),
        (LARGE, 40, "", Level.FAIL, "40.0 GiB free of 140.0 GiB"),
        (LARGE, 139, "CUDA driver too old", Level.FAIL, "torch cannot use it: CUDA driver"),
        (LARGE, None, "", Level.FAIL, "no NVIDIA GPU"),
        (SMALL, None, "", Level.PASS, "runs without"),
        (replace(LARGE, parameters=3_000_000_000, cpu_bytes=0), None, "", Level.WARN, "no NVIDIA"),
    ],
)
def test_memory(machine, facts, free, error, level, found):
    gpus = () if free is None else (Gpu("NVIDIA H200", 140 * GIB, free * GIB, "570"),)
    (row,) = check_memory(facts, replace(machine, gpus=gpus, cuda_error=error))
    assert row.level == level
    assert found in row.found
