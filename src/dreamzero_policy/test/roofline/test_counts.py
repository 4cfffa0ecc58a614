"""Operations and parameters by arithmetic are those of the modules."""

from dataclasses import fields, replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import PRESETS
from dreamzero_policy.roofline import counts
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Clean, Noisy

CASES = pytest.mark.parametrize("name", PRESETS)


def build(config: ModelConfig) -> CausalDiT:
    with torch.device("meta"):
        return CausalDiT(config).eval()


def operations(work) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def inputs(config: ModelConfig, frames: int):
    """A context and a cache of so many frames, the newest ones, and a block to denoise."""
    dit, meta = build(config), torch.device("meta")
    context = dit.embed_context(
        torch.empty(1, config.text_len, config.text_dim, device=meta),
        torch.empty(1, config.image.tokens, config.clip_dim, device=meta),
    )
    cache = KVCache.for_model(config, device=meta)
    cache.advance(frames * config.frame_seqlen)

    def latents(count):
        y = torch.empty(1, config.condition_channels, count, *config.latent_size, device=meta)
        return torch.empty(1, config.out_dim, count, *config.latent_size, device=meta), y

    rows = config.num_action_per_block
    block, y = latents(config.num_frame_per_block)
    noisy = Noisy(
        block,
        torch.empty(1, config.num_frame_per_block, device=meta),
        torch.empty(1, rows, config.max_action_dim, device=meta),
        torch.empty(1, rows, device=meta),
        torch.empty(1, config.num_state_per_block, config.max_state_dim, device=meta),
        y,
    )
    return dit, context, cache, latents, noisy


@CASES
def test_parameters_are_those_of_the_module(name):
    config = PRESETS[name]
    dit = build(config)
    assert counts.parameters(config) == sum(p.numel() for p in dit.parameters())
    only = [dit.text_embedding, dit.img_emb]
    for block in dit.blocks:
        cross = block.cross_attn
        only += [cross.k, cross.v, cross.k_img, cross.v_img, cross.norm_k, cross.norm_k_img]
    numbers = sum(p.numel() for module in only for p in module.parameters())
    assert counts.context_parameters(config) == numbers


def test_the_14b_network_has_the_parameters_of_the_design():
    assert counts.parameters(PRESETS["droid_14b"]) == 16_484_292_448  # model.md 1.1


@CASES
@pytest.mark.parametrize("frames", [1, 3, 7])
def test_a_denoising_forward(name, frames):
    config = replace(PRESETS[name], num_layers=2)
    dit, context, cache, _, noisy = inputs(config, frames)
    block = [getattr(noisy, field.name) for field in fields(noisy)]
    found = operations(lambda: dit.denoise(*block, context, cache, frames))
    assert found == counts.denoise(config, frames).total


@CASES
@pytest.mark.parametrize("frames", [1, 3, 7])
def test_a_refresh(name, frames):
    config = replace(PRESETS[name], num_layers=2)
    new = 1 if frames == 1 else config.num_frame_per_block
    dit, context, cache, latents, _ = inputs(config, frames - new)
    found = operations(lambda: dit.write(*latents(new), context, cache, frames - new))
    assert found == counts.refresh(config, frames).total


@CASES
def test_a_trimmed_refresh(name):
    config = replace(PRESETS[name], num_layers=2)
    dit, context, cache, latents, _ = inputs(config, 3)
    clean = Clean(*latents(config.num_frame_per_block))
    found = operations(lambda: Forwards(dit).write(clean, context, cache))
    assert found == counts.refresh(config, 5, trimmed=True).total


@CASES
def test_embedding_a_context(name):
    config = replace(PRESETS[name], num_layers=2)
    dit, meta = build(config), torch.device("meta")
    text = torch.empty(1, config.text_len, config.text_dim, device=meta)
    clip = torch.empty(1, config.image.tokens, config.clip_dim, device=meta)
    found = operations(lambda: dit.embed_context(text, clip))
    assert found == counts.embed_context(config).total


@CASES
def test_numbers_in_a_cache(name):
    config = PRESETS[name]
    cache = KVCache.for_model(config, device="meta")
    tail = config.num_action_per_block + config.num_state_per_block
    rows = config.window_tokens + tail
    numbers = counts.cache_numbers(config, config.window_frames)
    assert cache.bytes == 4 * numbers * rows / config.window_tokens
