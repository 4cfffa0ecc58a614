"""How the model is run, from what an installation sets."""

import pytest

from dreamzero_policy.inference.options import EngineOptions
from dreamzero_policy.nodes.policy_parameters import PolicyParameters


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
    ],
)
def test_options_of_the_engine(settings, expected):
    assert PolicyParameters(robot="droid", **settings).engine() == EngineOptions(
        **{"threads": 1, **expected}
    )


@pytest.mark.parametrize(
    "settings",
    [{"step_rule": "dynamic", "evaluations": 8}, {"timesteps": 4, "evaluations": 8}],
)
def test_numbers_that_exclude_each_other_are_refused(settings):
    with pytest.raises(ValueError, match="parameter evaluations: expected 0 with step_rule"):
        PolicyParameters(robot="droid", **settings).engine()
