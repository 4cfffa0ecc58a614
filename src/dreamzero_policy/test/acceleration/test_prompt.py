"""Padding that is looked at once gives what the whole of it gives."""

from dataclasses import replace

import pytest
import torch

from dreamzero_policy.acceleration.prompt import embed_prompt, shorten
from dreamzero_policy.model.context import Context
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Noisy
from dreamzero_policy.weights.random_weights import random_tensor

CONFIG = replace(TINY, num_layers=2, text_len=64)


@pytest.fixture(scope="module")
def dit():
    made = CausalDiT(CONFIG).eval()
    for name, parameter in made.named_parameters():
        parameter.data = random_tensor(name, tuple(parameter.shape), 0)
    return made


def prompt(*lengths):
    """One per length, zero behind it."""
    text = torch.randn(len(lengths), CONFIG.text_len, CONFIG.text_dim)
    for row, length in zip(text, lengths, strict=True):
        row[length:] = 0
    return text


def velocities(dit, text):
    """Of one block behind a first frame."""
    batch, size = text.tokens.shape[0], CONFIG.latent_size
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(1, *shape, generator=generator).expand(batch, *shape)

    y = random(CONFIG.condition_channels, 2, *size)
    noisy = Noisy(
        random(CONFIG.out_dim, 2, *size),
        torch.full((batch, 2), 700),
        random(24, CONFIG.max_action_dim),
        torch.full((batch, 24), 700),
        random(1, CONFIG.max_state_dim),
        y,
    )
    context = Context(text, dit.embed_image(random(CONFIG.image.tokens, CONFIG.clip_dim)))
    cache = KVCache.for_model(CONFIG, batch)
    dit.write(noisy.latents[:, :, :1], y[:, :, :1], context, cache, 0)
    return Forwards(dit).denoise(noisy, context, cache)


@pytest.mark.parametrize("lengths", [(1,), (30,), (63,), (64,), (0,), (5, 40)])
def test_velocities_are_those_of_the_whole_prompt(dit, lengths):
    text = prompt(*lengths)
    with torch.no_grad():
        short, whole = embed_prompt(dit, text), dit.embed_text(text)
        assert short.tokens.shape[1] + short.repeats - 1 == CONFIG.text_len
        wanted = velocities(dit, whole)
        for text in (short, short.recomputed()):
            for a, b in zip(velocities(dit, text), wanted, strict=True):
                assert float((a - b).abs().max() / b.abs().max()) < 1e-5


def test_the_number_of_the_last_token_counts(dit):
    """Without its bias the padding would weigh next to nothing, which is another velocity."""
    with torch.no_grad():
        short = embed_prompt(dit, prompt(30))
        wrong = replace(short, keys=tuple(each._replace(bias=None) for each in short.keys))
        a, b = (velocities(dit, text)[1] for text in (short, wrong))
    assert float((a - b).abs().max() / b.abs().max()) > 1e-4


@pytest.mark.parametrize(("lengths", "kept"), [((0,), 1), ((1,), 2), ((64,), 64), ((5, 40), 41)])
def test_one_token_of_padding_stays(lengths, kept):
    short, repeats = shorten(prompt(*lengths))
    assert short.shape[1] == kept
    assert repeats == 65 - kept


def test_padding_stays_where_it_cannot_be_left_out_exactly(dit):
    lower = CausalDiT(CONFIG).to(torch.bfloat16)
    side = embed_prompt(lower, prompt(30))
    assert side.tokens.shape[1] == CONFIG.text_len
    assert side.keys[0].bias is None
