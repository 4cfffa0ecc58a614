"""Whole runs: to a checkpoint that the engine loads, through kills, full disks and bad numbers."""

import errno
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.checkpoint.api import CheckpointException

from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.cli.main import main
from dreamzero_policy.inference.engine import Engine
from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.runs import saving
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.training.train import train

pytestmark = pytest.mark.timeout(600)


def weights_of(run):
    return load_file(run.folder / "checkpoint" / "model.safetensors")


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


def test_a_run_learns_and_its_checkpoint_drives_the_robot(run_of, log_of, droid):
    heard = []
    run = run_of(held_out=0.4, validate_every=10, panels_every=20, smoke_steps=3, panel_steps=2)
    done = train(run, say=heard.append)
    losses = [line["loss"] for line in log_of(run) if "loss" in line]
    assert len(losses) == 20
    assert sum(losses[-5:]) < sum(losses[:5])
    assert any("memory per process" in text for text in heard)
    assert {path.name for path in (run.folder / "panels").iterdir()} == {
        "step_00000020_video.png",
        "step_00000020_actions.png",
    }
    assert sum("validation_loss" in line for line in log_of(run)) == 2
    loaded = load(done.checkpoint, droid)
    assert not loaded.untrained
    engine = Engine(loaded, loaded.embodiment, EngineOptions(guidance_scale=1.0, evaluations=1))
    given = engine.infer(engine.new_session(0), droid.example())
    assert given.chunk.rows.shape == (24, 8)
    assert torch.isfinite(torch.tensor(given.chunk.rows)).all()
    assert train(run).steps == 20  # once more: nothing is left to do


_CHILD = """
import pickle, sys, time, torch
from pathlib import Path
from dreamzero_policy.training.train import train
torch.set_num_threads(1)
run = pickle.loads(Path(sys.argv[1]).read_bytes())
def tell(stage, done, total):
    if stage == "training" and done >= 13:
        Path(sys.argv[2]).touch()
        time.sleep(3600)
train(run, tell=tell)
"""


def test_killed_and_resumed_is_bit_equal(run_of, log_of, tmp_path):
    whole = run_of("whole", ema=0.9)
    train(whole)
    killed = run_of("killed", ema=0.9)
    (tmp_path / "asked").write_bytes(pickle.dumps(killed))
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path / "asked"), str(tmp_path / "reached")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    end = time.monotonic() + 300
    while not (tmp_path / "reached").exists():
        assert child.poll() is None, "ended by itself"
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (killed.folder / "checkpoint").exists()
    heard = []
    train(killed, say=heard.append)
    assert "goes on from step 10" in heard
    assert_same(weights_of(killed), weights_of(whole))
    columns = ("step", "loss", "video", "actions", "norm", "rate")
    ours, theirs = ([[line[c] for c in columns] for line in log_of(r)] for r in (killed, whole))
    assert ours == theirs


def test_an_interrupted_and_a_damaged_state_are_passed_over(run_of):
    run = run_of(steps=4, save_every=2)
    train(run)
    states = run.folder / "states"
    shutil.copytree(states / "step_00000004", states / "step_00000006.writing")
    for path in (states / "step_00000004").glob("*.distcp"):
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(TrainingError, match="remove the folder to go on from step 2"):
        train(run)
    assert not (states / "step_00000006.writing").exists()
    shutil.rmtree(states / "step_00000004")
    assert train(run).steps == 4


def test_no_space_for_a_state_leaves_the_last_good_one(run_of, monkeypatch):
    run, real = run_of(steps=6, save_every=2), saving.dcp.save

    def full(tensors, checkpoint_id, **more):
        if "00000004" in str(checkpoint_id):
            checkpoint_id.mkdir()
            error = OSError(errno.ENOSPC, "No space left on device")
            raise CheckpointException("write", {0: (error, None)})  # as it wraps what a disk raises
        return real(tensors, checkpoint_id=checkpoint_id, **more)

    monkeypatch.setattr(saving.dcp, "save", full)
    with pytest.raises(
        TrainingError, match=r"step 4 .* no space .*; the last good state is step 2"
    ):
        train(run)
    monkeypatch.undo()
    assert [path.name for path in (run.folder / "states").iterdir()] == ["step_00000002"]
    assert train(run).steps == 6


