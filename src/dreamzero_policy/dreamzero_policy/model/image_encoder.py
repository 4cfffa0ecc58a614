"""The image encoder: CLIP ViT-H/14 features of a session's first canvas.

The network is transformers' ``CLIPVisionModel``; what the model sees of it is the state after the
last layer but one, class token and patches, without the final norm (design: model.md 7.2).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPVisionModel

from dreamzero_policy.model.config import ImageConfig

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


class ImageEncoder(nn.Module):
    """Features of one image, resized without keeping its aspect ratio.

    Args:
        config: sizes of the vision tower.
    """

    def __init__(self, config: ImageConfig) -> None:
        super().__init__()
        self.config = config
        self.net = CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=config.dim,
                intermediate_size=config.ffn_dim,
                num_hidden_layers=config.num_layers,
                num_attention_heads=config.num_heads,
                image_size=config.image_size,
                patch_size=config.patch_size,
                projection_dim=config.projection_dim,
                hidden_act="gelu",
                layer_norm_eps=config.eps,
            )
        )
        # Of the joint text-image embedding; unused, kept so that a checkpoint is saved as whole as
        # it was loaded.
        self.head = nn.Parameter(torch.empty(config.dim, config.projection_dim))
        self.log_scale = nn.Parameter(torch.empty(()))

    def restore_buffers(self) -> None:
        """Makes the position numbers anew: no checkpoint has them, the meta device loses them."""
        embeddings = self.net.embeddings
        device = embeddings.class_embedding.device
        embeddings.position_ids = torch.arange(embeddings.num_positions, device=device)[None]

    def preprocess(self, first_frame: Tensor) -> Tensor:
        """[B, 3, H, W] in [-1, 1] to [B, 3, 224, 224] as CLIP was trained.

        Bicubic with half-pixel centres, neither antialiased nor clamped, then CLIP's mean and
        standard deviation, all in the tensor's own dtype.
        """
        size = (self.config.image_size,) * 2
        image = interpolate(first_frame, size, mode="bicubic", align_corners=False)
        mean, std = (first_frame.new_tensor(row).view(1, 3, 1, 1) for row in (_MEAN, _STD))
        return (image * 0.5 + 0.5 - mean) / std

    def encode(self, first_frame: Tensor) -> Tensor:
        """Features of an image.

        Args:
            first_frame: [B, 3, H, W] in [-1, 1].

        Returns:
            [B, 1 + patches, dim], the class token first.
        """
        outputs = self.net(self.preprocess(first_frame), output_hidden_states=True)
        return outputs.hidden_states[-2]
