"""The layers of the transformer, each against its formula."""

from dataclasses import replace

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from dreamzero_policy.model.attention import attend
from dreamzero_policy.model.block import Block, CrossAttention, Head, RMSNorm, Run, spread
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.model.rope import running_turns

SMALL = replace(TINY, dim=32, ffn_dim=48, num_heads=4, eps=1e-6)


def test_rms_norm_is_over_the_full_width():
    torch.manual_seed(0)
    norm = RMSNorm(6, 1e-6)
    torch.nn.init.normal_(norm.weight)
    x = 100 * torch.randn(3, 6)
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight
    torch.testing.assert_close(norm(x), expected)


def test_rms_norm_casts_before_its_weight():
    norm = RMSNorm(6, 1e-6).bfloat16()
    torch.nn.init.normal_(norm.weight)
    x = torch.randn(3, 6).bfloat16()
    wide = x.float() * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-6)
    assert torch.equal(norm(x), wide.bfloat16() * norm.weight)


def test_spread_is_the_same_as_a_row_per_token():
    torch.manual_seed(0)
    runs = (Run(2, 3), Run(1, 4), Run(3, 1))
    x, scale, shift = torch.randn(2, 13, 5), torch.randn(2, 6, 5), torch.randn(2, 6, 5)
    per_token = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 4, 5])
    expected = x * scale[:, per_token] + shift[:, per_token]
    assert torch.equal(spread(x, runs, lambda x, a, b: x * a + b, scale, shift), expected)


def test_cross_attention_sums_two_softmaxes_before_the_output():
    torch.manual_seed(0)
    layer = CrossAttention(SMALL)
    x, text, image = torch.randn(2, 5, 32), torch.randn(2, 7, 32), torch.randn(2, 9, 32)

    def heads(x):
        return x.unflatten(-1, (4, 8))

    query = heads(layer.norm_q(layer.q(x)))
    to_text = attend(query, heads(layer.norm_k(layer.k(text))), heads(layer.v(text)))
    to_image = attend(query, heads(layer.norm_k_img(layer.k_img(image))), heads(layer.v_img(image)))
    expected = layer.o(to_text.flatten(2) + to_image.flatten(2))
    torch.testing.assert_close(layer(x, layer.text_keys(text), layer.image_keys(image)), expected)


def test_a_block_by_its_equations():
    torch.manual_seed(0)
    block = Block(SMALL)
    x, times = torch.randn(2, 6, 32), torch.randn(2, 2, 6, 32)
    text, image = torch.randn(2, 7, 32), torch.randn(2, 9, 32)
    table = running_turns(3, 6, 8, torch.device("cpu"))
    keys = block.cross_attn.text_keys(text), block.cross_attn.image_keys(image)
    got = block(x, times, (Run(2, 3),), table, attend, *keys)

    per_token = (block.modulation + times).repeat_interleave(3, dim=1)
    shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = per_token.unbind(2)
    h = F.layer_norm(x, (32,), eps=1e-6) * (1 + scale_a) + shift_a
    x = x + block.self_attn(h, table, attend) * gate_a
    x = x + block.cross_attn(block.norm3(x), *keys)
    h = F.layer_norm(x, (32,), eps=1e-6) * (1 + scale_f) + shift_f
    hidden = F.gelu(block.ffn[0](h), approximate="tanh")
    torch.testing.assert_close(got, x + block.ffn[2](hidden) * gate_f)


def test_head_by_its_equation():
    torch.manual_seed(0)
    head = Head(SMALL)
    x, times = torch.randn(2, 6, 32), torch.randn(2, 2, 32)
    shift, scale = head.modulation[0].unsqueeze(1).unsqueeze(1) + times.repeat_interleave(3, dim=1)
    expected = head.head(F.layer_norm(x, (32,), eps=1e-6) * (1 + scale) + shift)
    torch.testing.assert_close(head(x, times, (Run(2, 3),)), expected)
