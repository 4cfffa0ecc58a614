"""Denoise one block: noise in, latents and actions out (design: model.md 1.4, 6.3 to 6.5).

The network is a function of its own, ``velocity(video, actions, video_timestep, action_timestep)``;
guidance is another function around two of these. Neither knows the schedule, and this file knows
neither the network nor its cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from dreamzero_policy.inference.prefix import Prefix
from dreamzero_policy.inference.schedule import FlowSchedule, SolverState, advance
from dreamzero_policy.inference.step_cache import StepCache

Velocity = Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]
"""(video [B, C, K, h, w], actions [B, n_a, 32], video timestep, action timestep) -> velocities of
both shapes."""


class Trace(NamedTuple):
    """One timestep, for the golden check: velocities used there and samples after it."""

    step: int
    computed: bool
    video_velocity: Tensor
    action_velocity: Tensor
    video: Tensor
    actions: Tensor


class Denoised(NamedTuple):
    """A finished block.

    Attributes:
        video: [B, C, K, h, w] latents.
        actions: [B, n_a, 32] normalised actions.
        steps_run: indices of the timesteps at which the network ran.
    """

    video: Tensor
    actions: Tensor
    steps_run: tuple[int, ...]


def denoise_block(
    velocity: Velocity,
    video_noise: Tensor,
    action_noise: Tensor,
    video_schedule: FlowSchedule,
    action_schedule: FlowSchedule,
    step_cache: StepCache,
    on_step: Callable[[Trace], None] | None = None,
    prefix: Prefix | None = None,
) -> Denoised:
    """Samples a block jointly.

    Args:
        velocity: the network, guidance included.
        video_noise: [B, C, K, h, w].
        action_noise: [B, n_a, 32].
        video_schedule: levels of the video.
        action_schedule: levels of the actions, equally many.
        step_cache: which timesteps run the network; the others reuse the last velocities.
        on_step: called after every timestep.
        prefix: action rows that are held to known values; a row of weight 1 ends at its value.

    Raises:
        ValueError: the schedules differ in length, or the prefix does not fit the actions.
    """
    if len(video_schedule) != len(action_schedule):
        raise ValueError(
            f"schedules: expected as many video as action timesteps, got {len(video_schedule)} and "
            f"{len(action_schedule)}"
        )
    video, actions = SolverState(video_noise), SolverState(action_noise)
    decider = step_cache.start()
    computed: list[Tensor] = []
    steps_run: list[int] = []
    for i, (video_step, action_step) in enumerate(
        zip(video_schedule.steps, action_schedule.steps, strict=True)
    ):
        runs = decider.runs(i, computed)
        if runs:
            v, u = velocity(
                video.sample,
                actions.sample,
                video_schedule.timesteps[i],
                action_schedule.timesteps[i],
            )
            computed = [*computed[-1:], v]
            steps_run.append(i)
        # A reused velocity leads elsewhere from another sample: what is known is held anew.
        held = u if prefix is None else prefix.held(u, actions.sample, action_step.sigma)
        video, actions = advance(video_step, video, v), advance(action_step, actions, held)
        if on_step is not None:
            on_step(Trace(i, runs, v, held, video.sample, actions.sample))
    return Denoised(video.sample, actions.sample, tuple(steps_run))


def guided(positive: Velocity, negative: Velocity | None, scale: float) -> Velocity:
    """Classifier-free guidance on the video; the action velocity is the positive branch's.

    Args:
        positive: the network under the prompt.
        negative: the network under the negative prompt, with a cache of its own; None without
            guidance.
        scale: 1 is no guidance and never evaluates ``negative``.

    Raises:
        ValueError: ``scale`` is not 1 and there is no negative branch.
    """
    if scale == 1:
        return positive
    if negative is None:
        raise ValueError(f"guidance: scale {scale} needs a negative branch, got none")

    def velocity(x: Tensor, a: Tensor, video_timestep: int, action_timestep: int):  # noqa: ANN202
        v, u = positive(x, a, video_timestep, action_timestep)
        v_negative, _ = negative(x, a, video_timestep, action_timestep)
        return v_negative + scale * (v - v_negative), u

    return velocity
