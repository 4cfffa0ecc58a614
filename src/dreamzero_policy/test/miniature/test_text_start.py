"""The small text encoder says the words that prompts differ in, and nothing else."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from dreamzero_policy.miniature.text_start import set_words
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.model.text_encoder import TextEncoder

TEMPLATE = "A video shows that a robot reaches for the {} The video has three views: left, right"
SEEN = ["red block", "blue disc", "red disc", "green block"]


def encoder_of(prompts, text=TINY.text):
    torch.manual_seed(0)
    encoder = TextEncoder(text, TINY.text_len).eval()
    assert set_words(encoder, prompts)
    return encoder


def rendered(things):
    return [TEMPLATE.format(thing) for thing in things]


def tokens(encoder, thing):
    """[tokens, dim] up to the prompt's end."""
    prompt = TEMPLATE.format(thing)
    with torch.no_grad():
        found = encoder.encode(prompt)[0]
    return found[: len(encoder.tokenizer(prompt))]


def alike(one, other):
    return torch.cosine_similarity(one.mean(0), other.mean(0), dim=0)


def share(encoder, thing, word):
    """Of a prompt's tokens, how many say a word and nothing else."""
    said = TINY.text.dim - TINY.text.head_dim
    vector = encoder.net.shared.weight[encoder.tokenizer(word)[0], :said]
    found = torch.cosine_similarity(tokens(encoder, thing)[:, :said], vector[None])
    return float((found > 0.97).float().mean())


def test_every_token_says_one_of_the_words_as_loudly_as_any_other():
    encoder = encoder_of([rendered(SEEN)])
    for thing in (*SEEN, "blue block"):  # heard together or not
        words = thing.split()
        assert all(share(encoder, thing, word) > 0.25 for word in words)
        assert sum(share(encoder, thing, word) for word in words) > 0.75  # the rest ties
        loudness = tokens(encoder, thing).square().mean(dim=1).sqrt()
        assert loudness.min() > 0.7 * loudness.max()
    assert alike(tokens(encoder, "red block"), tokens(encoder, "blue disc")) < 0.4


def test_a_word_is_the_same_whatever_it_is_said_with():
    encoder = encoder_of([rendered(SEEN)])
    for first, other in pairwise(("red block", "red disc", "red")):
        one, two = tokens(encoder, first), tokens(encoder, other)
        near = torch.cdist(one, two).min(dim=1).values / one.norm(dim=1)
        assert (near < 0.05).float().mean() > 0.25


def test_nothing_but_words_leaves_it():
    encoder = encoder_of([rendered(SEEN)])
    assert not tokens(encoder, "red block")[:, TINY.text.dim - TINY.text.head_dim :].any()


def test_an_untrained_transformer_hears_a_prompt_as_loudly_as_it_sees_a_picture():
    encoder = encoder_of([rendered(SEEN)])
    torch.manual_seed(0)
    network = CausalDiT(TINY)
    with torch.no_grad():
        text = network.embed_text(tokens(encoder, "red block")[None]).tokens
        image = network.embed_image(torch.randn(1, 65, TINY.clip_dim)).tokens
    assert 0.5 < text.square().mean().sqrt() / image.square().mean().sqrt() < 2.0


def test_a_combination_that_is_new_says_its_words():
    encoder = encoder_of([rendered(SEEN)])
    new = tokens(encoder, "blue block")
    assert alike(new, tokens(encoder, "red block")) > 0.3
    assert alike(new, tokens(encoder, "blue disc")) > 0.3
    assert alike(new, tokens(encoder, "red disc")) < 0.3


def test_words_that_all_prompts_of_a_robot_share_are_silent_as_are_new_ones():
    other = [f"Something else: {thing}." for thing in ("red block", "blue disc")]
    encoder = encoder_of([rendered(SEEN), other])
    with torch.no_grad():
        assert not encoder.encode(TEMPLATE.format("chair")).any()
        assert not encoder.encode("Something else.").any()
        assert encoder.encode("Something else: red").any()


def test_the_order_of_words_tells_only_where_the_data_needs_it():
    both = rendered(["red block into the blue bowl", "blue block into the red bowl"])
    with_order = encoder_of([both])
    one, other = (
        tokens(with_order, thing)
        for thing in ("red block into the blue bowl", "blue block into the red bowl")
    )
    assert alike(one, other) < 0.9
    without = encoder_of([rendered(SEEN)])
    assert alike(tokens(without, "red block"), tokens(without, "block red")) > 0.999


def test_one_prompt_alone_says_nothing():
    encoder = encoder_of([rendered(SEEN[:1]), []])
    assert not tokens(encoder, SEEN[0]).any()


@pytest.mark.parametrize("change", [{"tokenizer": "bytes", "vocab_size": 259}, {"head_dim": 8}])
def test_others_are_left_alone(change):
    encoder = TextEncoder(replace(TINY.text, **change), 16)
    before = {name: weight.clone() for name, weight in encoder.named_parameters()}
    assert not set_words(encoder, [rendered(SEEN)])
    assert all(torch.equal(weight, before[name]) for name, weight in encoder.named_parameters())
