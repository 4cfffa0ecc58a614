"""Denoise one block: noise in, latents and actions out (design: model.md 1.4, 6.3 to 6.5).

The network is a function of its own, ``velocity(video, actions, video_timestep, action_timestep,
last)``; guidance is another function around two of these. Neither knows the schedule, and this file
knows neither the network nor its cache.

The loop reads nothing back from the device: coefficients are numbers that were worked out before,
and whether a timestep is evaluated follows from its index. Only a step cache that looks at
velocities (``SimilarSteps``) waits for one number per test.

What the last evaluation need not give: later samples of the video are read by no evaluation, so its
video velocity reaches the predicted video alone, never the actions. Guidance acts on the video
velocity only, so in the last evaluation the negative branch can be left out, and with it whatever
is done for that branch alone, without any change to the actions (``PredictedVideo``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from torch import Tensor

from dreamzero_policy.sampling.prefix import Prefix
from dreamzero_policy.sampling.schedule import FlowSchedule, SolverState, advance
from dreamzero_policy.sampling.step_cache import StepCache

Velocity = Callable[[Tensor, Tensor, int, int, bool], tuple[Tensor | None, Tensor]]
"""(video [B, C, K, h, w], actions [B, n_a, 32], video timestep, action timestep, whether this is
the block's last evaluation) -> velocities of both shapes; in the last evaluation the video's may be
None."""

PredictedVideo = Literal["guided", "unguided", "none"]
"""What the last evaluation gives for the video, by rising speed. The actions are the same:

``guided`` is the reference's video, ``unguided`` has no guidance in the last evaluation, and with
``none`` there is no video.
"""


class Trace(NamedTuple):
    """One timestep, for the golden check: velocities used there and samples after it."""

    step: int
    computed: bool
    video_velocity: Tensor | None
    action_velocity: Tensor
    video: Tensor
    actions: Tensor


class Denoised(NamedTuple):
    """A finished block.

    Attributes:
        video: [B, C, K, h, w] latents at the last level of their schedule; None where the last
            evaluation gave no video.
        actions: [B, n_a, 32] normalised actions.
        steps_run: indices of the timesteps at which the network ran.
        predicted: [B, C, K, h, w] the clean video as the last step estimates it: ``video`` where
            its schedule ends at 0, and what is to be shown where it ends in noise.
    """

    video: Tensor | None
    actions: Tensor
    steps_run: tuple[int, ...]
    predicted: Tensor | None


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
    decider = step_cache.start(len(video_schedule))
    computed: list[tuple[Tensor | None, Tensor]] = []
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
                decider.last(i),
            )
            computed = [*computed[-1:], (v, u)]
            steps_run.append(i)
        # A reused velocity leads elsewhere from another sample: what is known is held anew.
        held = u if prefix is None else prefix.held(u, actions.sample, action_step.sigma)
        actions = advance(action_step, actions, held)
        if v is not None:
            video = advance(video_step, video, v)
        if on_step is not None:
            on_step(Trace(i, runs, v, held, video.sample, actions.sample))
    shown = (None, None) if v is None else (video.sample, video.clean[0])
    return Denoised(shown[0], actions.sample, tuple(steps_run), shown[1])


def guided(
    positive: Velocity, negative: Velocity | None, scale: float, last: PredictedVideo = "guided"
) -> Velocity:
    """Classifier-free guidance on the video; the action velocity is the positive branch's.

    Args:
        positive: the network under the prompt.
        negative: the network under the negative prompt, with a cache of its own; None without
            guidance, or where no evaluation but the last is made and it has none.
        scale: 1 is no guidance and never evaluates ``negative``.
        last: whether the last evaluation has guidance.

    Raises:
        ValueError: guidance is needed and there is no negative branch.
    """
    if scale == 1:
        return positive

    def velocity(x: Tensor, a: Tensor, video_timestep: int, action_timestep: int, final: bool):  # noqa: ANN202
        v, u = positive(x, a, video_timestep, action_timestep, final)
        if not needs_negative(scale, last, final):
            return v, u
        if negative is None:
            raise ValueError(f"guidance: scale {scale} needs a negative branch, got none")
        v_negative, _ = negative(x, a, video_timestep, action_timestep, final)
        return v_negative + scale * (v - v_negative), u

    return velocity


def needs_negative(scale: float, last: PredictedVideo, final: bool) -> bool:
    """Whether an evaluation has guidance; ``final``: it is the last one."""
    return scale != 1 and not (final and last != "guided")