@pytest.mark.parametrize(("noise", "left"), [("decoupled", 0.8), ("no_video", 0.999)])
def test_a_checkpoint_says_how_far_its_video_is_denoised(run_of, log_of, droid, noise, left):
    run = run_of(steps=2, noise=noise, video_weight=0.0, held_out=0.4, panels_every=2)
    loaded = load(train(run).checkpoint, droid)
    assert loaded.config.final_video_sigma == left
    engine = Engine(loaded, loaded.embodiment, EngineOptions(guidance_scale=1.0, evaluations=4))
    steps = engine._video_schedule.timesteps
    assert min(steps) >= 1000 * left
    assert (set(steps) == {999}) == (noise == "no_video")  # as in its training
    assert np.isfinite(engine.infer(engine.new_session(0), droid.example()).chunk.rows).all()
    drawn = [line["action_rms"] for line in log_of(run) if "action_rms" in line]
    assert all(np.isfinite(drawn))


@pytest.mark.parametrize(("chunks", "trained", "usual"), [(1, 1, 1), (2, None, 2)])
def test_a_checkpoint_says_how_many_chunks_a_window_had(run_of, droid, chunks, trained, usual):
    run = run_of(steps=1, chunks=chunks)
    run = replace(run, model_changes=(*run.model_changes, "max_chunk_size=2", "num_frames=17"))
    loaded = load(train(run).checkpoint, droid)
    assert loaded.config.trained_blocks == trained
    engine = Engine(loaded, loaded.embodiment, EngineOptions(guidance_scale=1.0, evaluations=1))
    assert engine._blocks == usual
    asked = EngineOptions(guidance_scale=1.0, evaluations=1, window_blocks=2)
    assert Engine(loaded, loaded.embodiment, asked)._blocks == 2


@pytest.mark.parametrize("predict", [True, False])
def test_what_has_never_seen_a_noisy_frame_predicts_actions_alone(run_of, droid, predict):
    loaded = load(train(run_of(steps=1, predict_video=predict)).checkpoint, droid)
    robot = loaded.embodiment
    engine = Engine(loaded, robot, EngineOptions(evaluations="dynamic"))
    assert any("no video is predicted" in notice for notice in engine.notices) is not predict
    assert engine.branches == 1 + predict
    session = engine.new_session(0)
    inference = engine.infer(session, robot.example(frames=1))
    assert np.isfinite(inference.chunk.rows).all()
    assert (engine.predicted_frames(session, inference) is None) is not predict
    refused = {"literal": {"literal": True}, "refresh": {"refresh": "predicted"}}
    for named, options in refused.items() if not predict else ():
        with pytest.raises(ValueError, match=f"{named}: .*predict"):
            Engine(loaded, robot, EngineOptions(**options))


def test_weights_are_run_under_the_mask_of_their_training_whatever_they_began_from(run_of, droid):
    """Published weights are run with states that see everything, and no training shows them that.

    Small weights that were run so in spite of their training moved one arm a quarter of its way.
    """
    base = train(run_of("first", steps=1)).checkpoint
    assert not load(base, droid).config.state_attends_all
    config = base / "config.json"
    text = config.read_text()
    config.write_text(text.replace('"state_attends_all": false', '"state_attends_all": true'))
    assert load(base, droid).config.state_attends_all
    run = replace(run_of("second", steps=1, init=str(base)), model_changes=())
    assert not load(train(run).checkpoint, droid).config.state_attends_all


def test_a_checkpoint_says_how_many_evaluations_it_is_run_with(run_of, droid):
    """Those that the run asks for, else those of what it began from; they may change later."""
    base = train(run_of("first", steps=1)).checkpoint
    evaluations = load(base, droid).config.evaluations
    assert evaluations != 1
    again = train(run_of("first", steps=1, evaluations=1)).checkpoint
    assert load(again, droid).config.evaluations == 1
    kept = replace(run_of("second", steps=1, init=str(again)), model_changes=())
    assert load(train(kept).checkpoint, droid).config.evaluations == 1


def test_levels_weigh_as_the_run_says(run_of, log_of):
    """The same first batch and noise: one beginning, two losses."""
    first = []
    for weighting in ("bell", "even"):
        run = run_of(weighting, steps=1, weighting=weighting, noise="high_noise")
        train(run)
        first.append(next(line["loss"] for line in log_of(run) if "loss" in line))
    assert first[1] > 1.2 * first[0]


def test_a_loss_that_is_no_number_stops_before_the_step(run_of, monkeypatch):
    from dreamzero_policy.training import learner

    run, real, count = run_of(steps=6, save_every=2), learner.losses, []

    def spoiled(*args):
        count.append(1)
        found = real(*args)
        return found._replace(total=found.total * (float("nan") if len(count) == 4 else 1))

    monkeypatch.setattr(learner, "losses", spoiled)
    with pytest.raises(TrainingError, match=r"step 3: expected a finite loss"):
        train(run)
    assert [path.name for path in (run.folder / "states").iterdir()] == ["step_00000002"]


