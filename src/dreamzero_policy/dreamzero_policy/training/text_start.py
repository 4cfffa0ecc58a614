"""What the small text encoder says of a prompt: the words in which the data's prompts differ.

Nobody trained it, and nine of ten words of a prompt are the robot's template. With random weights
the one word that names a colour is one token of 128, and a small network needs many thousands of
steps to hear it. So its weights are set by hand. A word that all prompts of a robot share is
silent, a zero; any other is a vector of its own; and attention, which is even here, hands their sum
to the silent ones. Every token then says what is asked for, as loudly as every other.

A transformer from nothing projects text with weights of 0.02 (design: model.md 2.12), and nothing
normalises what its blocks then add: a prompt would be 60 times as quiet as a picture. So the last
norm of this encoder is large enough to make up for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import nn

from dreamzero_policy.model.text_encoder import TextEncoder
from dreamzero_policy.model.tokenizer import words_of

_LOUD = 40.0  # of each channel: a projected token is then of about 1


@torch.no_grad()
def set_bag_of_words(
    encoder: TextEncoder, prompts: Sequence[Collection[str]], seed: int = 0
) -> bool:
    """Sets the weights of a text encoder that reads hashed words.

    Phrases, which the tokenizer gives beside words, say something only where the data has two
    prompts of the same words in another order. Words that are new after training are silent.

    Args:
        encoder: with random weights; changed in place.
        prompts: rendered ones, those of each robot for themselves.
        seed: of the words' vectors.

    Returns:
        Whether it was set: not of another tokenizer, or where a head is not an even share of the
        width.
    """
    config = encoder.config
    if config.tokenizer != "words" or config.head_dim * config.num_heads != config.dim:
        return False
    telling = sorted(set().union(*(_telling(encoder, each) for each in prompts)))
    generator = torch.Generator().manual_seed(seed)
    table = encoder.net.shared.weight
    table.zero_()
    table[telling] = torch.randn(len(telling), config.dim, generator=generator).to(table)
    for block in encoder.net.encoder.block:
        attention, forward = block.layer[0].SelfAttention, block.layer[1].DenseReluDense
        for silent in (attention.q, attention.k, attention.relative_attention_bias, forward.wo):
            silent.weight.zero_()
        for through in (attention.v, attention.o):
            nn.init.eye_(through.weight)
    nn.init.constant_(encoder.net.encoder.final_layer_norm.weight, _LOUD)
    return True


def _telling(encoder: TextEncoder, prompts: Collection[str]) -> set[int]:
    """Ids that some of the prompts have and others have not."""
    if not prompts:
        return set()
    read = encoder.tokenizer
    words = {prompt: frozenset(read(word)[0] for word in words_of(prompt)) for prompt in prompts}
    found = words
    if len(set(words.values())) < len(words):
        found = {prompt: frozenset(read(prompt)) for prompt in prompts}
    return set(frozenset().union(*found.values()) - frozenset.intersection(*found.values()))
