"""The causal video-action transformer (design: model.md 2 to 4).

Three forwards share one path through the blocks and differ in what a query may attend to:

    write          clean video                    stored and new keys; then the cache advances
    denoise        noisy video, actions, states   stored and new keys; the cache stays as it is
    forward_train  clean and noisy video, actions, states of a whole window, teacher forcing

Parameter names are those of the published checkpoints. Shapes: B sequences, F latent frames, K
frames in a block, S tokens per frame, L tokens, C latent channels, D token channels, n heads of
width d, n_a actions and n_s states in a block.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

import torch
from torch import nn

from dreamzero_policy.model.action_tokens import ActionEncoder, PooledMlp
from dreamzero_policy.model.attention import attend
from dreamzero_policy.model.block import (
    PATCH,
    Attention,
    Block,
    Head,
    ImageEmbedding,
    Run,
)
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.context import Context, Side
from dreamzero_policy.model.inputs import (
    expect_block,
    expect_call,
    expect_latents,
    expect_vectors,
)
from dreamzero_policy.model.masks import Layout, attend_calls, teacher_forcing
from dreamzero_policy.model.rope import RotaryTables
from dreamzero_policy.model.shapes import expect_shape


class Cache(Protocol):
    """What the forwards need of a key-value cache; they never make, size or reset one."""

    @property
    def position(self) -> int:
        """Absolute token behind the last stored row."""

    def write(self, layer: int, k: torch.Tensor, v: torch.Tensor, start_token: int) -> None:
        """Puts rows [B, rows, n, d] behind the stored ones, not counted yet."""

    def keys_values(
        self, layer: int, new: int = 0, tail: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stored rows, ``new`` video rows within the window, and ``tail`` rows, in order."""

    def advance(self, tokens: int) -> None:
        """Counts the ``tokens`` rows behind the stored ones, in every layer."""


