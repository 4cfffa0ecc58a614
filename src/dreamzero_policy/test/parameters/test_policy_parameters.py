"""How the model is run, from what an installation sets."""

import pytest

from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.parameters.policy_parameters import PolicyParameters
from dreamzero_policy.ros.parameters import resolve


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"evaluations": None}),
        ({"evaluations": 4}, {"evaluations": 4}),
        ({"evaluations": 16}, {"evaluations": "all"}),
        ({"step_rule": "dynamic"}, {"evaluations": "dynamic"}),
        ({"step_rule": "dynamic_joint"}, {"evaluations": "dynamic_joint"}),
        ({"timesteps": 4}, {"evaluations": "all", "timesteps": 4}),
        (
            {"timesteps": 1, "final_video_sigma": 0.8},
            {"evaluations": "all", "timesteps": 1, "final_video_sigma": 0.8},
        ),
        ({"window_blocks": 8, "restart": "warm"}, {"window_blocks": 8, "restart": "warm"}),
        ({"canvases_per_frame": 3}, {"canvases_per_frame": 3}),
        ({"predicted_video": "none"}, {"predicted_video": "none"}),
        (
            {"precision": "fp8", "attention": "cudnn", "compile": "never", "compile_cache": ""},
            {"precision": "fp8", "attention": "cudnn", "compile": "never", "compile_cache": None},
        ),
        ({"text_encoder": "cpu"}, {"text_on_cpu": True}),
    ],
)
def test_options_of_the_engine(settings, expected):
    defaults = {"threads": 1, "compile_cache": "~/.cache/dreamzero/compiled"}
    assert PolicyParameters(robot="droid", **settings).engine() == EngineOptions(
        **{**defaults, **expected}
    )


@pytest.mark.parametrize(
    ("name", "value", "choices"),
    [
        ("precision", "fp16", "none, int8, fp8, nvfp4"),
        ("attention", "fast", "auto, cudnn, flash, efficient, math"),
        ("compile", "sometimes", "auto, always, never"),
        ("text_encoder", "gpu", "device, cpu"),
    ],
)
def test_a_choice_that_there_is_not_is_refused_with_those_there_are(name, value, choices):
    with pytest.raises(ValueError, match=f"{name}: expected one of {choices}, got '?{value}"):
        resolve(PolicyParameters, {"robot": "droid", name: value})


@pytest.mark.parametrize(
    "settings",
    [{"step_rule": "dynamic", "evaluations": 8}, {"timesteps": 4, "evaluations": 8}],
)
def test_numbers_that_exclude_each_other_are_refused(settings):
    with pytest.raises(ValueError, match="parameter evaluations: expected 0 with step_rule"):
        PolicyParameters(robot="droid", **settings).engine()
