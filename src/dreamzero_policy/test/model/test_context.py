"""Contexts: keys made once against keys made anew, and what is refused."""

import pytest
import torch
from small_dit import SMALL, episode, network, stream


def test_keys_of_the_context_made_once_equal_keys_made_anew():
    dit, inputs = network(SMALL), episode(SMALL)
    once = dit.embed_context(inputs["text"], inputs["clip"])
    assert len(once.text.keys) == len(once.image.keys) == SMALL.num_layers
    for fast, slow in zip(
        stream(dit, inputs, once), stream(dit, inputs, once.recomputed()), strict=True
    ):
        assert torch.equal(fast[1], slow[1])
        assert torch.equal(fast[2], slow[2])


def test_a_wrong_context_is_refused_by_name():
    dit = network(SMALL)
    text, clip = torch.zeros(1, 5, 64), torch.zeros(1, 65, 64)
    with pytest.raises(ValueError, match=r"text: expected \[1, \*, 64\], got \[1, 5, 63\]"):
        dit.embed_context(text[..., :63], clip)
    with pytest.raises(ValueError, match=r"clip: expected \[\*, \*, 64\], got \[65, 64\]"):
        dit.embed_context(text, clip[0])
