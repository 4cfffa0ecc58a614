"""Levels and solver steps against the golden numbers and against mathematics."""

import json
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from dreamzero_policy.sampling.schedule import (
    SolverState,
    advance,
    euler_sigmas,
    euler_step,
    flow_schedule,
)


@pytest.fixture(scope="module")
def golden(golden_dir):
    scalars = json.loads((golden_dir / "samplers.json").read_text())["scalars"]
    return scalars, load_file(golden_dir / "samplers.safetensors")


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max())


def test_the_published_grid():
    schedule = flow_schedule()
    assert schedule.timesteps == (
        *(999, 986, 972, 955, 937, 916, 892, 865),
        *(833, 795, 749, 694, 624, 535, 416, 249),
    )
    assert schedule.sigmas[-1] == 0
    assert len(schedule.sigmas) == len(schedule) + 1


def test_levels_are_the_reference_s_to_the_last_bit(golden):
    scalars, tensors = golden
    for shift in scalars["shifts"]:
        for n in scalars["steps"]:
            key = f"unipc/shift{shift:g}/n{n}"
            schedule = flow_schedule(n, shift)
            assert torch.equal(torch.tensor(schedule.sigmas), tensors[f"{key}/sigmas"])
            assert list(schedule.timesteps) == tensors[f"{key}/timesteps"].tolist()
            euler = torch.tensor(euler_sigmas(n, shift)[:-1])
            assert torch.equal(euler, tensors[f"euler/shift{shift:g}/n{n}/sigmas"])


@pytest.mark.parametrize("modality", ["video", "action"])
def test_samples_follow_the_reference(golden, modality):
    scalars, tensors = golden
    for shift in scalars["shifts"]:
        for n in scalars["steps"]:
            key = f"unipc/shift{shift:g}/n{n}"
            state = SolverState(tensors[f"{key}/{modality}/x0"])
            for i, step in enumerate(flow_schedule(n, shift).steps):
                state = advance(step, state, tensors[f"{key}/{modality}/velocity"][i])
                assert relative(state.sample, tensors[f"{key}/{modality}/x"][i]) < 5e-6


def test_the_decoupled_video_schedule(golden):
    _, tensors = golden
    schedule = flow_schedule(16, 5.0, final_sigma=0.8)
    key = "unipc_decoupled/final0.8"
    torch.testing.assert_close(
        torch.tensor(schedule.sigmas), tensors[f"{key}/sigmas"], rtol=1e-6, atol=0
    )
    assert list(schedule.timesteps) == tensors[f"{key}/timesteps"].tolist()
    state = SolverState(tensors[f"{key}/x0"])
    for i, step in enumerate(schedule.steps):
        state = advance(step, state, tensors[f"{key}/velocity"][i])
        assert relative(state.sample, tensors[f"{key}/x"][i]) < 5e-6


@settings(max_examples=60, deadline=None)
@given(
    steps=st.integers(1, 40),
    shift=st.floats(0.5, 10),
    final=st.one_of(st.none(), st.floats(0, 0.9)),
    clean=st.floats(-3, 3),
    noise=st.floats(-3, 3),
)
def test_a_straight_path_is_followed_exactly(steps, shift, final, clean, noise):
    """With the true velocity of a straight path the solver stays on it, whatever the levels."""
    schedule = flow_schedule(steps, shift, final)
    assert all(a > b for a, b in pairwise(schedule.sigmas))
    first, last = schedule.sigmas[0], schedule.sigmas[-1]
    start = torch.tensor([(1 - first) * clean + first * noise], dtype=torch.float64)
    velocity = torch.tensor([noise - clean], dtype=torch.float64)
    state = SolverState(start)
    for step in schedule.steps:
        state = advance(step, state, velocity)
    assert math.isclose(
        float(state.sample), (1 - last) * clean + last * noise, rel_tol=1e-9, abs_tol=1e-9
    )


def test_unipc_and_euler_meet_as_steps_grow():
    """dx/dsigma = cos(3 sigma) - x: a curved path, on which the twins agree more and more."""

    def slope(x, sigma):
        return math.cos(3 * sigma) - x

    def run(n):
        schedule = flow_schedule(n)
        state = SolverState(torch.tensor([0.7], dtype=torch.float64))
        for sigma, step in zip(schedule.sigmas, schedule.steps, strict=False):
            state = advance(step, state, slope(state.sample, sigma))
        x = torch.tensor([0.7], dtype=torch.float64)
        levels = schedule.sigmas
        for sigma, after in pairwise(levels):
            x = euler_step(x, slope(x, sigma), sigma, after)
        return abs(float(state.sample - x))

    errors = [run(n) for n in (16, 64, 256)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 2e-2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"shift": 0.0}, "shift"),
        ({"final_sigma": 1.0}, "final_sigma"),
        ({"final_sigma": -0.1}, "final_sigma"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        flow_schedule(**arguments)
