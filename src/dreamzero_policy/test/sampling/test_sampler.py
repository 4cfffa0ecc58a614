"""One block with a fake network."""

from itertools import pairwise

import pytest
import torch

from dreamzero_policy.sampling.sampler import denoise_block, guided
from dreamzero_policy.sampling.schedule import flow_schedule
from dreamzero_policy.sampling.step_cache import step_cache

VIDEO, ACTIONS = (1, 2, 2, 4, 4), (1, 6, 3)


class StraightPath:
    """A network that knows the answer: the constant velocity from the noise to a target."""

    def __init__(self, video, actions, video_noise, action_noise):
        self.velocities = video_noise - video, action_noise - actions
        self.calls = []

    def __call__(self, x, a, video_timestep, action_timestep, last):
        self.calls.append((video_timestep, action_timestep))
        return self.velocities


@pytest.fixture
def noise():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(VIDEO, generator=generator), torch.randn(ACTIONS, generator=generator)


@pytest.mark.parametrize(
    ("evaluations", "count"),
    [("all", 16), *((n, n) for n in (8, 7, 6, 5, 4, 2, 1)), ("dynamic", 4), ("dynamic_joint", 4)],
)
def test_a_known_answer_is_found_with_any_step_cache(noise, evaluations, count):
    video, actions = torch.full(VIDEO, 0.5), torch.full(ACTIONS, -0.25)
    network = StraightPath(video, actions, *noise)
    schedule = flow_schedule()
    done = denoise_block(network, *noise, schedule, schedule, step_cache(evaluations))
    # The first level is 0.9998, not 1: 2e-4 of the way from noise to target is never walked.
    torch.testing.assert_close(done.video, video, atol=2e-3, rtol=0)
    torch.testing.assert_close(done.actions, actions, atol=2e-3, rtol=0)
    assert len(done.steps_run) == len(network.calls) == count
    assert network.calls == [(schedule.timesteps[i],) * 2 for i in done.steps_run]


def test_each_modality_walks_its_own_schedule(noise):
    network = StraightPath(torch.zeros(VIDEO), torch.zeros(ACTIONS), *noise)
    video_schedule, action_schedule = flow_schedule(final_sigma=0.8), flow_schedule()
    done = denoise_block(network, *noise, video_schedule, action_schedule, step_cache("all"))
    assert network.calls == list(
        zip(video_schedule.timesteps, action_schedule.timesteps, strict=True)
    )
    torch.testing.assert_close(done.video, 0.8 * noise[0], atol=2e-3, rtol=0)
    torch.testing.assert_close(done.actions, torch.zeros(ACTIONS), atol=2e-3, rtol=0)


def test_the_trace_shows_reused_velocities(noise):
    traces = []
    velocities = iter(torch.randn(8, *VIDEO))
    actions = torch.zeros(ACTIONS)
    done = denoise_block(
        lambda *_: (next(velocities), actions),
        *noise,
        flow_schedule(),
        flow_schedule(),
        step_cache(8),
        on_step=traces.append,
    )
    assert [trace.step for trace in traces] == list(range(16))
    assert tuple(trace.step for trace in traces if trace.computed) == done.steps_run
    for before, after in pairwise(traces):
        if not after.computed:
            assert torch.equal(after.video_velocity, before.video_velocity)
        assert not torch.equal(after.video, before.video)
    assert torch.equal(traces[-1].video, done.video)


def test_schedules_must_agree_in_length(noise):
    with pytest.raises(ValueError, match="got 16 and 4"):
        denoise_block(lambda *_: noise, *noise, flow_schedule(), flow_schedule(4), step_cache(8))


def test_guidance_acts_on_the_video_only():
    x, a = torch.zeros(1, 2), torch.zeros(1, 3)
    velocity = guided(
        lambda *_: (torch.full((1, 2), 3.0), torch.ones(1, 3)),
        lambda *_: (torch.full((1, 2), 1.0), torch.full((1, 3), 9.0)),
        5.0,
    )
    v, u = velocity(x, a, 999, 999, False)
    assert torch.equal(v, torch.full((1, 2), 11.0))
    assert torch.equal(u, torch.ones(1, 3))


def test_scale_one_never_touches_the_negative_branch():
    def negative(*_):
        raise AssertionError("evaluated")

    def positive(*_):
        return torch.ones(1), torch.ones(1)

    assert guided(positive, negative, 1.0) is positive
    assert guided(positive, None, 1.0) is positive
    with pytest.raises(ValueError, match="negative branch"):
        guided(positive, None, 5.0)(torch.zeros(1), torch.zeros(1), 999, 999, False)


@pytest.mark.parametrize("steps", [16, 8, 6, 5, 4, 2, 1])
def test_every_number_of_evaluations_has_a_schedule_of_its_own(noise, steps):
    video, actions = torch.full(VIDEO, 0.5), torch.full(ACTIONS, -0.25)
    network, schedule = StraightPath(video, actions, *noise), flow_schedule(steps)
    done = denoise_block(network, *noise, schedule, schedule, step_cache("all", steps))
    assert len(schedule) == len(network.calls) == steps
    torch.testing.assert_close(done.video, video, atol=2e-3, rtol=0)
    torch.testing.assert_close(done.actions, actions, atol=2e-3, rtol=0)


def test_a_last_evaluation_without_video_leaves_it_and_says_so(noise):
    told = []

    def velocity(x, a, video_timestep, action_timestep, last):
        told.append(last)
        return (None if last else torch.ones_like(x)), torch.ones_like(a)

    schedule = flow_schedule()
    done = denoise_block(velocity, *noise, schedule, schedule, step_cache(4))
    assert told == [False, False, False, True]
    assert done.video is done.predicted is None
    assert done.actions.isfinite().all()


@pytest.mark.parametrize("last", ["guided", "unguided", "none"])
def test_guidance_may_be_left_out_at_the_end_alone(last):
    asked = []

    def negative(*_):
        asked.append("negative")
        return torch.zeros(1), torch.zeros(1)

    velocity = guided(lambda *_: (torch.ones(1), torch.ones(1)), negative, 5.0, last)
    assert velocity(None, None, 999, 999, False)[0] == 5.0
    assert velocity(None, None, 249, 249, True)[0] == (5.0 if last == "guided" else 1.0)
    assert len(asked) == (2 if last == "guided" else 1)
