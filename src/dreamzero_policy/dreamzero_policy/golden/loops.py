"""Closed loops of the reference's policy head: whole episodes of calls, decisions included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dreamzero_policy.golden.network import image_tokens, network, rows_of
from dreamzero_policy.golden.report import FLOAT32, GUIDED_LOOP, LOOP, Case
from dreamzero_policy.inference.reference import ReferenceCall, ReferenceProtocol
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.dreamzero import to_network_range
from dreamzero_policy.sampling.network import Literal
from dreamzero_policy.sampling.sampler import Trace, denoise_block
from dreamzero_policy.sampling.schedule import FlowSchedule, flow_schedule
from dreamzero_policy.sampling.step_cache import SimilarSteps, StaticSteps, StepCache
from dreamzero_policy.sampling.window import Window


class _Recorder:
    """The network, with a note of every forward."""

    def __init__(self, dit: CausalDiT) -> None:
        self._dit = dit
        self.config, self.patch_embedding = dit.config, dit.patch_embedding
        self.embed_text, self.embed_image = dit.embed_text, dit.embed_image
        self.calls: list[str] = []
        self.velocities: list[Tensor] = []

    def write(self, latents: Tensor, y: Tensor, context: object, cache: object, start: int) -> None:
        """Notes whether it filled an empty cache or added to one."""
        self.calls.append("refresh" if start else "prefill")
        self._dit.write(latents, y, context, cache, start)

    def denoise(self, *arguments: object) -> tuple[Tensor, Tensor]:
        """Keeps the video velocity."""
        self.calls.append("denoise")
        video, actions = self._dit.denoise(*arguments)
        self.velocities.append(video)
        return video, actions


@torch.inference_mode()
def check(case: Case) -> None:
    """One episode."""
    dit = _Recorder(network(case, case["call0/first_latent"]))
    guidance = float(case.scalar("cfg_scale"))
    tolerance = LOOP if guidance == 1 else GUIDED_LOOP
    steps, shift = case.scalar("inference_steps"), case.scalar("sigma_shift")
    schedules = (
        flow_schedule(steps, shift, case.scalar("decoupled_final_noise")),
        flow_schedule(steps, shift),
    )
    protocol = ReferenceProtocol(dit.config.window_frames, dit.config.num_frame_per_block)
    window = Window(
        Literal(dit), branches=1 if guidance == 1 else 2, batch=case["call0/state"].shape[0]
    )
    for index, expected in enumerate(case.scalar("calls")):
        key = f"call{index}"
        given = f"{key}/latent_video" in case.tensors
        before, dit.calls, dit.velocities = protocol.next_frame, [], []
        call = protocol.call(expected["frames"], expected["instruction"], given)
        _enter(case, dit, window, key, call, expected)
        tokens = window.caches[0].length
        traces: list[Trace] = []
        block = denoise_block(
            window.velocity(case[f"{key}/state"], guidance),
            case[f"{key}/noise_video"],
            case[f"{key}/noise_action"],
            *schedules,
            _step_cache(case, steps),
            on_step=traces.append,
        )
        ours = {
            **_decisions(call, before, window, schedules, given),
            "cache_tokens_at_denoise": tokens,
            "model_calls": dit.calls,
            "steps_run": list(block.steps_run),
        }
        if "vae_input_frames" in expected:
            ours["vae_input_frames"] = _clips(call, given, case.scalar("num_frames"))
        for name, value in ours.items():
            if name in expected:
                case.decide(f"{key} {name}", value, expected[name])
        _compare(case, key, traces, dit, tolerance)
        video = block.video
        if call.restarted:
            video = torch.cat([case[f"{key}/first_latent"], video], dim=2)
        case.compare(f"{key}/video_pred", video, tolerance)
        case.compare(f"{key}/action_pred", block.actions, tolerance)
        _compare_encoder_input(case, key, call)
    for branch, cache in zip(("kv", "kv_neg"), window.caches, strict=False):
        for layer in range(dit.config.num_layers):
            case.compare(f"final/{branch}.{layer}", rows_of(cache, layer), tolerance)


def _enter(
    case: Case,
    dit: CausalDiT,
    window: Window,
    key: str,
    call: ReferenceCall,
    expected: dict[str, Any],
) -> None:
    """Puts the call's observation into the context."""
    if not call.restarted:
        given = f"{key}/latent_video"
        latents = case[given if given in case.tensors else f"{key}/obs_latents"]
        window.refresh(latents[:, :, call.refresh_frame - call.denoise_frame :])
        return
    texts = [dit.embed_text(case[f"{key}/context"])]
    if len(window.caches) == 2:
        texts.append(dit.embed_text(case[f"{key}/context_negative"]))
    clip = image_tokens(case, expected["clip_feature_rows"])
    window.restart(
        case[f"{key}/first_latent"],
        lambda start, count: slice_condition(case[f"{key}/y"], start, count),
        dit.embed_image(clip),
        texts,
    )


