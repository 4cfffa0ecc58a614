"""Settings by name, and the curve of the learning rate."""

from dataclasses import replace

import pytest
import torch

from dreamzero_policy.model.presets import DROID_14B
from dreamzero_policy.model.presets import TINY as TINY_MODEL
from dreamzero_policy.runs.distributed import World
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.training.config import PRESETS, PRETRAIN, TINY, preset
from dreamzero_policy.training.learner import rate_at
from dreamzero_policy.training.memory import GIB, estimate

TINY_WORLD = World(0, 1, torch.device("cpu"), None)


def test_settings_change_by_name():
    changed = TINY.changed(["steps=7", "noise=decoupled", "balanced=true", "ema=0.5"])
    assert (changed.steps, changed.noise, changed.balanced, changed.ema) == (
        *(7, "decoupled", True, 0.5),
    )
    assert "steps" in changed.changes_the_curve
    assert not {"save_every", "keep", "micro_batch", "evaluations"} & set(changed.changes_the_curve)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stepz=3", "expected NAME=VALUE with one of"),
        ("steps", "expected NAME=VALUE"),
        ("steps=many", "expected a value of type int"),
        ("steps=0", "steps: expected 1 to"),
        ("noise=loud", "noise=loud': expected one of standard, high_noise, decoupled"),
        ("held_out=1", "held_out: expected 0 to 0.9"),
        ("balanced=perhaps", "expected a value of type bool"),
        ("predict_video=perhaps", "expected a value of type bool"),
        ("evaluations=3", r"evaluations: expected one of \[1, 2, 4, 5, 6, 7, 8\] .*got 3"),
        ("learning_rate=nan", "learning_rate: expected 0 to 10, got nan"),
    ],
)
def test_nonsense_is_refused(change, message):
    with pytest.raises(TrainingError, match=message):
        TINY.changed([change])


def test_nothing_to_learn_is_refused():
    with pytest.raises(TrainingError, match="expected one of them above 0"):
        TINY.changed(["video_weight=0", "action_weight=0"])
    with pytest.raises(TrainingError, match="above 0 without predict_video"):
        TINY.changed(["predict_video=false", "action_weight=0"])


def test_every_preset_stands_by_its_name():
    assert set(PRESETS) == {"pretrain", "posttrain", "flash", "video-transfer", "tiny"}
    assert preset("flash").noise == "decoupled"
    assert preset("video-transfer").balanced
    with pytest.raises(TrainingError, match="no preset 'huge'; there are pretrain"):
        preset("huge")


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine():
    config = replace(TINY, steps=1000, warmup=0.1, learning_rate=1.0, last_rate=0.1)
    rates = [rate_at(config, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) in (99, 100)
    assert rates[-1] == pytest.approx(0.1, abs=1e-4)
    assert rates[550] == pytest.approx(0.55, abs=0.01)


def test_memory_of_the_14b_is_about_what_is_known_of_it():
    world = World(0, 8, TINY_WORLD.device, object())
    full = estimate(DROID_14B, PRETRAIN, world)
    whole, trained = full.parameters
    assert whole == trained == 16_484_292_448
    # Weights, gradients and both moments in float32: 16 bytes each, over 8 processes.
    assert full.parts["weights"] + full.parts["gradients and moments"] == pytest.approx(
        16 * whole / 8, rel=1e-6
    )
    assert 40 * GIB < full.total < 80 * GIB
    adapters = estimate(DROID_14B, replace(PRETRAIN, mode="lora"), world)
    assert adapters.parameters[1] == 108_582_944  # as the reference counts them
    assert adapters.total < full.total / 2
    tiny = estimate(TINY_MODEL, TINY, TINY_WORLD)
    assert tiny.total < GIB
    assert "together" in tiny.table()
    seen = {
        shown: estimate(TINY_MODEL, replace(TINY, predict_video=shown, chunks=1), TINY_WORLD)
        for shown in (True, False)
    }
    # One clean frame and the chunk's three noisy ones, of 60 tokens, beside 25 vectors or without.
    with_frames, without = (seen[shown].parts["activations"] for shown in (True, False))
    size = TINY_MODEL.frame_seqlen
    vectors = TINY_MODEL.num_action_per_block + TINY_MODEL.num_state_per_block
    assert without / with_frames == pytest.approx((size + vectors) / (4 * size + vectors))
