"""What fixes a world-action model: sizes of every part, and the presets that exist.

The number of actions per block or the length of the window leave no trace in a tensor's shape
(design: model.md 1.2). So a preset states every number, and a checkpoint's own ``config.json`` is
read with ``ModelConfig.from_upstream``.

Words: a *latent frame* is one time step of VAE latents; a *block* is K latent frames, its actions
and its states; the *window* is the first latent frame and ``max_chunk_size`` blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

TEMPORAL_STRIDE = 4
"""Image frames per latent frame after the first, for every Wan VAE."""

MASK_CHANNELS = 4
"""Channels of the first-frame mask in front of the condition latent."""

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
        tokenizer: "umt5" (sentencepiece, from a local folder) or "bytes" (3 special tokens and the
            256 bytes).
        vocab_size: rows of the token table.
        dim, head_dim, ffn_dim, num_heads, num_layers: the transformer.
        num_buckets, max_distance: of the relative position bias.
        eps: of the norms.
    """

    tokenizer: Literal["umt5", "bytes"]
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


@dataclass(frozen=True)
class ModelConfig:
    """Everything about a model that its weights need (symbols of design: model.md 0.3 in brackets).

    Attributes:
        model_type: "i2v" (Wan 2.1) or "ti2v" (Wan 2.2); the network is the same.
        dim [D], ffn_dim [M], num_heads [n], num_layers [N_L]: the transformer.
        in_dim [C_in]: channels into the patch embedding.
        out_dim [C_out]: latent channels, in and out.
        concat_first_frame_latent: whether mask and condition latent are further input channels.
        frame_seqlen [S]: video tokens per latent frame.
        num_frame_per_block [K], num_action_per_block [n_a], num_state_per_block [n_s]: a block.
        max_chunk_size [M_c]: blocks in a window.
        max_state_dim [D_s], max_action_dim [D_a]: padded vector widths.
        hidden_size [H_h]: inner width of the state encoder and the action decoder.
        text_dim, text_len: of the prompt embedding.
        freq_dim: width of the timestep's sinusoid.
        clip_dim: width of the image tokens.
        eps: of every norm but those of the image embedding.
        state_attends_all: whether at inference the state token sees everything, as the published
            results were made with, or itself only, as in training (design: model.md 4.2).
        latent_size: (height, width) of the latents.
        target_size: (height, width) in pixels to which a canvas is resized before the VAE; None: it
            is not.
        num_frames: image frames that the first-frame condition covers.
        vae, text, image: the frozen encoders; None where a network stands without one.

    Raises:
        ValueError: numbers that do not fit together; the message says which.
    """

    model_type: Literal["i2v", "ti2v"]
    dim: int
    ffn_dim: int
    num_heads: int
    num_layers: int
    in_dim: int
    out_dim: int
    concat_first_frame_latent: bool
    frame_seqlen: int
    num_frame_per_block: int
    num_action_per_block: int
    num_state_per_block: int
    max_chunk_size: int
    max_state_dim: int
    max_action_dim: int
    hidden_size: int
    text_dim: int
    text_len: int
    freq_dim: int
    clip_dim: int
    eps: float
    state_attends_all: bool
    latent_size: tuple[int, int]
    target_size: tuple[int, int] | None
    num_frames: int
    vae: VaeConfig | None
    text: TextConfig | None
    image: ImageConfig | None

    def __post_init__(self) -> None:
        """Checks that the parts fit together."""
        if self.model_type not in ("i2v", "ti2v"):
            raise ValueError(f"model_type: expected 'i2v' or 'ti2v', got {self.model_type!r}")
        if self.max_chunk_size == -1:
            raise ValueError(
                "max_chunk_size: -1 (no window) is not supported: the reference then trains with "
                "another mask and restarts at every call; expected at least 1"
            )
        sizes = (
            *("dim", "ffn_dim", "num_heads", "num_layers", "in_dim", "out_dim", "frame_seqlen"),
            *("num_frame_per_block", "num_action_per_block", "num_state_per_block"),
            *("max_chunk_size", "max_state_dim", "max_action_dim", "hidden_size", "text_dim"),
            *("text_len", "freq_dim", "clip_dim", "num_frames"),
        )
        for name in sizes:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}")
        if self.dim % self.num_heads or self.head_dim % 2 or self.head_dim < 6:
            raise ValueError(
                f"dim {self.dim} over num_heads {self.num_heads}: expected an even head width "
                "of at least 6"
            )
        if self.freq_dim % 2:
            raise ValueError(f"freq_dim: expected an even number, got {self.freq_dim}")
        if self.num_action_per_block % self.num_state_per_block:
            raise ValueError(
                f"num_action_per_block {self.num_action_per_block} is not a multiple of "
                f"num_state_per_block {self.num_state_per_block}"
            )
        if self.in_dim != self.out_dim + self.condition_channels:
            raise ValueError(
                f"in_dim: expected {self.out_dim + self.condition_channels} (out_dim {self.out_dim}"
                f"{' and the condition channels' if self.concat_first_frame_latent else ''}), "
                f"got {self.in_dim}"
            )
        height, width = self.latent_size
        if (height // 2) * (width // 2) != self.frame_seqlen:
            raise ValueError(
                f"frame_seqlen: latents of {height}x{width} give {(height // 2) * (width // 2)} "
                f"tokens per frame, got {self.frame_seqlen}"
            )
        self._check_encoders()

    def _check_encoders(self) -> None:
        """Checks that what an encoder puts out is what the network takes in."""
        for name, got, expected in (
            ("vae.z_dim", self.vae and self.vae.z_dim, self.out_dim),
            ("text.dim", self.text and self.text.dim, self.text_dim),
            ("image.dim", self.image and self.image.dim, self.clip_dim),
        ):
            if got is not None and got != expected:
                raise ValueError(f"{name}: expected {expected} as the network takes, got {got}")
        if self.vae is not None and self.target_size is not None:
            stride = self.vae.spatial_stride
            latent = tuple(size // stride for size in self.target_size)
            if latent != self.latent_size:
                raise ValueError(
                    f"target_size {self.target_size} gives latents of {latent}, "
                    f"expected {self.latent_size}"
                )

    @property
    def head_dim(self) -> int:
        """Width d of an attention head."""
        return self.dim // self.num_heads

    @property
    def window_frames(self) -> int:
        """Latent frames W in a window: the first frame and every block."""
        return self.max_chunk_size * self.num_frame_per_block + 1

    @property
    def window_tokens(self) -> int:
        """Video tokens in a full window: what a KV cache must hold."""
        return self.window_frames * self.frame_seqlen

    @property
    def condition_channels(self) -> int:
        """Channels of the first-frame condition y that the network reads, 0 where it reads none."""
        return MASK_CHANNELS + self.out_dim if self.concat_first_frame_latent else 0

    @property
    def condition_frames(self) -> int:
        """Latent frames that the first-frame condition covers."""
        return 1 + (self.num_frames - 1) // TEMPORAL_STRIDE

    @property
    def frames_per_block(self) -> int:
        """Image frames that a block spans."""
        return self.num_frame_per_block * TEMPORAL_STRIDE

    @classmethod
    def from_upstream(
        cls,
        config: Mapping[str, Any],
        *,
        latent_size: tuple[int, int] | None = None,
        target_size: tuple[int, int] | None = None,
        num_frames: int = 33,
        state_attends_all: bool = True,
        text_len: int | None = None,
    ) -> Self:
        """Reads the network's arguments by the reference's names (design: model.md 8.3).

        The encoders follow from the widths: 16 latent channels mean the Wan 2.1 VAE, 48 the Wan 2.2
        VAE, 4096 text channels umT5-xxl; other widths leave the encoder None. Arguments that a
        config.json may leave out take the reference's defaults; unknown ones are ignored, since it
        carries many dead ones.

        Args:
            config: ``action_head_cfg.config.diffusion_model_cfg`` of a checkpoint, or the like.
            latent_size: (height, width) of the latents; None: what ``frame_seqlen`` is known for.
            target_size: (height, width) in pixels into the VAE; None: what ``frame_seqlen`` is
                known for where ``latent_size`` is None too, else the canvas as it is.
            num_frames: image frames that the first-frame condition covers.
            state_attends_all: as the attribute.
            text_len: tokens of the prompt embedding; None: the config's own, else 512.

        Returns:
            The configuration.

        Raises:
            ValueError: an argument is missing or not supported, or the latents' size is not known.
        """

        def need(name: str) -> Any:
            if name not in config:
                raise ValueError(f"the network's configuration lacks {name!r}; it has {[*config]}")
            return config[name]

        in_dim, out_dim, seqlen = need("in_dim"), need("out_dim"), need("frame_seqlen")
        concat = config.get("concat_first_frame_latent")
        if concat is None:
            concat = in_dim != out_dim
        if latent_size is None:
            if (seqlen, out_dim) not in _GEOMETRY:
                known = ", ".join(f"{s} tokens of {c} channels" for s, c in _GEOMETRY)
                raise ValueError(
                    f"frame_seqlen: latents of {seqlen} tokens and {out_dim} channels have no "
                    f"known height and width (known: {known}); pass latent_size"
                )
            latent_size, known_target = _GEOMETRY[seqlen, out_dim]
            target_size = target_size or known_target
        text_dim, clip_dim = config.get("text_dim", UMT5_XXL.dim), CLIP_VIT_H.dim
        return cls(
            model_type=need("model_type"),
            dim=need("dim"),
            ffn_dim=need("ffn_dim"),
            num_heads=need("num_heads"),
            num_layers=need("num_layers"),
            in_dim=in_dim,
            out_dim=out_dim,
            concat_first_frame_latent=bool(concat),
            frame_seqlen=seqlen,
            num_frame_per_block=need("num_frame_per_block"),
            num_action_per_block=need("num_action_per_block"),
            num_state_per_block=need("num_state_per_block"),
            max_chunk_size=need("max_chunk_size"),
            max_state_dim=config.get("max_state_dim", 64),
            max_action_dim=config.get("action_dim", 32),
            hidden_size=config.get("hidden_size", 1024),
            text_dim=text_dim,
            text_len=text_len or config.get("text_len", 512),
            freq_dim=config.get("freq_dim", 256),
            clip_dim=clip_dim,
            eps=config.get("eps", 1e-6),
            state_attends_all=state_attends_all,
            latent_size=latent_size,
            target_size=target_size,
            num_frames=num_frames,
            vae={16: WAN21_VAE, 48: WAN22_VAE}.get(out_dim),
            text=UMT5_XXL if text_dim == UMT5_XXL.dim else None,
            image=CLIP_VIT_H,
        )


_GEOMETRY: dict[tuple[int, int], tuple[tuple[int, int], tuple[int, int] | None]] = {
    (880, 16): ((44, 80), None),  # the canvas of 352x640 as it is
    (50, 48): ((10, 20), (160, 320)),
}
"""Latent size and target size by (tokens per frame, latent channels) of the released recipes."""

_RELEASED_14B: dict[str, Any] = {
    "model_type": "i2v",
    "dim": 5120,
    "ffn_dim": 13824,
    "num_heads": 40,
    "num_layers": 40,
    "in_dim": 36,
    "out_dim": 16,
    "frame_seqlen": 880,
    "num_frame_per_block": 2,
    "num_action_per_block": 24,
    "num_state_per_block": 1,
    "max_chunk_size": 4,
    "max_state_dim": 64,
    "action_dim": 32,
    "hidden_size": 1024,
    "text_dim": 4096,
    "text_len": 512,
    "freq_dim": 256,
    "eps": 1e-6,
}

DROID_14B = ModelConfig.from_upstream(_RELEASED_14B)
"""The released Franka model: blocks of 1.6 s, 24 actions at 15 Hz."""

AGIBOT_14B = ModelConfig.from_upstream(_RELEASED_14B | {"num_action_per_block": 48})
"""The released G1 model: blocks of 1.6 s, 48 actions at 30 Hz. A fine-tune's config may say 24."""

WAN22_5B = ModelConfig.from_upstream(
    _RELEASED_14B
    | {
        "model_type": "ti2v",
        "dim": 3072,
        "ffn_dim": 14336,
        "num_heads": 24,
        "num_layers": 30,
        "in_dim": 48,
        "out_dim": 48,
        "frame_seqlen": 50,
    }
)
"""The small recipe on Wan 2.2: the canvas is resized to 160x320, and no condition channels."""

TINY = ModelConfig(
    model_type="i2v",
    dim=128,
    ffn_dim=384,
    num_heads=2,
    num_layers=4,
    in_dim=36,
    out_dim=16,
    concat_first_frame_latent=True,
    frame_seqlen=60,
    num_frame_per_block=2,
    num_action_per_block=24,
    num_state_per_block=1,
    max_chunk_size=4,
    max_state_dim=64,
    max_action_dim=32,
    hidden_size=128,
    text_dim=64,
    text_len=128,
    freq_dim=256,
    clip_dim=64,
    eps=1e-6,
    state_attends_all=True,
    latent_size=(12, 20),
    target_size=(96, 160),
    num_frames=33,
    vae=VaeConfig(
        base_dim=8,
        decoder_base_dim=8,
        z_dim=16,
        dim_mult=(1, 2, 4),
        num_res_blocks=1,
        temporal_downsample=(True, True),
        residual=False,
        patch_size=2,
        latents_mean=(0.0,) * 16,
        latents_std=(1.0,) * 16,
    ),
    text=TextConfig(
        tokenizer="bytes",
        vocab_size=259,
        dim=64,
        head_dim=16,
        ffn_dim=128,
        num_heads=4,
        num_layers=2,
        num_buckets=32,
        max_distance=128,
        eps=1e-6,
    ),
    image=ImageConfig(
        dim=64,
        ffn_dim=128,
        num_heads=4,
        num_layers=3,
        image_size=112,
        patch_size=14,
        projection_dim=64,
        eps=1e-5,
    ),
)
"""The same model in miniature, for a CPU: a canvas of 352x640 is resized to 96x160."""

PRESETS: dict[str, ModelConfig] = {
    "droid_14b": DROID_14B,
    "agibot_14b": AGIBOT_14B,
    "wan22_5b": WAN22_5B,
    "tiny": TINY,
}


def preset(name: str) -> ModelConfig:
    """The preset called ``name``.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
