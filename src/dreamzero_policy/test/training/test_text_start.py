"""The small text encoder says the words that prompts differ in, and nothing else."""

from dataclasses import replace

import pytest
import torch

from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.model.text_encoder import TextEncoder
from dreamzero_policy.training.text_start import set_bag_of_words

TEMPLATE = "A video shows that a robot reaches for the {} The video has three views: left, right"
SEEN = ["red block", "blue disc", "red disc", "green block"]


def encoder_of(prompts, text=TINY.text):
    torch.manual_seed(0)
    encoder = TextEncoder(text, TINY.text_len).eval()
    assert set_bag_of_words(encoder, prompts)
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


def test_every_token_says_what_is_asked_for():
    encoder = encoder_of([rendered(SEEN)])
    red, blue = tokens(encoder, "red block"), tokens(encoder, "blue disc")
    loudness = red.square().mean(dim=1).sqrt()
    assert loudness.min() > 0.9 * loudness.max()  # none is quiet
    assert torch.cosine_similarity(red, red.mean(0, keepdim=True)).min() > 0.6
    assert alike(red, blue) < 0.4


def test_an_untrained_transformer_hears_a_prompt_as_loudly_as_it_sees_a_picture():
    encoder = encoder_of([rendered(SEEN)])
    torch.manual_seed(0)
    network = CausalDiT(TINY)
    with torch.no_grad():
        text = network.embed_text(tokens(encoder, "red block")[None]).tokens
        image = network.embed_image(torch.randn(1, 65, TINY.clip_dim)).tokens
    assert 0.5 < text.square().mean().sqrt() / image.square().mean().sqrt() < 2.0


def test_a_combination_that_is_new_is_the_sum_of_its_words():
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
    assert not set_bag_of_words(encoder, [rendered(SEEN)])
    assert all(torch.equal(weight, before[name]) for name, weight in encoder.named_parameters())
