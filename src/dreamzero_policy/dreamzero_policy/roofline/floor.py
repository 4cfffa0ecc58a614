"""The least time that a chunk can take on a device: operations over rates, bytes over bandwidth.

No program that does what is counted (``counts.py``) is faster, so a measured time is given as a
share of it. The device's rates come from outside: a data sheet's, or those that the
benchmark measured on it in the same run.

A chunk at a boundary is: the newest frames encoded, put into the cache of every branch (refresh),
and the block denoised. Between two forwards everything else is taken to cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.roofline import counts, encoder_counts
from dreamzero_policy.roofline.counts import Work


@dataclass(frozen=True)
class Rates:
    """What a device does per second.

    Attributes:
        linear, attention, conv: operations, by the unit that does them [1/s].
        bandwidth: of its memory [bytes/s].
        weight_bytes: per number in the transformer's weights.
        cache_bytes: per number in keys and values.
    """

    linear: float
    attention: float
    conv: float
    bandwidth: float
    weight_bytes: float = 2.0
    cache_bytes: float = 2.0

    def seconds(self, work: Work, moved: float = 0.0) -> float:
        """The longer of computing and moving so many bytes."""
        parts = zip(work, (self.linear, self.attention, self.conv), strict=True)
        return max(sum(part / rate for part, rate in parts), moved / self.bandwidth)


H200 = Rates(790e12, 790e12, 790e12, 4.3e12)
"""bf16: a measured GEMM rate, for everything, and a measured copy (design: performance.md 1)."""

H200_FP8 = replace(H200, linear=1580e12, weight_bytes=1.0)
"""Products with weights in FP8 at twice that rate, by the data sheet; attention in bf16."""

H200_FP8_ATTENTION = replace(H200_FP8, attention=1580e12)
"""Attention in FP8 as well."""


@dataclass(frozen=True)
class Case:
    """What is computed for a chunk.

    Attributes:
        evaluations: of the network per block, 1 to 16.
        guidance: whether a negative branch runs beside the prompt's.
        pruned: whether that branch is left out of the last evaluation, and only the newest frames
            of a clip are encoded: both change no action.
        packed: whether refresh and first evaluation go through the layers together, and the refresh
            makes of the last block keys and values alone.
        hidden_refresh: whether the refresh is done before the chunk is asked for.
        encode: whether the newest frames are encoded; not where the encoder is not run at all.
        published: whether everything is computed anew that the published forward does anew.
    """

    evaluations: int = 16
    guidance: bool = True
    pruned: bool = True
    packed: bool = False
    hidden_refresh: bool = False
    encode: bool = True
    published: bool = False

    @property
    def forwards(self) -> tuple[int, ...]:
        """Branches of every evaluation, in order."""
        if not self.guidance:
            return (1,) * self.evaluations
        return (2,) * (self.evaluations - 1) + ((1,) if self.pruned else (2,))

    @property
    def branches(self) -> int:
        """Branches whose cache somebody reads."""
        return max(self.forwards)


def forward(config: ModelConfig, rates: Rates, frames: int, branches: int = 1) -> float:
    """Seconds of one evaluation behind so many latent frames, its branches side by side."""
    moved = _weights(config, rates) + branches * _cache(config, rates, frames)
    return rates.seconds(counts.denoise(config, frames).times(branches), moved)


def chunk(config: ModelConfig, rates: Rates, frames: int, case: Case) -> float:
    """Seconds of a chunk whose context has so many latent frames.

    Where that is 1 the window has just begun, and needs ``restart`` in place of ``encode``, which
    the design's table counts there, too.
    """
    seconds = encode(config, rates, case) + _refresh_alone(config, rates, frames, case)
    for index, branches in enumerate(case.forwards):
        work, moved = counts.denoise(config, frames), _weights(config, rates)
        if case.published:
            work = work.plus(counts.published_extra(config))
            moved += rates.weight_bytes * counts.context_parameters(config)
        work = work.times(branches)
        if index == 0 and case.packed and not case.hidden_refresh:
            work = work.plus(_refresh(config, frames, case))
        moved += branches * _cache(config, rates, frames)
        seconds += rates.seconds(work, moved)
    return seconds


def restart(config: ModelConfig, rates: Rates, case: Case) -> float:
    """Seconds that a window costs when it begins, beside its first chunk.

    The first image goes through the image encoder and into every block's keys, and the condition of
    the block that is denoised next is made, or, published, of the whole window at once.
    """
    frames = config.condition_frames if case.published else 1 + config.num_frame_per_block
    work = encoder_counts.condition(config, frames).plus(encoder_counts.image(config.image))
    tokens = config.image.tokens
    keys = 2.0 * tokens * 2 * config.dim**2 * config.num_layers
    embedded = 2.0 * tokens * (config.clip_dim**2 + config.clip_dim * config.dim)
    return rates.seconds(work.plus(Work(keys + embedded)))


def window(config: ModelConfig, rates: Rates, case: Case) -> dict[int, float]:
    """Seconds of every chunk of a window, by latent frames in its context; restarts left out."""
    step = config.num_frame_per_block
    return {
        frames: chunk(config, rates, frames, case)
        for frames in range(1, 1 + config.max_chunk_size * step, step)
    }


def mean(config: ModelConfig, rates: Rates, case: Case) -> float:
    """Mean of ``window``."""
    seconds = window(config, rates, case).values()
    return sum(seconds) / len(seconds)


def encode(config: ModelConfig, rates: Rates, case: Case) -> float:
    """Seconds of a block's clip, or of its newest group alone, through the VAE."""
    if not case.encode:
        return 0.0
    groups = 1 if case.pruned else config.num_frame_per_block
    return rates.seconds(encoder_counts.vae_encode(config, groups, not case.pruned))


def _refresh(config: ModelConfig, frames: int, case: Case) -> Work:
    """Refreshing every branch's cache."""
    work = counts.refresh(config, frames, trimmed=case.packed)
    if case.published:
        new = 1 if frames == 1 else config.num_frame_per_block
        work = work.plus(counts.published_extra(config, new))
    return work.times(case.branches)


def _refresh_alone(config: ModelConfig, rates: Rates, frames: int, case: Case) -> float:
    """Seconds of the refresh where it is a forward of its own."""
    if case.hidden_refresh or case.packed:
        return 0.0
    moved = _weights(config, rates) + case.branches * _cache(config, rates, frames)
    return rates.seconds(_refresh(config, frames, case), moved)


def _weights(config: ModelConfig, rates: Rates) -> float:
    """Bytes of weights that a forward reads, once for all branches."""
    numbers = counts.parameters(config) - counts.context_parameters(config)
    return rates.weight_bytes * numbers


def _cache(config: ModelConfig, rates: Rates, frames: int) -> float:
    """Bytes of stored keys and values that a forward reads, per branch."""
    numbers = counts.cache_numbers(config, frames) + counts.context_numbers(config)
    return rates.cache_bytes * numbers