class CausalDiT(nn.Module):
    """The network: what it must know of a moment is in its arguments; nothing stays between calls.

    Args:
        config: sizes and switches.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.state_encoder = PooledMlp(config.max_state_dim, config.hidden_size, dim)
        self.action_encoder = ActionEncoder(config.max_action_dim, dim)
        self.action_decoder = PooledMlp(dim, config.hidden_size, config.max_action_dim)
        self.patch_embedding = nn.Conv3d(
            config.in_dim, dim, kernel_size=(1, PATCH, PATCH), stride=(1, PATCH, PATCH)
        )
        self.text_embedding = nn.Sequential(
            nn.Linear(config.text_dim, dim), nn.GELU(approximate="tanh"), nn.Linear(dim, dim)
        )
        self.time_embedding = nn.Sequential(
            nn.Linear(config.freq_dim, dim), nn.SiLU(), nn.Linear(dim, dim)
        )
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.head = Head(config)
        self.img_emb = ImageEmbedding(config)
        self.tables = RotaryTables(config.head_dim)
        self.initialise()

    @torch.no_grad()
    def initialise(self, output_std: float = 0.0) -> None:
        """Draws the linear layers anew for a start from nothing (design: model.md 2.12).

        Args:
            output_std: of the video head's weight; 0 as for training: the first velocity is 0.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv3d):
                nn.init.xavier_uniform_(module.weight.flatten(1))
                nn.init.zeros_(module.bias)
        for part in (self.text_embedding, self.time_embedding):
            for module in part:
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, std=0.02)
        nn.init.normal_(self.head.head.weight, std=output_std)

    def embed_context(self, text: torch.Tensor, clip: torch.Tensor) -> Context:
        """What the forwards take, of a prompt and a first image that came together."""
        return Context(self.embed_text(text), self.embed_image(clip))

    def embed_text(self, text: torch.Tensor) -> Side:
        """Projects a prompt and makes every block's keys of it: once per instruction.

        Args:
            text: [B, text_len, text_dim] prompt embedding, zero behind the prompt's end.

        Raises:
            ValueError: a shape that the model does not take.
        """
        tokens = self._project_text(text)
        return Side(tokens, tuple(block.cross_attn.text_keys(tokens) for block in self.blocks))

    def embed_image(self, clip: torch.Tensor) -> Side:
        """Projects a first image and makes every block's keys of it: once per first image.

        Args:
            clip: [B, tokens, clip_dim] image tokens of the first frame.

        Raises:
            ValueError: a shape that the model does not take.
        """
        tokens = self._project_image(clip)
        return Side(tokens, tuple(block.cross_attn.image_keys(tokens) for block in self.blocks))

    def _project_text(self, text: torch.Tensor) -> torch.Tensor:
        """A prompt as tokens [B, tokens, D]."""
        expect_shape("text", text, (text.shape[0], None, self.config.text_dim))
        return self.text_embedding(text.to(self.dtype))

    def _project_image(self, clip: torch.Tensor) -> torch.Tensor:
        """An image as tokens [B, tokens, D]."""
        expect_shape("clip", clip, (None, None, self.config.clip_dim))
        return self.img_emb(clip.to(self.dtype))

    @torch.no_grad()
    def write(
        self,
        latents: torch.Tensor,
        y: torch.Tensor | None,
        context: Context,
        cache: Cache,
        start_frame: int,
    ) -> torch.Tensor:
        """Reads clean latents into the cache: the first frame, or a block that was observed.

        Args:
            latents: [B, C, F, h, w] clean.
            y: [B, 4 + C, F, h, w] first-frame condition of these frames; None or ignored where the
                model reads none.
            context: of ``embed_text`` and ``embed_image``.
            cache: rows of these frames are appended.
            start_frame: absolute latent frame of the first.

        Returns:
            The video velocity [B, C, F, h, w]; a policy has no use for it.

        Raises:
            ValueError: shapes that do not fit, or a cache that does not end at ``start_frame``.
        """
        config, (batch, _, frames) = self.config, latents.shape[:3]
        grid = expect_call(config, latents, context, cache.position, start_frame)
        x = self.embed_video(latents, y)
        tau = torch.zeros(batch, frames, device=latents.device)
        runs = (Run(frames, config.frame_seqlen),)
        table = self.tables.sequence(start_frame, (frames, *grid), (0, 0), (0, 0), latents.device)
        calls = [
            partial(self._attend_cached, cache, layer, x.shape[1], 0)
            for layer in range(len(self.blocks))
        ]
        x, times = self._through(x, tau, runs, table, calls, context)
        cache.advance(x.shape[1])
        return self.video_velocity(x, times, runs, (frames, *grid))

    @torch.no_grad()
    def denoise(
        self,
        latents: torch.Tensor,
        video_tau: torch.Tensor,
        actions: torch.Tensor,
        action_tau: torch.Tensor,
        state: torch.Tensor,
        y: torch.Tensor | None,
        context: Context,
        cache: Cache,
        start_frame: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Predicts the velocities of one noisy block; what the cache stores stays as it is.

        Args:
            latents: [B, C, K, h, w] noisy.
            video_tau: [B, K] timesteps 0 to 1000.
            actions: [B, n_a, action_dim] noisy.
            action_tau: [B, n_a] timesteps.
            state: [B, n_s, state_dim].
            y: [B, 4 + C, K, h, w] first-frame condition of these frames, as in ``write``.
            context: of ``embed_text`` and ``embed_image``.
            cache: everything before ``start_frame``.
            start_frame: absolute latent frame of the block's first.

        Returns:
            Video velocity [B, C, K, h, w] and action velocity [B, n_a, action_dim].

        Raises:
            ValueError: shapes that do not fit, or a cache that does not end at ``start_frame``.
        """
        config = self.config
        frames = config.num_frame_per_block
        n_a, n_s = config.num_action_per_block, config.num_state_per_block
        grid = expect_call(config, latents, context, cache.position, start_frame)
        expect_block(config, latents, video_tau, actions, action_tau, state)
        video = self.embed_video(latents, y)
        x = torch.cat([video, *self.embed_vectors(actions, action_tau, state)], dim=1)
        tau = self.timesteps(video_tau, action_tau)
        runs = (Run(frames, config.frame_seqlen), Run(n_a + n_s, 1))
        block = (start_frame - 1) // frames
        table = self.tables.sequence(
            start_frame,
            (frames, *grid),
            (block * n_a, n_a),
            (block * n_s, n_s),
            latents.device,
        )
        calls = [
            partial(self._attend_cached, cache, layer, video.shape[1], n_a + n_s)
            for layer in range(len(self.blocks))
        ]
        x, times = self._through(x, tau, runs, table, calls, context)
        end = video.shape[1]
        velocity = self.video_velocity(x[:, :end], times[:, :frames], runs[:1], (frames, *grid))
        return velocity, self.action_decoder(x[:, end : end + n_a])

    def forward_train(
        self,
        noisy: torch.Tensor | None,
        clean: torch.Tensor,
        video_tau: torch.Tensor,
        actions: torch.Tensor,
        action_tau: torch.Tensor,
        state: torch.Tensor,
        y: torch.Tensor | None,
        text: torch.Tensor,
        clip: torch.Tensor,
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Predicts the velocities of a whole window, each block given the clean ones before it.

        Args:
            noisy: [B, C, F, h, w] with F = 1 + blocks * K; None where actions alone are predicted.
            clean: [B, C, F, h, w], what the noisy half is at sigma 0.
            video_tau: [B, F] timesteps 0 to 1000 of the noisy half.
            actions: [B, blocks * n_a, action_dim] noisy.
            action_tau: [B, blocks * n_a] timesteps.
            state: [B, blocks * n_s, state_dim].
            y: [B, 4 + C, F, h, w] first-frame condition, as in ``write``.
            text: [B, text_len, text_dim], as in ``embed_text``.
            clip: [B, tokens, clip_dim], as in ``embed_image``.

        Returns:
            Video velocity [B, C, F, h, w], None without ``noisy``, and action velocity
            [B, blocks * n_a, action_dim].

        Raises:
            ValueError: shapes that do not fit.
        """
        config = self.config
        batch, _, frames = clean.shape[:3]
        blocks, rest = divmod(frames - 1, config.num_frame_per_block)
        if blocks < 1 or rest:
            raise ValueError(
                f"clean: expected 1 latent frame and whole blocks of {config.num_frame_per_block}, "
                f"got {frames} frames"
            )
        grid = expect_latents(config, clean)
        if noisy is not None:
            expect_shape("noisy", noisy, tuple(clean.shape))
        expect_vectors(config, video_tau, frames, actions, action_tau, state, blocks)
        expect_shape("text", text, (batch, None, None))
        expect_shape("clip", clip, (batch, None, None))
        context = Context(
            Side(self._project_text(text), None), Side(self._project_image(clip), None)
        )
        n_a, n_s = actions.shape[1], state.shape[1]
        layout = Layout(
            blocks=blocks,
            frame_tokens=config.frame_seqlen,
            frames_per_block=config.num_frame_per_block,
            actions_per_block=config.num_action_per_block,
            states_per_block=config.num_state_per_block,
            window_frames=config.window_frames,
            noisy_video=noisy is not None,
        )
        before, tokens = layout.clean_frames, layout.video_tokens
        context_of = None if y is None else y[:, :, :before]
        video = [self.embed_video(clean[:, :, :before], context_of)]
        if noisy is not None:
            video.append(self.embed_video(noisy, y))
        x = torch.cat([*video, *self.embed_vectors(actions, action_tau, state)], dim=1)
        tau = self.timesteps(video_tau if noisy is not None else video_tau[:, :0], action_tau)
        tau = torch.cat([tau.new_zeros(batch, before), tau], dim=1)
        noisy_run = Run(frames if noisy is not None else 0, config.frame_seqlen)
        runs = (Run(before, config.frame_seqlen), noisy_run, Run(n_a + n_s, 1))
        table = self.tables.sequence(0, (frames, *grid), (0, n_a), (0, n_s), clean.device)
        whole = frames * config.frame_seqlen  # clean frames stand where noisy ones do
        table = torch.cat([table[: tokens[0]], table[whole - tokens[1] :]])
        call = partial(attend_calls, teacher_forcing(layout))
        x, times = self._through(x, tau, runs, table, [call] * len(self.blocks), context)
        _, second, vectors, _ = x.split([*tokens, n_a, n_s], dim=1)
        if noisy is None:
            return None, self.action_decoder(vectors)
        velocity = self.video_velocity(
            second, times[:, before : before + frames], (noisy_run,), (frames, *grid)
        )
        return velocity, self.action_decoder(vectors)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights, and so of everything inside."""
        return self.patch_embedding.weight.dtype

    def embed_video(self, latents: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        """Latents, with the condition where the model reads one, as tokens [B, F * S, D]."""
        channels = self.config.condition_channels
        if channels:
            batch, _, frames, height, width = latents.shape
            if y is None:
                raise ValueError(f"y: expected {channels} condition channels, got None")
            expect_shape("y", y, (batch, channels, frames, height, width))
            latents = torch.cat([latents.to(self.dtype), y.to(self.dtype)], dim=1)
        return self.patch_embedding(latents.to(self.dtype)).flatten(2).transpose(1, 2)

    def embed_vectors(
        self, actions: torch.Tensor, action_tau: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions and states as tokens."""
        action_tokens = self.action_encoder(actions.to(self.dtype), action_tau)
        return action_tokens, self.state_encoder(state.to(self.dtype))

    def timesteps(self, video_tau: torch.Tensor, action_tau: torch.Tensor) -> torch.Tensor:
        """Timesteps of frames, actions and states in a row; a state takes its first action's."""
        stride = self.config.num_action_per_block // self.config.num_state_per_block
        return torch.cat([video_tau, action_tau, action_tau[:, ::stride]], dim=1)

    def modulation(self, tau: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Timesteps [B, R] to embeddings [B, R, D] and modulations [B, R, 6, D] of the blocks."""
        half = self.config.freq_dim // 2
        steps = torch.arange(half, dtype=torch.float64, device=tau.device)
        angles = tau.to(torch.float64)[..., None] * 10000.0 ** (-steps / half)
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1)  # in float64, cosines first
        times = self.time_embedding(waves.to(self.dtype))
        return times, self.time_projection(times).unflatten(-1, (6, -1))

    def _through(
        self,
        x: torch.Tensor,
        tau: torch.Tensor,
        runs: tuple[Run, ...],
        table: torch.Tensor,
        calls: list[Attention],
        context: Context,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens [B, L, D] through every block; also the time embeddings [B, R, D] of ``tau``."""
        times, modulation = self.modulation(tau)
        for index, block in enumerate(self.blocks):
            x = block(x, modulation, runs, table, calls[index], *context.sides(index))
        return x, times

    def _attend_cached(
        self,
        cache: Cache,
        layer: int,
        video: int,
        tail: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
    ) -> torch.Tensor:
        """Every query sees what is stored and every new token; a state perhaps itself only."""
        cache.write(layer, key, value, cache.position)
        seen = cache.keys_values(layer, new=video, tail=tail)
        if not tail or self.config.state_attends_all:
            return attend(query, *seen)
        states = slice(query.shape[1] - self.config.num_state_per_block, None)
        alone = attend(query[:, states], key[:, states], value[:, states])
        return torch.cat([attend(query[:, : states.start], *seen), alone], dim=1)

    def video_velocity(
        self,
        x: torch.Tensor,
        times: torch.Tensor,
        runs: tuple[Run, ...],
        grid: tuple[int, int, int],
    ) -> torch.Tensor:
        """Video tokens [B, F * S, D] to [B, C, F, h, w]; an odd last row or column is not made."""
        patches = self.head(x, times, runs)
        patches = patches.unflatten(1, grid).unflatten(-1, (PATCH, PATCH, self.config.out_dim))
        frames, rows, columns = grid
        # [B, frame, row, column, row in patch, column in patch, channel]
        video = patches.permute(0, 6, 1, 2, 4, 3, 5)
        return video.reshape(x.shape[0], -1, frames, rows * PATCH, columns * PATCH)
