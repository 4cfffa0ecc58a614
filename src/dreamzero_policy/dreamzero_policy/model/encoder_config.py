"""Sizes of the frozen encoders: video VAE, text encoder, image encoder; and the released ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TEMPORAL_STRIDE = 4
"""Image frames per latent frame after the first, for every Wan VAE."""

_WAN21_MEAN = (
    *(-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508),
    *(0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921),
)
_WAN21_STD = (
    *(2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743),
    *(3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160),
)
_WAN22_MEAN = (
    *(-0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557),
    *(-0.1382, 0.0542, 0.2813, 0.0891, 0.1570, -0.0098, 0.0375, -0.1825),
    *(-0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502),
    *(-0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230),
    *(-0.0313, -0.1649, 0.0117, 0.0723, -0.2839, -0.2083, -0.0520, 0.3748),
    *(0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667),
)
_WAN22_STD = (
    *(0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013),
    *(0.8158, 1.0344, 0.5894, 1.0901, 0.6885, 0.6165, 0.8454, 0.4978),
    *(0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659),
    *(0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093),
    *(0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458, 1.6887),
    *(0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744),
)


@dataclass(frozen=True)
class VaeConfig:
    """Sizes of the causal video VAE (design: model.md 7.3 and 9).

    Attributes:
        base_dim: width of the encoder's first level.
        decoder_base_dim: the same for the decoder.
        z_dim: latent channels C.
        dim_mult: width of each level over ``base_dim``.
        num_res_blocks: residual blocks per level.
        temporal_downsample: which of the steps between levels halve time as well.
        residual: whether the steps carry an averaging shortcut (Wan 2.2).
        patch_size: pixels folded into channels before the encoder, 1 for none (Wan 2.2: 2).
        latents_mean, latents_std: per channel; the network sees ``(z - mean) / std``.
    """

    base_dim: int
    decoder_base_dim: int
    z_dim: int
    dim_mult: tuple[int, ...]
    num_res_blocks: int
    temporal_downsample: tuple[bool, ...]
    residual: bool
    patch_size: int
    latents_mean: tuple[float, ...]
    latents_std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Checks that the tuples have the lengths that the sizes ask for."""
        if len(self.temporal_downsample) != len(self.dim_mult) - 1:
            raise ValueError(
                f"temporal_downsample: expected {len(self.dim_mult) - 1} values, one per step "
                f"between levels, got {self.temporal_downsample}"
            )
        if 2 ** sum(self.temporal_downsample) != TEMPORAL_STRIDE:
            raise ValueError(
                f"temporal_downsample: expected a temporal stride of {TEMPORAL_STRIDE}, "
                f"got {2 ** sum(self.temporal_downsample)}"
            )
        for name in ("latents_mean", "latents_std"):
            if len(getattr(self, name)) != self.z_dim:
                raise ValueError(
                    f"{name}: expected {self.z_dim} values, got {len(getattr(self, name))}"
                )

    @property
    def spatial_stride(self) -> int:
        """Image pixels per latent pixel, in height and in width."""
        return self.patch_size * 2 ** len(self.temporal_downsample)


@dataclass(frozen=True)
class TextConfig:
    """Sizes of the umT5 encoder and which tokens it reads (design: model.md 7.1).

    Attributes:
        tokenizer: "umt5" (sentencepiece, from a local folder), "bytes" (3 special tokens and the
            256 bytes) or "words" (hashed).
        vocab_size: rows of the token table.
        dim, head_dim, ffn_dim, num_heads, num_layers: the transformer.
        num_buckets, max_distance: of the relative position bias.
        eps: of the norms.
    """

    tokenizer: Literal["umt5", "bytes", "words"]
    vocab_size: int
    dim: int
    head_dim: int
    ffn_dim: int
    num_heads: int
    num_layers: int
    num_buckets: int
    max_distance: int
    eps: float


@dataclass(frozen=True)
class ImageConfig:
    """Sizes of the CLIP vision tower (design: model.md 7.2). Its last layer is never run.

    Attributes:
        dim, ffn_dim, num_heads, num_layers: the transformer.
        image_size, patch_size: of the square network input, pixels.
        projection_dim: width of the unused joint embedding, kept so that checkpoints load.
        eps: of the norms.
    """

    dim: int
    ffn_dim: int
    num_heads: int
    num_layers: int
    image_size: int
    patch_size: int
    projection_dim: int
    eps: float

    @property
    def tokens(self) -> int:
        """Tokens per image: one per patch and the class token in front."""
        return (self.image_size // self.patch_size) ** 2 + 1


WAN21_VAE = VaeConfig(
    base_dim=96,
    decoder_base_dim=96,
    z_dim=16,
    dim_mult=(1, 2, 4, 4),
    num_res_blocks=2,
    temporal_downsample=(False, True, True),
    residual=False,
    patch_size=1,
    latents_mean=_WAN21_MEAN,
    latents_std=_WAN21_STD,
)
WAN22_VAE = VaeConfig(
    base_dim=160,
    decoder_base_dim=256,
    z_dim=48,
    dim_mult=(1, 2, 4, 4),
    num_res_blocks=2,
    temporal_downsample=(False, True, True),
    residual=True,
    patch_size=2,
    latents_mean=_WAN22_MEAN,
    latents_std=_WAN22_STD,
)
UMT5_XXL = TextConfig(
    tokenizer="umt5",
    vocab_size=256384,
    dim=4096,
    head_dim=64,
    ffn_dim=10240,
    num_heads=64,
    num_layers=24,
    num_buckets=32,
    max_distance=128,
    eps=1e-6,
)
CLIP_VIT_H = ImageConfig(
    dim=1280,
    ffn_dim=5120,
    num_heads=16,
    num_layers=32,
    image_size=224,
    patch_size=14,
    projection_dim=1024,
    eps=1e-5,
)
