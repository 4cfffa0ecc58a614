"""What fixes a world-action model: sizes of every part.

The number of actions per block or the length of the window leave no trace in a tensor's shape
(design: model.md 1.2). So a preset (``presets.py``) states every number, and a checkpoint's own
``config.json`` is read with ``ModelConfig.from_upstream``.

Words: a *latent frame* is one time step of VAE latents; a *block* is K latent frames, its actions
and its states; the *window* is the first latent frame and ``max_chunk_size`` blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from dreamzero_policy.model.encoder_config import (
    CLIP_VIT_H,
    TEMPORAL_STRIDE,
    UMT5_XXL,
    WAN21_VAE,
    WAN22_VAE,
    ImageConfig,
    TextConfig,
    VaeConfig,
)

MASK_CHANNELS = 4
"""Channels of the first-frame mask in front of the condition latent."""


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
        evaluations: of 16 timesteps, those at which the network runs by default.
        final_video_sigma: noise level at which the video stops being denoised by default, for
            weights that were trained with decoupled noise ("Flash"); None: none is left.
        trained_blocks: blocks in the windows that the weights were trained on; None: M_c.
        trained_video: whether noisy frames were in the sequences of the training; without, none
            are in a policy's either, and it predicts actions alone.

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
    evaluations: int = 8  # the reference's
    final_video_sigma: float | None = None
    trained_blocks: int | None = None
    trained_video: bool = True

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
            *("text_len", "freq_dim", "clip_dim", "num_frames", "evaluations"),
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
        if self.final_video_sigma is not None and not 0 <= self.final_video_sigma < 1:
            raise ValueError(
                f"final_video_sigma: expected at least 0 and below 1, got {self.final_video_sigma}"
            )
        if self.trained_blocks is not None and not 1 <= self.trained_blocks <= self.max_chunk_size:
            raise ValueError(
                f"trained_blocks: expected 1 to {self.max_chunk_size} (max_chunk_size), got "
                f"{self.trained_blocks}"
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
    def usual_blocks(self) -> int:
        """Blocks in a window at inference, where nobody asks for others."""
        return self.trained_blocks or self.max_chunk_size

    def with_blocks(self, blocks: int) -> ModelConfig:
        """The same with other windows, whatever those of its training were."""
        return replace(self, max_chunk_size=blocks, trained_blocks=None)

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