def _step_cache(case: Case, steps: int) -> StepCache:
    """The rule that the case was run with."""
    mask = case.scalar("dit_step_mask")
    return SimilarSteps() if mask == "dynamic" else StaticSteps(tuple(mask[:steps]))


def _decisions(
    call: ReferenceCall,
    before: int,
    window: Window,
    schedules: tuple[FlowSchedule, FlowSchedule],
    given: bool,
) -> dict[str, Any]:
    """What was decided, by the reference's names."""
    decisions = {
        "restarted": call.restarted,
        "start_frame_before": before,
        "start_frame_after": call.next_frame,
        "denoise_start_frame": window.frames,
        "branches": len(window.caches),
        "vae_encodes": int(call.restarted or not given),
        "image_encodes": int(call.restarted),
        "video_timesteps": list(schedules[0].timesteps),
        "action_timesteps": list(schedules[1].timesteps),
    }
    if not call.restarted:
        decisions["refresh_start_frame"] = call.refresh_frame
    return decisions


def _clips(call: ReferenceCall, given: bool, num_frames: int) -> list[list[int | str]]:
    """Which observed frame sits at each position of every clip that is encoded."""
    if call.restarted:
        return [[call.condition_frame, *["zeros"] * (num_frames - 1)]]
    return [] if given else [list(call.encoder_frames)]


def _compare(case: Case, key: str, traces: list[Trace], dit: _Recorder, tolerance: float) -> None:
    """Velocities and samples of every step, and both branches of the first."""
    parts: dict[str, Callable[[Trace], Tensor]] = {
        "velocity_video": lambda trace: trace.video_velocity,
        "velocity_action": lambda trace: trace.action_velocity,
        "x_video": lambda trace: trace.video,
        "x_action": lambda trace: trace.actions,
    }
    for name, part in parts.items():
        if f"{key}/{name}" in case.tensors:
            case.compare(f"{key}/{name}", torch.stack([part(t) for t in traces]), tolerance)
    for branch, name in enumerate(("cond", "uncond")):
        full = f"{key}/velocity_video_{name}_step0"
        if full in case.tensors:
            case.compare(full, dit.velocities[branch], tolerance)


def _compare_encoder_input(case: Case, key: str, call: ReferenceCall) -> None:
    """Frames as they go into the VAE, where the case resizes them."""
    name = f"{key}/vae_in"
    if name not in case.tensors:
        return
    expected, target = case[name], case.scalar("target_video_hw")
    frames = to_network_range(case[f"{key}/images"][0], tuple(target) if target else None)
    if call.restarted:
        clip = torch.zeros(*frames.shape[:2], case.scalar("num_frames"), *frames.shape[3:])
        clip[:, :, 0] = frames[:, :, call.condition_frame]
    else:
        clip = frames[:, :, list(call.encoder_frames)]
    for candidate in (clip, frames, frames[:, :, call.condition_frame or 0][:, :, None]):
        if candidate.shape == expected.shape:
            case.compare_with(name, candidate, expected, FLOAT32)
            return
    case.compare_with(name, clip, expected, FLOAT32)


def slice_condition(y: torch.Tensor, start_frame: int, frames: int) -> torch.Tensor:
    """The first-frame condition of ``frames`` latent frames (design: model.md 2.2).

    Args:
        y: [B, 4 + C, F, h, w] for the whole clip.
        start_frame: absolute latent frame of the first.
        frames: how many.

    Returns:
        [B, 4 + C, frames, h, w]; the last ``frames`` of ``y`` if the slice would run past its end.

    Raises:
        ValueError: ``y`` is shorter than ``frames``.
    """
    if y.shape[2] < frames:
        raise ValueError(f"y: expected at least {frames} latent frames, got {y.shape[2]}")
    start = min(start_frame, y.shape[2] - frames)
    return y[:, :, start : start + frames]
