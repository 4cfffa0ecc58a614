"""The reference implementation's own network, from a folder on disk, called as ``literal.py`` is.

Nothing of it is in this repository: the folder is a checkout of dreamzero0/dreamzero. Off a GPU its
attention, which asks for one, is replaced by PyTorch's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import Tensor, nn

from dreamzero_policy.model.dit import CausalDiT
from literal import Branch, Output
from rows import NotRunError

_DIT = "groot.vla.model.dreamzero.modules.wan_video_dit_action_casual_chunk"
_SUB = "groot.vla.model.dreamzero.modules.wan2_1_submodule"


class ReferenceForward:
    """The reference's forward on the weights of a network of ours.

    Args:
        dit: whose weights it shares.
        folder: with ``groot`` in it.

    Raises:
        NotRunError: it cannot be imported from there, or does not take these sizes.
    """

    def __init__(self, dit: CausalDiT, folder: Path) -> None:
        config = self._config = dit.config
        if not (folder / "groot").is_dir():
            raise NotRunError(f"--reference: {folder} has no folder 'groot'")
        if config.image.tokens != 257:
            raise NotRunError(f"the reference takes 257 image tokens, not {config.image.tokens}")
        sys.path.insert(0, str(folder))
        try:
            network = __import__(_DIT, fromlist=["_"])
            parts = __import__(_SUB, fromlist=["_"])
        except ImportError as error:
            raise NotRunError(f"--reference: {error}") from error
        finally:
            sys.path.remove(str(folder))
        if dit.patch_embedding.weight.device.type == "cpu":
            network.AttentionModule, parts.flash_attention = _Attention, _attend
        with torch.device("meta"):
            model = network.CausalWanModel(
                model_type=config.model_type,
                frame_seqlen=config.frame_seqlen,
                text_len=config.text_len,
                in_dim=config.in_dim,
                dim=config.dim,
                ffn_dim=config.ffn_dim,
                freq_dim=config.freq_dim,
                text_dim=config.text_dim,
                out_dim=config.out_dim,
                num_heads=config.num_heads,
                num_layers=config.num_layers,
                max_chunk_size=config.max_chunk_size,
                num_frame_per_block=config.num_frame_per_block,
                action_dim=config.max_action_dim,
                max_state_dim=config.max_state_dim,
                hidden_size=config.hidden_size,
                num_action_per_block=config.num_action_per_block,
                num_state_per_block=config.num_state_per_block,
                concat_first_frame_latent=config.concat_first_frame_latent,
            )
        model.load_state_dict(dit.state_dict(), assign=True)
        self._model = model.eval().requires_grad_(False)
        self._weight = dit.patch_embedding.weight
        # Plain attributes, which the meta device has taken.
        width, third = config.head_dim, config.head_dim // 6
        widths = (width - 4 * third, 2 * third, 2 * third)
        model.freqs = [parts.rope_params(1024, each).to(self._weight.device) for each in widths]
        model.freqs_action = parts.rope_params(1024 * 10, width).to(self._weight.device)
        model.freqs_state = parts.rope_params(1024, width).to(self._weight.device)

    def empty(self, batch: int = 1) -> list[Tensor]:
        """As ``LiteralForward.empty``."""
        config = self._config
        shape = (2, batch, 0, config.num_heads, config.head_dim)
        return [self._weight.new_zeros(shape) for _ in range(config.num_layers)]

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        tau: Tensor,
        y: Tensor | None,
        branch: Branch,
        caches: list[Tensor],
        start_frame: int,
        vectors: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> Output:
        """As ``LiteralForward``."""
        actions, action_tau, state = vectors or (None, None, None)
        video, velocity, left = self._model._forward_inference(
            x=latents,
            timestep=tau,
            context=branch.text,
            seq_len=latents.shape[2] * self._config.frame_seqlen,
            kv_cache=caches,
            crossattn_cache=None,
            current_start_frame=start_frame,
            y=y,
            clip_feature=branch.clip,
            action=actions,
            timestep_action=action_tau,
            state=state,
        )
        return Output(video, velocity, left)


class _Attention(nn.Module):
    """In place of the reference's, with its arguments."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """[B, L, n, d] each."""
        return _attend(q, k, v)


def _attend(q: Tensor, k: Tensor, v: Tensor, **_: object) -> Tensor:
    """Dense attention in the dtype of its arguments."""
    out = F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, v)))
    return out.transpose(1, 2).contiguous()
