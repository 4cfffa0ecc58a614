"""Figures go where they were asked to go, and a log is never told twice."""

import json

import numpy as np
import pytest

from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.runs.tracker import open_trackers


def test_a_log_goes_on_where_the_state_was(tmp_path):
    first = open_trackers((), tmp_path, 0, {})
    for step in (1, 2, 3):
        first.figures(step, {"loss": 1.0 / step})
    first.close()
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 4, "lo')  # cut off by a kill
    again = open_trackers((), tmp_path, 2, {})
    again.figures(3, {"loss": 9.0})
    again.picture(3, "video", np.zeros((4, 6, 3), np.uint8))
    again.close()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 1.0), (2, 0.5), (3, 9.0)]
    assert (tmp_path / "panels" / "step_00000003_video.png").is_file()


def test_tensorboard_gets_the_same(tmp_path):
    tracker = open_trackers(("tensorboard",), tmp_path, 0, {})
    tracker.figures(1, {"loss": 2.0})
    tracker.picture(1, "video", np.zeros((4, 6, 3), np.uint8))
    tracker.close()
    (events,) = (tmp_path / "tensorboard").glob("events.*")
    assert b"loss" in events.read_bytes()


def test_what_is_unknown_or_missing_is_named(tmp_path):
    with pytest.raises(TrainingError, match="expected one of files, tensorboard, wandb"):
        open_trackers(("paper",), tmp_path, 0, {})
    with pytest.raises(TrainingError, match="expected the package wandb"):
        open_trackers(("wandb",), tmp_path, 0, {})
