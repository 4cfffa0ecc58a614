"""The world-action model as one module: the frozen encoders, the video VAE and the causal DiT.

Shape legend::

    B batch    T frames    F latent frames    K latent frames per block    C latent channels
    H, W canvas    h, w latent height and width

Stateless but for its weights: sessions, caches and sampling live in ``inference``. Canvases come as
uint8; their way to [-1, 1] and to the size that the VAE was trained at is this file's (design:
model.md 1.4, 7.4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.image_encoder import ImageEncoder
from dreamzero_policy.model.text_encoder import TextEncoder
from dreamzero_policy.model.tokenizer import Tokenizer
from dreamzero_policy.model.vae import FirstFrameCondition, VideoVAE


class DreamZero(nn.Module):
    """The parts of the model, and what only needs weights.

    Args:
        config: sizes of every part.
        tokenizer: of the text encoder, as ``TextEncoder`` takes it.

    Raises:
        ValueError: the configuration lacks an encoder.
    """

    def __init__(self, config: ModelConfig, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        if config.text is None or config.image is None or config.vae is None:
            raise ValueError(
                "the configuration needs a text encoder, an image encoder and a VAE; it has "
                f"text {config.text}, image {config.image}, vae {config.vae}"
            )
        self.config = config
        self.dit = CausalDiT(config)
        self.text_encoder = TextEncoder(config.text, config.text_len, tokenizer)
        self.image_encoder = ImageEncoder(config.image)
        self.vae = VideoVAE(config.vae)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.dit.patch_embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Working dtype: that of the weights."""
        return self.dit.patch_embedding.weight.dtype

    @torch.no_grad()
    def encode_prompt(self, prompt: str) -> Tensor:
        """[1, text_len, text_dim] embeddings of a rendered prompt."""
        return self.text_encoder.encode(prompt)

    @torch.no_grad()
    def begin(
        self, canvas: Tensor, num_frames: int | None = None
    ) -> tuple[Tensor, FirstFrameCondition]:
        """What a session knows of its first canvas, its condition encoded as far as it is used.

        Args:
            canvas: [H, W, 3] uint8.
            num_frames: image frames that the condition covers; None: the configuration's.

        Returns:
            ``clip`` [1, tokens, clip_dim], and the condition y of ``num_frames`` frames, which also
            has the latent of the canvas alone.
        """
        frame = self.normalise(canvas[None])[:, :, 0]
        condition = self.vae.condition(frame, num_frames or self.config.num_frames)
        return self.image_encoder.encode(frame), condition

    def encode_first(self, canvas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same with the condition encoded at once.

        Args:
            canvas: [H, W, 3] uint8.

        Returns:
            ``clip`` [1, tokens, clip_dim], the condition ``y`` [1, 4 + C, F, h, w], and ``z0``
            [1, C, 1, h, w], the latent of the canvas alone (a part of ``y``).
        """
        clip, condition = self.begin(canvas)
        return clip, condition.whole(), condition.first_latent

    @torch.no_grad()
    def encode_frames(self, canvases: Tensor) -> Tensor:
        """The newest latents of a clip that starts cold: what the context is refreshed with.

        Args:
            canvases: [T, H, W, 3] uint8 at the policy's frame rate; a block's ``frames_per_block``
                and the one before them.

        Returns:
            [1, C, K, h, w], the last K latents.

        Raises:
            ValueError: fewer frames than a block needs.
        """
        needed = self.config.frames_per_block + 1
        if len(canvases) < needed:
            raise ValueError(f"canvases: expected at least {needed} frames, got {len(canvases)}")
        latents = self.vae.encode(self.normalise(canvases))
        return latents[:, :, -self.config.num_frame_per_block :]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Canvases of a clip, at the size that the VAE works at.

        Args:
            latents: [1, C, F, h, w], the clip's first latent among them.

        Returns:
            [1 + 4 * (F - 1), H', W', 3] uint8.
        """
        video = self.vae.decode(latents)[0].float()
        return ((video + 1.0) * 127.5).round().to(torch.uint8).permute(1, 2, 3, 0)

    def normalise(self, canvases: Tensor) -> Tensor:
        """uint8 canvases to the network's range and size.

        The division is in float32 and all that follows in the working dtype, as at the reference's
        inference.

        Args:
            canvases: [T, H, W, 3] uint8.

        Returns:
            [1, 3, T, H', W'] in [-1, 1], resized to ``target_size`` where the configuration has one
            (bilinear, half-pixel centres, no antialias).

        Raises:
            ValueError: another dtype or shape.
        """
        frames = to_network_range(canvases.to(self.device), self.config.target_size, self.dtype)
        stride = self.config.vae.spatial_stride
        latent = tuple(size // stride for size in frames.shape[-2:])
        if latent != self.config.latent_size:
            raise ValueError(
                f"canvases of {canvases.shape[1]}x{canvases.shape[2]} pixels give latents of "
                f"{latent}, expected {self.config.latent_size}"
            )
        return frames


def to_network_range(
    canvases: Tensor, target_size: tuple[int, int] | None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """uint8 canvases to [-1, 1] and to the size that the VAE works at.

    Args:
        canvases: [T, H, W, 3] uint8.
        target_size: (height, width) of the result; None: as they are.
        dtype: working dtype of everything after the division.

    Returns:
        [1, 3, T, H', W'] in [-1, 1].

    Raises:
        ValueError: another dtype or shape.
    """
    if canvases.dtype != torch.uint8 or canvases.ndim != 4 or canvases.shape[-1] != 3:
        raise ValueError(
            f"canvases: expected uint8 [T, H, W, 3], got {canvases.dtype} {list(canvases.shape)}"
        )
    frames = canvases.permute(0, 3, 1, 2).float().div_(255.0).to(dtype).sub_(0.5).div_(0.5)
    if target_size is not None and tuple(frames.shape[-2:]) != target_size:
        frames = interpolate(frames, target_size, mode="bilinear", align_corners=False)
    return frames.permute(1, 0, 2, 3)[None]
