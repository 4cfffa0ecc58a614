"""Rows held to known values: exact, the same as replacing them, and firmer with the weight."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.sampling.prefix import Prefix, prefix_weights
from dreamzero_policy.sampling.sampler import denoise_block
from dreamzero_policy.sampling.schedule import SolverState, advance, flow_schedule
from dreamzero_policy.sampling.step_cache import StaticSteps, step_cache

VIDEO, ROWS, WIDTH = (1, 2, 2, 4, 4), 6, 3
ACTIONS = (1, ROWS, WIDTH)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Mixing:
    """A network in which every row of actions and every pixel depends on all the others."""

    def __init__(self):
        self.rows, self.columns = random(ROWS, ROWS, seed=5), random(WIDTH, WIDTH, seed=6)

    def __call__(self, x, a, video_timestep, action_timestep, last):
        level = action_timestep / 1000
        u = torch.tanh(torch.einsum("ij,bjc,cd->bid", self.rows, a, self.columns) + level)
        return torch.sin(x) + u.mean(), u + x.mean()


def sample(prefix, schedule, cache, network=None):
    noise = random(*VIDEO, seed=1), random(*ACTIONS, seed=2)
    return denoise_block(network or Mixing(), *noise, schedule, schedule, cache, prefix=prefix)


def prefix(weights, scale=1.0):
    return Prefix(scale * random(*ACTIONS, seed=3), torch.tensor(weights))


HALF = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("shift", [1.0, 5.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 16, 50, 500])
def test_a_row_of_weight_one_ends_at_its_value_for_every_schedule(steps, shift):
    known = prefix(HALF, scale=3.0)
    done = sample(known, flow_schedule(steps, shift), step_cache("all", steps))
    torch.testing.assert_close(done.actions[:, :3], known.values[:, :3], atol=1e-5, rtol=0)
    assert (done.actions[:, 3:] - known.values[:, 3:]).abs().max() > 0.1


@pytest.mark.parametrize("evaluations", [5, 6, 7, 8, "all", "dynamic"])
def test_a_row_of_weight_one_ends_at_its_value_with_every_step_cache(evaluations):
    known = prefix(HALF)
    done = sample(known, flow_schedule(), step_cache(evaluations))
    torch.testing.assert_close(done.actions[:, :3], known.values[:, :3], atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=60)
@given(
    mask=st.lists(st.booleans(), min_size=1, max_size=20),
    shift=st.floats(0.5, 12.0),
    count=st.integers(0, ROWS),
)
def test_whatever_the_levels_and_the_evaluated_ones(mask, shift, count):
    known = prefix([1.0] * count + [0.0] * (ROWS - count))
    schedule = flow_schedule(len(mask), shift)
    done = sample(known, schedule, StaticSteps((True, *mask[1:])))
    torch.testing.assert_close(done.actions[:, :count], known.values[:, :count], atol=1e-5, rtol=0)


@pytest.mark.parametrize("evaluations", [5, 8, "all"])
def test_it_is_the_same_as_replacing_the_rows_by_their_noised_values(evaluations):
    """The slow twin: after each step the rows are set to where their noise leads at that level."""
    known, schedule, network = prefix(HALF), flow_schedule(), Mixing()
    decider = step_cache(evaluations).start(16)
    video, actions = SolverState(random(*VIDEO, seed=1)), SolverState(random(*ACTIONS, seed=2))
    direction = (actions.sample - known.values) / schedule.sigmas[0]
    for i, step in enumerate(schedule.steps):
        if decider.runs(i, ()):
            v, u = network(video.sample, actions.sample, *(schedule.timesteps[i],) * 2, False)
        video, actions = advance(step, video, v), advance(step, actions, u)
        replaced = actions.sample.clone()
        replaced[:, :3] = (known.values + schedule.sigmas[i + 1] * direction)[:, :3]
        actions = actions._replace(sample=replaced)
    done = sample(known, schedule, step_cache(evaluations))
    torch.testing.assert_close(done.actions, actions.sample, atol=1e-5, rtol=0)
    torch.testing.assert_close(done.video, video.sample, atol=1e-5, rtol=0)


def test_the_samples_on_the_way_are_the_known_value_under_its_noise():
    known, schedule, traces = prefix([1.0] * ROWS), flow_schedule(), []
    noise = random(*VIDEO, seed=1), random(*ACTIONS, seed=2)
    denoise_block(Mixing(), *noise, schedule, schedule, step_cache(8), traces.append, prefix=known)
    direction = (noise[1] - known.values) / schedule.sigmas[0]
    for trace, sigma in zip(traces, schedule.sigmas[1:], strict=True):
        expected = known.values + sigma * direction
        torch.testing.assert_close(trace.actions, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(trace.action_velocity, direction, atol=1e-4, rtol=0)


def test_free_rows_follow_the_held_ones():
    """The point of it all: the network completes what it is given, video included."""
    schedule, cache = flow_schedule(), step_cache(8)
    free, one, other = (
        sample(known, schedule, cache) for known in (None, prefix(HALF), prefix(HALF, -1.0))
    )
    assert (one.actions - free.actions)[:, 3:].abs().max() > 1e-2
    assert (one.actions - other.actions)[:, 3:].abs().max() > 1e-2
    assert (one.video - other.video).abs().max() > 1e-3


def test_without_a_prefix_or_with_no_weight_nothing_changes():
    schedule, cache = flow_schedule(), step_cache(8)
    free, weightless = sample(None, schedule, cache), sample(prefix([0.0] * ROWS), schedule, cache)
    assert torch.equal(free.actions, weightless.actions)
    assert torch.equal(free.video, weightless.video)


@pytest.mark.parametrize("network", ["mixing", "certain", "constant"])
def test_more_weight_ends_nearer(network):
    target, noise = random(*ACTIONS, seed=7), random(*ACTIONS, seed=2)
    velocities = {
        "mixing": Mixing(),
        "certain": lambda x, a, _, level, last: (x, (a - target) / max(level / 1000, 1e-3)),
        "constant": lambda x, a, *_: (x, noise - target),
    }
    away = []
    for weight in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0):
        known = prefix([weight] * ROWS)
        done = sample(known, flow_schedule(), step_cache("all"), velocities[network])
        away.append(float((done.actions - known.values).norm()))
    assert all(further > nearer for further, nearer in pairwise(away))
    assert away[-1] < 1e-5


def test_a_soft_row_of_a_certain_network_ends_between_by_its_weight():
    target = random(*ACTIONS, seed=7)
    schedule, levels = flow_schedule(), {}
    levels.update(zip(schedule.timesteps, schedule.sigmas, strict=False))
    weights = [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
    known = prefix(weights)
    done = sample(
        known, schedule, step_cache("all"), lambda x, a, _, t, last: (x, (a - target) / levels[t])
    )
    share = torch.tensor(weights)[:, None]
    expected = share * known.values + (1 - share) * target
    torch.testing.assert_close(done.actions, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("values", "weights", "message"),
    [
        ((6, 3), [0.0] * 5, r"weights \[n_a\], got \[1, 6, 3\] and \[5\]"),
        ((6,), [0.0] * 6, "expected values"),
        ((2, 3), [1.5, 0.0], "expected 0 to 1"),
        ((2, 3), [float("nan"), 0.0], "expected 0 to 1"),
    ],
)
def test_a_prefix_that_makes_no_sense_is_refused(values, weights, message):
    with pytest.raises(ValueError, match=message):
        Prefix.of(np.zeros(values), np.array(weights))


def test_a_prefix_of_another_chunk_length_is_refused():
    known = Prefix(torch.zeros(1, 5, WIDTH), torch.zeros(5))
    with pytest.raises(ValueError, match=r"expected actions \[1, 5, 3\], got \[1, 6, 3\]"):
        sample(known, flow_schedule(), step_cache("all"))


@given(data=st.data(), decay=st.sampled_from(["exponential", "linear", "none"]))
def test_weights_are_one_then_fall_then_are_none(data, decay):
    rows = data.draw(st.integers(1, 60))
    overlap = data.draw(st.integers(0, rows))
    committed = data.draw(st.integers(0, overlap))
    weights = prefix_weights(rows, committed, overlap, decay)
    assert np.all(weights[:committed] == 1.0)
    assert np.all(weights[overlap:] == 0.0)
    soft = weights[committed:overlap]
    if decay == "none":
        assert not soft.any()
    else:
        assert np.all((soft > 0) & (soft < 1))
        assert np.all(np.diff(soft) < 0)


def test_weights_as_published():
    np.testing.assert_allclose(prefix_weights(6, 1, 4, "linear"), [1, 0.75, 0.5, 0.25, 0, 0])
    c = np.array([0.75, 0.5, 0.25])
    np.testing.assert_allclose(
        prefix_weights(6, 1, 4)[1:4], c * (np.exp(c) - 1) / (np.e - 1), rtol=1e-12
    )


@pytest.mark.parametrize(
    "arguments", [(6, 3, 2, "linear"), (6, -1, 2, "linear"), (6, 1, 7, "none"), (6, 1, 2, "step")]
)
def test_weights_that_make_no_sense_are_refused(arguments):
    with pytest.raises(ValueError, match="prefix"):
        prefix_weights(*arguments)
