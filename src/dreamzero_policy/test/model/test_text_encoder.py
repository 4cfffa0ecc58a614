"""umT5: the reference's numbers, and what leaves the encoder behind a prompt's end."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from dreamzero_policy.checkpoint.key_maps import TEXT, layout
from dreamzero_policy.checkpoint.load import assign
from dreamzero_policy.model.encoder_config import UMT5_XXL, TextConfig
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.model.text_encoder import TextEncoder

SMALL = TextConfig("bytes", 97, 48, 16, 80, 4, 3, 32, 128, 1e-6)


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return TextEncoder(replace(TINY.text, tokenizer="bytes"), 24).eval()


@torch.no_grad()
def test_embeds_as_the_reference(golden_dir):
    golden = load_file(golden_dir / "t5_small.safetensors")
    part = nn.Module()
    part.text_encoder = TextEncoder(SMALL, 160).eval()
    slots = layout(part)
    weights = {name[2:]: t for name, t in golden.items() if name.startswith("w/")}
    assert {TEXT + name for name in weights} == set(slots)
    for name, tensor in weights.items():
        assign(part, slots[TEXT + name], tensor, torch.device("cpu"), torch.float32)
    mask, expected = golden["mask"], golden["out"]
    whole = part.text_encoder.net(input_ids=golden["ids"], attention_mask=mask).last_hidden_state
    assert (whole - expected).abs().max() / expected.abs().max() < 5e-5
    zeroed = part.text_encoder.embed(golden["ids"], mask)
    assert (zeroed - expected * mask[..., None]).abs().max() / expected.abs().max() < 5e-5


@torch.no_grad()
def test_a_prompt_is_padded_and_zero_behind_its_end(tiny):
    ids, mask = tiny.tokens("move")
    assert ids.tolist() == [[3 + b for b in b"move"] + [1] + [0] * 19]
    assert mask.tolist() == [[1] * 5 + [0] * 19]
    out = tiny.encode("move")
    assert out.shape == (1, 24, TINY.text.dim)
    assert torch.all(out[:, 5:] == 0)
    assert torch.all(out[:, :5].abs().amax(-1) > 0)


@torch.no_grad()
def test_rows_of_a_batch_are_cut_each_by_its_own_length(tiny):
    pairs = [tiny.tokens(prompt) for prompt in ("a", "a long instruction")]
    ids, mask = (torch.cat(column) for column in zip(*pairs, strict=True))
    both = tiny.embed(ids, mask)
    for row, (one, single_mask) in enumerate(pairs):
        assert (both[row] - tiny.embed(one, single_mask)[0]).abs().max() < 1e-5


def test_a_long_prompt_keeps_its_closing_token(tiny):
    ids, mask = tiny.tokens("x" * 100)
    assert ids.shape == (1, 24)
    assert ids[0, -1] == 1
    assert mask.all()


def test_the_token_table_is_one_tensor_under_two_names(tiny):
    assert tiny.net.encoder.embed_tokens is tiny.net.shared
    assert sum("shared" in n or "embed_tokens" in n for n, _ in tiny.named_parameters()) == 1


def test_without_a_tokenizer_the_first_prompt_fails():
    with torch.device("meta"):
        encoder = TextEncoder(UMT5_XXL, 512)
    with pytest.raises(ValueError, match="no tokenizer was loaded, so the prompt 'go'"):
        encoder.tokens("go")
