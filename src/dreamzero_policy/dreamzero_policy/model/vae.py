"""The video VAE: clips of canvases to latents and back, whole or as the frames arrive.

Shape legend::

    B batch    T frames    F = 1 + (T - 1) // 4 latent frames    C latent channels    H, W canvas
    h, w latent height and width (H and W over the spatial stride)

The network is diffusers' ``AutoencoderKLWan``. It is causal in time: frame 0 is a group of its own,
then every four frames make one latent frame, and each group sees only what came before. Therefore a
clip may be pushed group by group, and the latents of a shorter clip are a prefix of those of a
longer one (design: model.md 2.2, 7.3).
"""

from __future__ import annotations

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan, patchify
from torch import Tensor, nn

from dreamzero_policy.model.config import MASK_CHANNELS, TEMPORAL_STRIDE, VaeConfig


class VideoVAE(nn.Module):
    """Encoder to normalised latents, decoder back to frames.

    Args:
        config: sizes, and the mean and standard deviation of every latent channel.
    """

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        self.net = AutoencoderKLWan(
            base_dim=config.base_dim,
            decoder_base_dim=config.decoder_base_dim,
            z_dim=config.z_dim,
            dim_mult=list(config.dim_mult),
            num_res_blocks=config.num_res_blocks,
            attn_scales=[],
            temperal_downsample=list(config.temporal_downsample),
            dropout=0.0,
            latents_mean=list(config.latents_mean),
            latents_std=list(config.latents_std),
            is_residual=config.residual,
            in_channels=3 * config.patch_size**2,
            out_channels=3 * config.patch_size**2,
            patch_size=config.patch_size if config.patch_size > 1 else None,
            scale_factor_temporal=TEMPORAL_STRIDE,
            scale_factor_spatial=config.spatial_stride,
        )
        # Plain tensors, not buffers: no checkpoint stores them and a cast of the module must not
        # round them twice.
        column = (1, config.z_dim, 1, 1, 1)
        self._mean = torch.tensor(config.latents_mean, device="cpu").view(column)
        self._scale = 1.0 / torch.tensor(config.latents_std, device="cpu").view(column)

    def encode(self, video: Tensor) -> Tensor:
        """Latents of a whole clip.

        Args:
            video: [B, 3, T, H, W] in [-1, 1]; frames beyond the last whole group are ignored.

        Returns:
            [B, C, F, h, w] normalised latents.
        """
        return self.stream().push(video)

    def encode_conditioned(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Latents of a whole clip, and what ``condition`` gives of its first frame, in one batch.

        Args:
            video: as of ``encode``.

        Returns:
            [B, C, F, h, w] normalised latents, and the condition [B, 4 + C, F, h, w].
        """
        still = torch.zeros_like(video)
        still[:, :, 0] = video[:, :, 0]
        latents, known = self.encode(torch.cat([video, still])).chunk(2)
        return latents, _condition(known, 0)

    def stream(self) -> EncoderStream:
        """A new clip whose frames come one by one or in groups."""
        return EncoderStream(self)

    def decode(self, latents: Tensor) -> Tensor:
        """Frames of a clip from its first latent on.

        Args:
            latents: [B, C, F, h, w] normalised latents; the first one yields one frame, each later
                one four.

        Returns:
            [B, 3, 1 + 4 * (F - 1), H, W] in [-1, 1].
        """
        mean, scale = self._statistics(latents)
        return self.net.decode(latents / scale + mean, return_dict=False)[0]

    def condition(self, first_frame: Tensor, num_frames: int) -> FirstFrameCondition:
        """What is known of a clip when only its first frame is, encoded as far as it is asked for.

        Args:
            first_frame: [B, 3, H, W] in [-1, 1].
            num_frames: length T of the clip; the frames after the first are mid grey (0).
        """
        return FirstFrameCondition(self, first_frame, num_frames)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and inverse deviation of every channel, each rounded once to the working dtype."""
        return self._mean.to(like), self._scale.to(like)


class EncoderStream:
    """One clip on its way through the encoder, with what the causal convolutions remember of it.

    Two streams of one VAE do not know of each other.
    """

    def __init__(self, vae: VideoVAE) -> None:
        self._vae = vae
        self._memory: list[Tensor | None] = [None] * vae.net._cached_conv_counts["encoder"]
        self._pending: Tensor | None = None
        self._started = False

    def push(self, frames: Tensor) -> Tensor | None:
        """Takes the next frames of the clip.

        Args:
            frames: [B, 3, t, H, W] in [-1, 1], any t of at least 1.

        Returns:
            [B, C, f, h, w] latents of the groups that these frames completed, None where they
            completed none.

        Raises:
            ValueError: frames of another shape than the ones before.
        """
        if frames.ndim != 5 or frames.shape[1] != 3 or frames.shape[2] < 1:
            raise ValueError(f"frames: expected [B, 3, t, H, W], got {list(frames.shape)}")
        if self._pending is not None:
            before = self._pending.shape
            if before[0] != frames.shape[0] or before[3:] != frames.shape[3:]:
                raise ValueError(
                    f"frames: expected the shape of the clip so far, batch {before[0]} and size "
                    f"{list(before[3:])}, got batch {frames.shape[0]} and size "
                    f"{list(frames.shape[3:])}"
                )
            frames = torch.cat([self._pending, frames], dim=2)
        done = []
        while frames.shape[2] >= (size := TEMPORAL_STRIDE if self._started else 1):
            done.append(self._group(frames[:, :, :size]))
            frames = frames[:, :, size:]
            self._started = True
        self._pending = frames  # may be empty: it still tells the shape of the clip
        if not done:
            return None
        # The first half of the moments is the mean, the only half that is used (no sampling).
        latents = torch.cat(done, dim=2)[:, : self._vae.config.z_dim]
        mean, scale = self._vae._statistics(latents)
        return (latents - mean) * scale

    def _group(self, frames: Tensor) -> Tensor:
        """Moments of one group, whatever it was pushed with; the memory moves on by the group."""
        patch = self._vae.config.patch_size
        if patch > 1:
            frames = patchify(frames, patch_size=patch)
        features = self._vae.net.encoder(frames, feat_cache=self._memory, feat_idx=[0])
        return self._vae.net.quant_conv(features)


class FirstFrameCondition:
    """The image condition y of a clip whose first frame alone is known (design: model.md 2.2).

    Its latents are those of the first frame and mid grey behind it. A causal encoder gives the same
    for the frames so far whatever comes behind them, so only as much is encoded as somebody asks
    for: a window that restarts pays for the block that it denoises, not for all of its blocks.
    """

    def __init__(self, vae: VideoVAE, first_frame: Tensor, num_frames: int) -> None:
        self._stream = vae.stream()
        self._latents = self._stream.push(first_frame[:, :, None])
        grey = torch.zeros_like(first_frame)[:, :, None]
        self._grey = grey.expand(-1, -1, TEMPORAL_STRIDE, -1, -1)
        self._frames = 1 + (num_frames - 1) // TEMPORAL_STRIDE

    @property
    def first_latent(self) -> Tensor:
        """[B, C, 1, h, w], the latent of the first frame alone."""
        return self._latents[:, :, :1]

    def __call__(self, start: int, count: int) -> Tensor:
        """The condition of some latent frames.

        Args:
            start: the first of them.
            count: how many; where they run past the clip, its last ``count`` frames are taken.

        Returns:
            [B, 4 + C, count, h, w]: four mask channels that are 1 at latent frame 0, then the
            latents.

        Raises:
            ValueError: more frames than the clip has.
        """
        if not 0 < count <= self._frames or start < 0:
            raise ValueError(
                f"condition: expected frames among {self._frames}, got {count} from {start}"
            )
        start = min(start, self._frames - count)
        while self._latents.shape[2] < start + count:
            self._latents = torch.cat([self._latents, self._stream.push(self._grey)], dim=2)
        return _condition(self._latents[:, :, start : start + count], start)

    def whole(self) -> Tensor:
        """[B, 4 + C, F, h, w], every frame of the clip."""
        return self(0, self._frames)


def _condition(latents: Tensor, start: int) -> Tensor:
    """Mask channels before latents [B, C, F, h, w] of a first frame and grey from ``start`` on."""
    mask = latents.new_zeros(latents.shape[0], MASK_CHANNELS, *latents.shape[2:])
    if start == 0:
        mask[:, :, 0] = 1.0
    return torch.cat([mask, latents], dim=1)
