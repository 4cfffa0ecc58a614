"""The text encoder: umT5 embeddings of a prompt.

The network is transformers' ``UMT5EncoderModel`` with eager attention, which is what agrees with
the reference bit by bit in bfloat16 (design: model.md 7.1). The padding mask acts inside the
encoder only: what leaves it is always ``text_len`` positions, zeroed behind the prompt's end, and
    the model attends to all of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.models.umt5.configuration_umt5 import UMT5Config
from transformers.models.umt5.modeling_umt5 import UMT5EncoderModel

from dreamzero_policy.model.config import TextConfig
from dreamzero_policy.model.tokenizer import PAD, Tokenizer, load


class TextEncoder(nn.Module):
    """Prompt in, embeddings out.

    Args:
        config: sizes of the encoder.
        text_len: positions of every embedding.
        tokenizer: prompt to ids; None takes bytes or words where ``config`` says so and otherwise
            fails at the first prompt, which lets weights be loaded and inspected without the
            tokenizer's file.
    """

    def __init__(
        self, config: TextConfig, text_len: int, tokenizer: Tokenizer | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.text_len = text_len
        self.tokenizer = tokenizer
        if tokenizer is None:
            own = config.tokenizer != "umt5"
            self.tokenizer = load(config.tokenizer, (), config.vocab_size) if own else _absent
        self.net = UMT5EncoderModel(
            UMT5Config(
                vocab_size=config.vocab_size,
                d_model=config.dim,
                d_kv=config.head_dim,
                d_ff=config.ffn_dim,
                num_layers=config.num_layers,
                num_heads=config.num_heads,
                relative_attention_num_buckets=config.num_buckets,
                relative_attention_max_distance=config.max_distance,
                dropout_rate=0.0,
                layer_norm_epsilon=config.eps,
                feed_forward_proj="gated-gelu",
                attn_implementation="eager",
            )
        )
        # One module under two names, so that the token table is one tensor whoever replaces it.
        self.net.encoder.embed_tokens = self.net.shared

    def tokens(self, prompt: str) -> tuple[Tensor, Tensor]:
        """Token ids and mask of a prompt, both [1, text_len] int64, cut or padded on the right."""
        ids = self.tokenizer(prompt)
        ids = ids[: self.text_len - 1] + ids[-1:] if len(ids) > self.text_len else ids
        padding = self.text_len - len(ids)
        mask = torch.tensor([[1] * len(ids) + [0] * padding])
        return torch.tensor([ids + [PAD] * padding]), mask

    def encode(self, prompt: str) -> Tensor:
        """[1, text_len, dim] embeddings of a prompt, zero behind its end."""
        device = self.net.shared.weight.device
        ids, mask = (tensor.to(device) for tensor in self.tokens(prompt))
        return self.embed(ids, mask)

    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embeddings of token ids.

        Args:
            ids: [B, L] int64.
            mask: [B, L] int64, 1 on a token and 0 on padding.

        Returns:
            [B, L, dim], zero where the mask is; each row by its own mask.
        """
        states = self.net(input_ids=ids, attention_mask=mask).last_hidden_state
        return states * mask[..., None].to(states)


def _absent(prompt: str) -> list[int]:
    """Stands where no tokenizer was given."""
    raise ValueError(f"no tokenizer was loaded, so the prompt {prompt!r} cannot be encoded")
