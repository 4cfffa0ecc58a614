"""How much work the transformer's forwards are: parameters and operations, from sizes alone.

Pure arithmetic on a ``ModelConfig``; a test compares it with the modules themselves, built on the
meta device. An operation is a multiplication or an addition in a matrix product; elementwise work
is not counted. ``encoder_counts.py`` does the same for the encoders, ``floor.py`` makes times of
it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, Self

from dreamzero_policy.model.config import ModelConfig

_PATCH = 4
"""Latent pixels per token."""


class Work(NamedTuple):
    """Operations by the unit that does them.

    Attributes:
        linear: products with weights.
        attention: products of queries, keys and values, in self- and cross-attention.
        conv: convolutions.
    """

    linear: float = 0.0
    attention: float = 0.0
    conv: float = 0.0

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self)

    def plus(self, *others: Work) -> Self:
        """The sum, part by part."""
        return type(self)(*(sum(parts) for parts in zip(self, *others, strict=True)))

    def times(self, count: float) -> Self:
        """So many times the same."""
        return type(self)(*(count * part for part in self))


def parameters(config: ModelConfig) -> int:
    """Numbers in the transformer's weights."""
    d, m, hidden = config.dim, config.ffn_dim, config.hidden_size
    affine = _affine
    vectors = (
        affine(config.max_state_dim, hidden, d)
        + affine(config.max_action_dim, d)
        + affine(2 * d, d, d)
        + affine(d, hidden, config.max_action_dim)
    )
    video = affine(_PATCH * config.in_dim, d) + affine(d, _PATCH * config.out_dim) + 2 * d
    time = affine(config.freq_dim, d, d) + affine(d, 6 * d)
    attention = 4 * affine(d, d) + 2 * d + 4 * affine(d, d) + 2 * d + 2 * d  # self, cross, norm3
    block = attention + 2 * affine(d, d) + d + affine(d, m, d) + 6 * d  # image keys, modulation
    context = affine(config.text_dim, d, d) + affine(config.clip_dim, config.clip_dim, d)
    context += 2 * config.clip_dim + 2 * d
    return vectors + video + time + context + config.num_layers * block


def context_parameters(config: ModelConfig) -> int:
    """Those of them that only prompt and first image go through, once each per window at most."""
    d = config.dim
    keys = 4 * _affine(d, d) + 2 * d  # keys and values of both, and their norms
    text = _affine(config.text_dim, d, d)
    image = _affine(config.clip_dim, config.clip_dim, d) + 2 * config.clip_dim + 2 * d
    return text + image + config.num_layers * keys


def cache_numbers(config: ModelConfig, frames: int) -> int:
    """Numbers in the keys and values of so many latent frames, of one branch."""
    return 2 * config.num_layers * config.dim * config.frame_seqlen * frames


def context_numbers(config: ModelConfig) -> int:
    """Numbers in the cross-attention's keys and values, of one branch."""
    return 2 * config.num_layers * config.dim * context_tokens(config)


def context_tokens(config: ModelConfig) -> int:
    """Tokens of prompt and first image."""
    return config.text_len + (config.image.tokens if config.image else 0)


def denoise(config: ModelConfig, frames: int) -> Work:
    """One denoising forward of one branch.

    Args:
        config: the model.
        frames: latent frames in the context.
    """
    video, tail = config.num_frame_per_block * config.frame_seqlen, _tail(config)
    tokens, d = video + tail, config.dim
    rows = config.num_frame_per_block + tail
    linear = config.num_layers * tokens * block_parameters(config)
    linear += video * _PATCH * (config.in_dim + config.out_dim) * d + rows * _time(config)
    linear += _vectors(config)
    attended = frames * config.frame_seqlen + tokens
    return Work(2.0 * linear, _attention(config, tokens, attended))


def refresh(config: ModelConfig, frames: int, trimmed: bool = False) -> Work:
    """The forward that puts the newest latent frames into one branch's cache.

    Args:
        config: the model.
        frames: latent frames in the context afterwards: 1 is the first frame alone.
        trimmed: whether the last block makes keys and values alone, and nothing of the video head.
    """
    new, d = 1 if frames == 1 else config.num_frame_per_block, config.dim
    tokens = new * config.frame_seqlen
    layers = config.num_layers - (1 if trimmed else 0)
    linear = layers * tokens * block_parameters(config)
    linear += tokens * _PATCH * config.in_dim * d + new * _time(config)
    linear += 2 * d * d * tokens if trimmed else tokens * _PATCH * config.out_dim * d
    attention = _attention(config, tokens, frames * config.frame_seqlen)
    return Work(2.0 * linear, attention * layers / config.num_layers)


def published_extra(config: ModelConfig, frames: int = 0) -> Work:
    """What the published forward does beyond ``denoise``, each time and for every branch.

    It embeds prompt and first image, makes the cross-attention's keys of them, and embeds the
    timestep of every token where one per frame is enough.

    Args:
        config: the model.
        frames: of a clean forward; 0 for a denoising one.
    """
    tokens = (frames or config.num_frame_per_block) * config.frame_seqlen
    rows = frames or config.num_frame_per_block
    linear = 2.0 * (tokens - rows) * _time(config)
    return embed_context(config).plus(Work(linear))


def embed_context(config: ModelConfig) -> Work:
    """A prompt and a first image projected, and the keys and values of every block made of them."""
    d, text = config.dim, config.text_len
    image = config.image.tokens if config.image else 0
    linear = text * (config.text_dim * d + d * d)
    linear += image * (config.clip_dim**2 + config.clip_dim * d)
    linear += config.num_layers * 2 * d * d * (text + image)
    return Work(2.0 * linear)


def block_parameters(config: ModelConfig) -> int:
    """Weights of one block that every token meets: those of the image and the prompt left out."""
    return 6 * config.dim**2 + 2 * config.dim * config.ffn_dim


def _affine(*widths: int) -> int:
    """Numbers in affine layers one after the other."""
    return sum((a + 1) * b for a, b in pairwise(widths))


def _tail(config: ModelConfig) -> int:
    """Action and state tokens of a block."""
    return config.num_action_per_block + config.num_state_per_block


def _time(config: ModelConfig) -> int:
    """Products per timestep that is embedded."""
    return config.freq_dim * config.dim + 7 * config.dim**2


def _vectors(config: ModelConfig) -> int:
    """Products that make tokens of a block's actions and states, and actions of tokens."""
    d, hidden, actions = config.dim, config.hidden_size, config.max_action_dim
    encode = actions * d + 3 * d * d
    decode = d * hidden + hidden * actions
    state = config.max_state_dim * hidden + hidden * d
    return config.num_action_per_block * (encode + decode) + config.num_state_per_block * state


def _attention(config: ModelConfig, queries: int, keys: int) -> float:
    """Operations of self- and cross-attention in every block."""
    return 4.0 * config.num_layers * config.dim * queries * (keys + context_tokens(config))
