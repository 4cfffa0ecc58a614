"""The causal transformer against the reference: training, cached inference, and the loss."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from dreamzero_policy.golden.report import FLOAT32, FORWARD, GRADIENT, LOSS, Case
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.context import Context
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.training.loss import (
    NoiseTable,
    flow_matching_loss,
    indices_of_ratios,
    levels_of_draws,
)


def network(case: Case, latent: Tensor) -> CausalDiT:
    """The network that a case was made with, its weights in place.

    Args:
        case: names its weight file and states its configuration.
        latent: any tensor [..., h, w] of latents, which tells their size.

    Raises:
        ValueError: the weights are not those of the configuration.
    """
    config = ModelConfig.from_upstream(
        case.scalar("config"),
        latent_size=(latent.shape[-2], latent.shape[-1]),
        num_frames=case.scalars.get("num_frames", 33),
    )
    dit = CausalDiT(config)
    weights = case.sibling(case.scalar("weights"))
    try:
        dit.load_state_dict({name: weights[name] for name in weights.tensors})
    except RuntimeError as error:
        raise ValueError(f"{case.name}: {error}") from None
    return dit.eval()


def image_tokens(case: Case, rows: list[int] | None = None) -> Tensor:
    """The image-encoder tokens that a case uses, [B, tokens, clip_dim]."""
    tokens = case.sibling(case.scalar("clip_feature_file"))["clip_feature"]
    return tokens[case.scalar("clip_feature_rows") if rows is None else rows]


def rows_of(cache: KVCache, layer: int) -> Tensor:
    """What a cache stores of a layer, [2, B, L, n, d]."""
    return torch.stack(cache.keys_values(layer))


@torch.inference_mode()
def check_inference(case: Case) -> None:
    """Prefill, refresh and denoise in the order that the case gives."""
    dit = network(case, case["prefill/x"])
    context = dit.embed_context(case["context"], image_tokens(case))
    cache = KVCache.for_model(dit.config, batch=case.scalar("batch"), slide=True)
    for call in case.scalar("calls_in_order"):
        tag, start = call["tag"], call["start_frame"]
        x = case[f"{tag}/x"]
        y = case.tensors.get("y_all")
        y = None if y is None else case["y_all"][:, :, start : start + x.shape[2]]
        if "cache_tokens" in call:
            case.decide(f"{tag}/cache_tokens", cache.length, call["cache_tokens"])
        if tag.startswith("block"):
            _denoise(case, dit, context, cache, tag, start, y)
            continue
        velocity = dit.write(x, y, context, cache, start)
        case.compare(f"{tag}/video_velocity", velocity, FORWARD)
        for layer in range(dit.config.num_layers):
            case.compare(f"{tag}/kv.{layer}", rows_of(cache, layer), FORWARD)
        case.decide(f"{tag}/cache_tokens_after", cache.length, call["cache_tokens_after"])


def _denoise(
    case: Case,
    dit: CausalDiT,
    context: Context,
    cache: KVCache,
    tag: str,
    start: int,
    y: Tensor | None,
) -> None:
    """One denoising forward, which leaves the cache alone."""
    video, actions = dit.denoise(
        case[f"{tag}/x"],
        case[f"{tag}/timestep"],
        case[f"{tag}/action"],
        case[f"{tag}/timestep_action"],
        case[f"{tag.split('/')[0]}/state"],
        y,
        context,
        cache,
        start,
    )
    case.compare(f"{tag}/video_velocity", video, FORWARD)
    case.compare(f"{tag}/action_velocity", actions, FORWARD)


def check_training(case: Case) -> None:
    """Teacher forcing forward and backward."""
    dit = network(case, case["x"]).requires_grad_(True)
    y = case["y"] if "y" in case.tensors else None
    text, clip = case["context"], image_tokens(case)

    def forward(action_timesteps: str) -> tuple[Tensor, Tensor]:
        return dit.forward_train(
            case["x"],
            case["clean_x"],
            case["timestep"],
            case["action"],
            case[action_timesteps],
            case["state"],
            y,
            text,
            clip,
        )

    video, actions = forward("timestep_action")
    case.compare("video_velocity", video, FORWARD)
    case.compare("action_velocity", actions, FORWARD)
    if "target_video" in case.tensors:
        loss = nn.functional.mse_loss(video, case["target_video"])
        loss = loss + nn.functional.mse_loss(actions, case["target_action"])
        loss.backward()
        case.compare_number("loss", loss.item(), case.scalar("loss"), LOSS)
        _gradients(case, dit)
    if "timestep_action_decoupled" in case.tensors:
        with torch.inference_mode():
            video, actions = forward("timestep_action_decoupled")
        case.compare("video_velocity_decoupled", video, FORWARD)
        case.compare("action_velocity_decoupled", actions, FORWARD)


def _gradients(case: Case, dit: CausalDiT) -> None:
    """Stored gradients, the norms of all, and which parameters have none."""
    parameters = dict(dit.named_parameters())
    for name in case.tensors:
        if name.startswith("grad/"):
            gradient = parameters[name.removeprefix("grad/")].grad
            case.compare(name, gradient, GRADIENT)
    for name, norm in case.scalars.get("grad_norms", {}).items():
        gradient = parameters[name].grad
        ours = 0.0 if gradient is None else gradient.norm().item()
        case.compare_number(f"grad norm of {name}", ours, norm, GRADIENT)
    without = sorted(name for name, p in parameters.items() if p.grad is None)
    expected = case.scalars.get("parameters_without_gradient")
    if expected is not None:
        case.decide("parameters_without_gradient", without, sorted(expected))


@torch.inference_mode()
def check_loss(case: Case) -> None:
    """The three noise modes of training: levels, noisy inputs, velocities and losses."""
    latents, actions = case["latents"], case["actions"]
    dit, table = network(case, latents), NoiseTable.make()
    y = case["y"] if "y" in case.tensors else None
    for mode, expected in case.scalar("modes").items():
        draws = _draws(case, mode)
        levels = levels_of_draws(
            draws[0],
            draws[1] if len(draws) > 1 else None,
            dit.config.num_frame_per_block,
            dit.config.num_action_per_block,
        )
        video_tau, action_tau = (table.timesteps[index] for index in levels)
        case.compare(f"{mode}/timestep", video_tau, FLOAT32)
        case.compare(f"{mode}/timestep_action", action_tau, FLOAT32)
        noise, action_noise = case[f"{mode}/noise"], case[f"{mode}/noise_action"]
        by_frame = latents.transpose(1, 2), noise.transpose(1, 2)
        noisy = table.add_noise(*by_frame, video_tau).transpose(1, 2)
        noisy_actions = table.add_noise(actions, action_noise, action_tau)
        case.compare(f"{mode}/noisy_latents", noisy, FLOAT32)
        case.compare(f"{mode}/noisy_action", noisy_actions, FLOAT32)
        v, u = dit.forward_train(
            noisy,
            latents,
            video_tau,
            noisy_actions,
            action_tau,
            case["state"],
            y,
            case["context"],
            image_tokens(case),
        )
        case.compare(f"{mode}/video_velocity", v, FORWARD)
        case.compare(f"{mode}/action_velocity", u, FORWARD)
        losses = flow_matching_loss(
            table,
            levels,
            v,
            noise - latents,
            u,
            action_noise - actions,
            case["action_mask"],
            case["has_real_action"],
        )
        names = {"loss": "total", "dynamics_loss": "video", "action_loss": "actions"}
        for theirs, ours in names.items():
            got = getattr(losses, ours).item()
            case.compare_number(f"{mode}/{theirs}", got, expected[theirs], LOSS)


def _draws(case: Case, mode: str) -> list[Tensor]:
    """Table indices of what the reference drew, in its order."""
    found = {}
    for name in case.tensors:
        if match := re.fullmatch(rf"{re.escape(mode)}/draw(\d+)_(randint|beta)", name):
            raw = case[name]
            found[int(match[1])] = indices_of_ratios(raw) if match[2] == "beta" else raw
    if not found:
        raise ValueError(f"{case.name}: no draws for mode {mode!r}")
    return [found[index] for index in sorted(found)]