def test_a_run_with_other_settings_is_not_gone_on_with(run_of):
    run = run_of(steps=2)
    train(run)
    other = replace(run, config=replace(run.config, learning_rate=0.5))
    with pytest.raises(TrainingError, match=r"learning_rate: the run was begun with 0\.003"):
        train(other)
    (run.folder.parent / "mine").mkdir()
    (run.folder.parent / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(TrainingError, match="expected a new folder"):
        train(replace(run, folder=run.folder.parent / "mine"))


def test_the_smoke_test_stops_what_cannot_learn(run_of):
    run = run_of(steps=4, smoke_steps=4, learning_rate=0.0)
    with pytest.raises(TrainingError, match="smoke test: expected the loss"):
        train(run)
    assert not list((run.folder / "states").iterdir())


def test_adapters_train_on_a_checkpoint_and_a_mixture_with_video_alone(run_of, dataset, droid):
    first = run_of("first", steps=2)
    base = train(first).checkpoint
    specs = (DatasetSpec(dataset), DatasetSpec(dataset, actions=False, weight=2.0))
    run = replace(
        run_of("second", specs=specs, steps=4, mode="lora", noise="decoupled", init=str(base)),
        model_changes=(),
    )
    done = train(run)
    ours, theirs = weights_of(run), weights_of(first)
    changed = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    assert "action_head.model.blocks.0.self_attn.q.weight" in changed
    assert "action_head.model.state_encoder.layer1.W" in changed
    assert "action_head.model.patch_embedding.weight" not in changed
    assert not any(name.startswith("action_head.vae.") for name in changed)
    sizes = replace(load(base, droid).config, final_video_sigma=0.8)  # its video's noise is left
    assert load(done.checkpoint, droid).config == sizes
    about = json.loads((done.checkpoint / "experiment_cfg" / "training.json").read_text())
    assert about["mode"] == "lora"
    with pytest.raises(TrainingError, match="expected none beside a checkpoint"):
        train(replace(run, folder=run.folder.parent / "third", model_changes=("dim=32",)))


def test_the_command_checks_and_stops_or_says_what_is_wrong(
    run_of, dataset, cache, tmp_path, capsys
):
    sizes = [part for size in run_of().model_changes for part in ("--model", size)]
    asked = ["train", str(tmp_path / "run"), "--data", str(dataset), "--cache", str(cache), *sizes]
    settings = ["chunks=1", "base_stride=6", "batch=2", "smoke_steps=6", "held_out=0"]
    settings.append("learning_rate=0.01")
    settings = [part for setting in settings for part in ("--set", setting)]
    assert main([*asked, "--preset", "tiny", *settings, "--check"]) == 0
    said = capsys.readouterr().out
    assert "droid, 3 episodes" in said
    assert "one batch, 6 steps" in said
    assert not (tmp_path / "run" / "checkpoint").exists()
    assert main([*asked, "--preset", "huge"]) == 2
    assert "no preset 'huge'" in capsys.readouterr().err
    asked[1] = str(tmp_path / "second")
    assert main([*asked, "--preset", "posttrain"]) == 2
    assert "--init FOLDER" in capsys.readouterr().err
    asked[1], asked[3] = str(tmp_path / "third"), str(tmp_path / "nothing")
    assert main([*asked, "--preset", "tiny"]) == 2
    assert "expected a LeRobot dataset" in capsys.readouterr().err


def test_where_no_video_is_predicted_what_makes_it_stays_as_it_is(run_of, log_of):
    asked = {"predict_video": "false", "held_out": 0.4, "panels_every": 12, "panel_steps": 2}
    short, long = (run_of(f"{n}", steps=n, **asked) for n in (1, 12))
    for run in (short, long):
        train(run)
    pictures = [path.name for path in (long.folder / "panels").iterdir()]
    assert pictures == ["step_00000012_actions.png"]
    (shown,) = (line for line in log_of(long) if "action_rms" in line)
    assert not any(name.startswith("video") for name in shown)
    lines = [line for line in log_of(long) if "loss" in line]
    assert all(line["video"] == 0 < line["actions"] for line in lines)
    assert lines[-1]["loss"] < lines[0]["loss"]
    early, late = weights_of(short), weights_of(long)
    changed = {name.split(".model.")[-1] for name in early if not early[name].equal(late[name])}
    assert {"action_decoder.layer2.W", "patch_embedding.weight"} <= changed
    assert not {"head.head.weight", "head.modulation"} & changed
