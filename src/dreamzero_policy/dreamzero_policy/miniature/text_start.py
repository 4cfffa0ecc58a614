"""What the small text encoder says of a prompt: the words in which the data's prompts differ.

Nobody trained it, and nine of ten words of a prompt are the robot's template. With random weights
the one word that names a colour is one token of 128, and a small network needs many thousands of
steps to hear it. So its weights are set by hand. A word that all prompts of a robot share is
silent, a zero; any other is a vector of its own; and every silent token repeats one of the others,
which one by lot. Each word is then said by many tokens, as loudly as every other.

It is never their sum: the network takes each token through layers of its own first, where a sum is
a pair of words that can be learned by heart. A policy that heard sums found things by colour alone
in 12 of 15 scenes, and the same ones in none when colour and shape were said together as it had
never heard them. (It knew fewer ways to name a thing, too: which of the two it was is not known.)

The lot is attention by random addresses. Of the channels of a token all but a head's say the word;
of the last head's most are its address, one is the same everywhere, and one tells words that say
something from silent ones, so that nobody repeats silence. The last norm leaves those out.

A transformer from nothing projects text with weights of 0.02 (design: model.md 2.12), and nothing
normalises what its blocks then add: a prompt would be 60 times as quiet as a picture. So the last
norm of this encoder is large enough to make up for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from dreamzero_policy.model.text_encoder import TextEncoder
from dreamzero_policy.model.tokenizer import words_of

_LOUD = 40.0  # of each channel: a projected token is then of about 1
_HEARD = 200.0
"""Of attention to words that say something: more than any two addresses have in common."""
_LEAST_HEAD = 8  # channels: addresses of fewer are too much alike


@torch.no_grad()
def set_words(encoder: TextEncoder, prompts: Sequence[Collection[str]], seed: int = 0) -> bool:
    """Sets the weights of a text encoder that reads hashed words.

    Phrases, which the tokenizer gives beside words, say something only where the data has two
    prompts of the same words in another order. Words that are new after training are silent.

    Args:
        encoder: with random weights; changed in place.
        prompts: rendered ones, those of each robot for themselves.
        seed: of the words' vectors and addresses.

    Returns:
        Whether it was set: not of another tokenizer, or where heads are no even shares of the width
        or too narrow.
    """
    config = encoder.config
    head = config.head_dim
    if (
        config.tokenizer != "words"
        or head * config.num_heads != config.dim
        or config.num_heads < 2
        or head < _LEAST_HEAD
    ):
        return False
    telling = sorted(set().union(*(_telling(encoder, each) for each in prompts)))
    said, same, tells = config.dim - head, config.dim - 2, config.dim - 1
    generator = torch.Generator().manual_seed(seed)
    table = encoder.net.shared.weight
    table.zero_()
    table[:, said:same] = _drawn(len(table), head - 2, generator).to(table)
    table[:, same] = 1.0
    table[telling, :said] = _drawn(len(telling), said, generator).to(table)
    table[telling, tells] = 1.0
    for block in encoder.net.encoder.block:
        attention, forward = block.layer[0].SelfAttention, block.layer[1].DenseReluDense
        for silent in (
            *(attention.q, attention.k, attention.v, attention.o),
            *(attention.relative_attention_bias, forward.wo),
        ):
            silent.weight.zero_()
    first = encoder.net.encoder.block[0].layer[0].SelfAttention
    for start in range(0, said, head):
        address = slice(start, start + head - 2)
        for side in (first.q, first.k):
            side.weight[address, said:same] = torch.eye(head - 2).to(table)
        first.q.weight[start + head - 1, same] = 1.0
        first.k.weight[start + head - 1, tells] = _HEARD
    for through in (first.v, first.o):
        through.weight[:said, :said] = torch.eye(said).to(table)
    loudness = encoder.net.encoder.final_layer_norm.weight
    loudness.zero_()
    loudness[:said] = _LOUD
    return True


def _drawn(count: int, width: int, generator: torch.Generator) -> Tensor:
    """[count, width] of random directions and one length, at which a channel is 1 on average."""
    return width**0.5 * nn.functional.normalize(torch.randn(count, width, generator=generator))


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
