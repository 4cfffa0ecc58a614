"""Numbers of a size that a study's page lists: those that its figures hold for."""

from dataclasses import replace

import pytest

pytest.importorskip("mujoco")

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from paper.counting import counting
from paper.sizes import Size
from paper.studies import World
from paper.work import Work

WORLD = World(("reach",), "droid", "yam", Size())
OF_TRIALS = {"evaluations", "guidance", "latency_s", "time_limit_s", "picture_width"}
ALWAYS = {"seeds", "rollouts"}
FIRST = {"decide_steps", "decide_batch", "decide_stride", "everywhere_steps", "start_rate"}
THIRD = {"steps", "batch", "stride", "rest_rows", "learning_rate"}
VAE = {"model", "chunk_rows", "vae_steps", "own_minutes", "new_minutes", "instructions"}


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "kitchen"
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "info.json").write_text('{"total_frames": 2700, "fps": 15}')
    return folder


@pytest.fixture
def checkpoint(tmp_path):
    make_random("tiny", tmp_path / "checkpoint", embodiments.get("droid"))
    return tmp_path / "checkpoint"


def test_where_nothing_is_given_all_that_a_study_makes_counts(tmp_path):
    found = set(counting(Work(tmp_path, WORLD), "joint"))
    assert found == ALWAYS | OF_TRIALS | {"replan_frames"} | FIRST | THIRD | VAE
    assert set(counting(Work(tmp_path, WORLD), "diversity")) == found | {"distinct"}
    assert set(counting(Work(tmp_path, WORLD), "transfer")) == found | {
        *("tuning_steps", "video_minutes"),
    }
    # What a study sets itself is no number of the size: a call a chunk, so many evaluations.
    assert set(counting(Work(tmp_path, WORLD), "steps")) == found - {"evaluations"}
    assert set(counting(Work(tmp_path, WORLD), "refresh")) == (
        found - {"replan_frames"} | {"chunks"}
    )


def test_what_is_given_is_not_made(tmp_path, dataset, checkpoint):
    tried = ALWAYS | OF_TRIALS | {"replan_frames"}
    start = Work(tmp_path, WORLD, given=(dataset,), start=checkpoint)
    assert set(counting(start, "joint")) == tried | THIRD
    assert set(counting(start, "transfer")) == tried | THIRD | {
        *("tuning_steps", "video_minutes", "instructions"),
    }
    assert set(counting(replace(start, start=None), "joint")) == tried | FIRST | THIRD | VAE - {
        "own_minutes"
    }
    encoders = replace(start, start=None, encoders=checkpoint)
    assert set(counting(encoders, "joint")) == tried | FIRST | THIRD
    policy = Work(tmp_path, WORLD, policy=checkpoint)
    assert set(counting(policy, "seams")) == tried
    assert counting(policy, "seams")["evaluations"] == 4
