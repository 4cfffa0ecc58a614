"""Cached calls of the network: against slow twins of themselves."""

from dataclasses import replace

import pytest
import torch
from small_dit import SMALL, VARIANTS, block_of, difference, episode, network, stream

from dreamzero_policy.model.block import Run
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.sampling.kv_cache import KVCache


@pytest.mark.parametrize("variant", VARIANTS)
def test_cached_inference_is_the_training_forward_where_states_see_themselves_only(variant):
    config = replace(VARIANTS[variant], state_attends_all=False)
    dit, inputs = network(config), episode(config, batch=2)
    with torch.no_grad():
        video, action = dit.forward_train(**inputs)
    if config.latent_size[0] % 2:
        assert video.shape[3] == config.latent_size[0] - 1
    context = dit.embed_context(inputs["text"], inputs["clip"])
    for block, got_video, got_action in stream(dit, inputs, context):
        start = 1 + block * config.num_frame_per_block
        frames = slice(start, start + config.num_frame_per_block)
        acts = slice(block * config.num_action_per_block, (block + 1) * config.num_action_per_block)
        assert difference(got_video, video[:, :, frames]) < 1e-5, block
        assert difference(got_action, action[:, acts]) < 1e-5, block


def test_a_state_that_sees_all_is_another_model():
    dit, inputs = network(SMALL), episode(SMALL)
    with torch.no_grad():
        video, _ = dit.forward_train(**inputs)
    context = dit.embed_context(inputs["text"], inputs["clip"])
    _, got, _ = next(stream(dit, inputs, context))
    assert difference(got, video[:, :, 1:3]) > 1e-5


class PerToken(CausalDiT):
    """The twin in which every token carries a time embedding of its own."""

    def _through(self, x, tau, runs, table, calls, context):
        counts = torch.tensor([run.tokens for run in runs for _ in range(run.rows)])
        each = (Run(x.shape[1], 1),)
        x, times = super()._through(
            x, tau.repeat_interleave(counts, dim=1), each, table, calls, context
        )
        return x, times[:, counts.cumsum(0) - counts]


def test_modulation_per_frame_equals_modulation_per_token():
    dit, inputs = network(SMALL), episode(SMALL, batch=2)
    twin = PerToken(SMALL)
    twin.load_state_dict(dit.state_dict())
    with torch.no_grad():
        for got, expected in zip(
            dit.forward_train(**inputs), twin.forward_train(**inputs), strict=True
        ):
            assert difference(got, expected) < 1e-5
    context = dit.embed_context(inputs["text"], inputs["clip"])
    for fast, slow in zip(stream(dit, inputs, context), stream(twin, inputs, context), strict=True):
        assert difference(fast[1], slow[1]) < 1e-5
        assert difference(fast[2], slow[2]) < 1e-5


def test_a_batch_of_two_prompts_is_two_calls():
    dit, inputs = network(SMALL), episode(SMALL, batch=2)
    together = list(stream(dit, inputs, dit.embed_context(inputs["text"], inputs["clip"])))
    for one in range(2):
        mine = {key: x[one : one + 1] for key, x in inputs.items()}
        context = dit.embed_context(mine["text"], mine["clip"])
        for both, alone in zip(together, stream(dit, mine, context), strict=True):
            assert difference(alone[1], both[1][one : one + 1]) < 1e-5
            assert difference(alone[2], both[2][one : one + 1]) < 1e-5


def test_denoising_leaves_the_cache_as_it_is():
    dit, inputs = network(SMALL), episode(SMALL)
    context = dit.embed_context(inputs["text"], inputs["clip"])
    cache = KVCache.for_model(SMALL)
    dit.write(inputs["clean"][:, :, :1], inputs["y"][:, :, :1], context, cache, 0)
    before = [torch.stack(cache.keys_values(layer)).clone() for layer in range(cache.layers)]
    arguments = block_of(SMALL, inputs, 0)
    first = dit.denoise(**arguments, context=context, cache=cache)
    again = dit.denoise(**arguments, context=context, cache=cache)
    assert cache.position == SMALL.frame_seqlen
    for layer, rows in enumerate(before):
        assert torch.equal(torch.stack(cache.keys_values(layer)), rows)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_a_copied_block_can_be_replaced_and_restored():
    dit, inputs = network(SMALL), episode(SMALL)
    context = dit.embed_context(inputs["text"], inputs["clip"])
    cache = KVCache.for_model(SMALL)
    clean, y, size = inputs["clean"], inputs["y"], SMALL.frame_seqlen
    dit.write(clean[:, :, :1], y[:, :, :1], context, cache, 0)
    dit.write(clean[:, :, 1:3], y[:, :, 1:3], context, cache, 1)
    arguments = block_of(SMALL, inputs, 1)
    expected = dit.denoise(**arguments, context=context, cache=cache)
    copied = cache.snapshot(size)
    cache.truncate(size)
    dit.write(clean[:, :, 5:7], y[:, :, 1:3], context, cache, 1)
    other = dit.denoise(**arguments, context=context, cache=cache)
    cache.restore(copied)
    again = dit.denoise(**arguments, context=context, cache=cache)
    assert difference(other[0], expected[0]) > 1e-4
    assert torch.equal(again[0], expected[0])
    assert torch.equal(again[1], expected[1])


def test_whole_numbers_are_timesteps_too():
    dit, inputs = network(SMALL), episode(SMALL)
    context = dit.embed_context(inputs["text"], inputs["clip"])
    cache = KVCache.for_model(SMALL)
    dit.write(inputs["clean"][:, :, :1], inputs["y"][:, :, :1], context, cache, 0)
    arguments = block_of(SMALL, inputs, 0)
    whole = {key: arguments[key].to(torch.int64) for key in ("video_tau", "action_tau")}
    real = {key: x.to(torch.float32) for key, x in whole.items()}
    got = dit.denoise(**arguments | whole, context=context, cache=cache)
    expected = dit.denoise(**arguments | real, context=context, cache=cache)
    assert torch.equal(got[0], expected[0])
    assert torch.equal(got[1], expected[1])


def test_it_runs_in_bfloat16_throughout():
    dit, inputs = network(SMALL), episode(SMALL)
    wide = list(stream(dit, inputs, dit.embed_context(inputs["text"], inputs["clip"])))
    dit.to(torch.bfloat16)
    narrow = list(stream(dit, inputs, dit.embed_context(inputs["text"], inputs["clip"])))
    for expected, got in zip(wide, narrow, strict=True):
        assert got[1].dtype == got[2].dtype == torch.bfloat16
        assert difference(got[1].float(), expected[1]) < 0.1
