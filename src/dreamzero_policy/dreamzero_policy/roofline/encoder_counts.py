"""The same counts for the frozen encoders: text, image, and the causal video VAE.

See ``counts.py``. The VAE takes the first frame of a clip alone and then groups of four; what a
group costs does not depend on those before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.encoder_config import (
    TEMPORAL_STRIDE,
    ImageConfig,
    TextConfig,
    VaeConfig,
)
from dreamzero_policy.roofline.counts import Work


def text_parameters(config: TextConfig) -> int:
    """Numbers in the text encoder's weights."""
    inner = config.num_heads * config.head_dim
    layer = 4 * config.dim * inner + 3 * config.dim * config.ffn_dim
    layer += config.num_buckets * config.num_heads + 2 * config.dim
    return config.vocab_size * config.dim + config.num_layers * layer + config.dim


def text(config: TextConfig, tokens: int) -> Work:
    """One prompt, padding included."""
    inner = config.num_heads * config.head_dim
    layer = 4 * config.dim * inner + 3 * config.dim * config.ffn_dim
    attention = 4.0 * inner * tokens**2
    return Work(2.0 * config.num_layers * tokens * layer, config.num_layers * attention)


def image_parameters(config: ImageConfig) -> int:
    """Numbers in the image encoder's weights, the unused head included."""
    d, m = config.dim, config.ffn_dim
    layer = 4 * (d + 1) * d + (d + 1) * m + (m + 1) * d + 4 * d
    patches = 3 * config.patch_size**2 * d
    return (
        d
        + patches
        + config.tokens * d
        + 4 * d
        + config.num_layers * layer
        + (d * config.projection_dim + 1)
    )


def image(config: ImageConfig) -> Work:
    """One image, through every layer but the last, whose result nobody reads."""
    d, tokens, layers = config.dim, config.tokens, config.num_layers - 1
    linear = tokens * layers * (4 * d * d + 2 * d * config.ffn_dim)
    patches = (tokens - 1) * 3 * config.patch_size**2 * d
    return Work(2.0 * linear, 4.0 * layers * d * tokens**2, 2.0 * patches)


def vae_parameters(config: VaeConfig) -> int:
    """Numbers in both halves of the VAE."""
    layers = [*_encoder(config), *_decoder(config)]
    return sum((layer.taps * layer.inputs + 1) * layer.outputs + layer.norm for layer in layers)


def vae_encode(config: ModelConfig, groups: int, first: bool) -> Work:
    """A part of a clip through the encoder.

    Args:
        config: the model.
        groups: groups of four frames.
        first: whether the clip's first frame is among it.
    """
    return _through(config, list(_encoder(config.vae)), groups, first)


def vae_decode(config: ModelConfig, latents: int, first: bool) -> Work:
    """A part of a clip through the decoder: as ``vae_encode``, in latent frames after the first."""
    return _through(config, list(_decoder(config.vae)), latents, first)


def condition(config: ModelConfig, frames: int) -> Work:
    """The first-frame condition of the first ``frames`` latent frames."""
    if not config.condition_channels:
        return vae_encode(config, 0, True)
    return vae_encode(config, frames - 1, True)


class _Layer(NamedTuple):
    """A convolution, and the norm in front of it if there is one.

    Attributes:
        inputs, outputs: channels.
        taps: size of its kernel.
        level: how often its output has been halved, in height and in width.
        frames: that it puts out per group of four.
        norm: numbers in the norm.
        first: whether the first frame goes through it, too.
        attends: whether it is followed by attention between the pixels of a frame.
    """

    inputs: int
    outputs: int
    taps: int
    level: int
    frames: int
    norm: int = 0
    first: bool = True
    attends: bool = False


def _through(config: ModelConfig, layers: list[_Layer], groups: int, first: bool) -> Work:
    """Operations of some layers on one latent frame's frames each."""
    height, width = (
        side * config.vae.spatial_stride // config.vae.patch_size for side in config.latent_size
    )
    conv = attention = 0.0
    for layer in layers:
        pixels = (height >> layer.level) * (width >> layer.level)
        frames = groups * layer.frames + (1 if first and layer.first else 0)
        conv += 2.0 * frames * pixels * layer.taps * layer.inputs * layer.outputs
        if layer.attends:
            attention += 4.0 * frames * pixels**2 * layer.inputs
    return Work(0.0, attention, conv)


def _residual(inputs: int, outputs: int, level: int, frames: int) -> Iterator[_Layer]:
    yield _Layer(inputs, outputs, 27, level, frames, norm=inputs)
    yield _Layer(outputs, outputs, 27, level, frames, norm=outputs)
    if inputs != outputs:
        yield _Layer(inputs, outputs, 1, level, frames)


def _middle(width: int, level: int, frames: int) -> Iterator[_Layer]:
    yield from _residual(width, width, level, frames)
    yield _Layer(width, 3 * width, 1, level, frames, norm=width, attends=True)
    yield _Layer(width, width, 1, level, frames)
    yield from _residual(width, width, level, frames)


def _encoder(config: VaeConfig) -> Iterator[_Layer]:
    """Every convolution from pixels to the moments of a latent."""
    widths = [config.base_dim * mult for mult in (1, *config.dim_mult)]
    frames, last = TEMPORAL_STRIDE, len(config.dim_mult) - 1
    yield _Layer(3 * config.patch_size**2, widths[0], 27, 0, frames)
    for level, (inputs, outputs) in enumerate(pairwise(widths)):
        for block in range(config.num_res_blocks):
            yield from _residual(inputs if block == 0 else outputs, outputs, level, frames)
        if level < last:
            yield _Layer(outputs, outputs, 9, level + 1, frames)
            if config.temporal_downsample[level]:
                frames //= 2
                yield _Layer(outputs, outputs, 3, level + 1, frames, first=False)
    yield from _middle(widths[-1], last, frames)
    moments = 2 * config.z_dim
    yield _Layer(widths[-1], moments, 27, last, frames, norm=widths[-1])
    yield _Layer(moments, moments, 1, last, frames)


def _decoder(config: VaeConfig) -> Iterator[_Layer]:
    """Every convolution from a latent to pixels."""
    widths = [
        config.decoder_base_dim * mult for mult in (config.dim_mult[-1], *config.dim_mult[::-1])
    ]
    frames, last = 1, len(config.dim_mult) - 1
    yield _Layer(config.z_dim, config.z_dim, 1, last, frames)
    yield _Layer(config.z_dim, widths[0], 27, last, frames)
    yield from _middle(widths[0], last, frames)
    for step, (inputs, outputs) in enumerate(pairwise(widths)):
        inputs = inputs if config.residual or step == 0 else inputs // 2
        for block in range(config.num_res_blocks + 1):
            yield from _residual(inputs if block == 0 else outputs, outputs, last - step, frames)
        if step < last:
            if config.temporal_downsample[::-1][step]:
                yield _Layer(outputs, 2 * outputs, 3, last - step, frames, first=False)
                frames *= 2
            halved = outputs if config.residual else outputs // 2
            yield _Layer(outputs, halved, 9, last - step - 1, frames)
    pixels = 3 * config.patch_size**2
    yield _Layer(widths[-1], pixels, 27, 0, frames, norm=widths[-1])
